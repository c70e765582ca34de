"""Reg2RG: draft reports for chest CTs in which every section is tied to a region of the image."""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import qt
import slicer
from Reg2RGModuleLib import locations, runFolder
from Reg2RGModuleLib.panel import Panel
from Reg2RGModuleLib.parameters import Reg2RGParameters
from Reg2RGModuleLib.reportLogic import ReportLogic
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *  # noqa: F403
from slicer.util import VTKObservationMixin


class Reg2RGModule(ScriptedLoadableModule):  # noqa: F405
    """The module's metadata."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)  # noqa: F405
        parent.title = _("Reg2RG chest CT report")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Informatics")]
        parent.dependencies = ["Markups", "Segmentations", "Volumes"]
        parent.contributors = ["The Reg2RG for 3D Slicer authors"]
        parent.helpText = _(
            "Generates a draft report for a chest CT and lets you review it. Every section of the report is tied to a "
            "region of the image. Research software, not for clinical use. The included model was trained on synthetic "
            "findings. It misses most of what a radiologist would see in a real patient."
        )
        parent.acknowledgementText = _("This module implements Reg2RG (IEEE Transactions on Medical Imaging, 2025).")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Add the sample case (a CT and its regions) to Slicer's Sample Data module, if that module is available."""
    try:
        import SampleData
    except ImportError:
        return
    locations.makeEngineImportable()
    from reg2rg.runtime.resources import sample_case

    files = sample_case()
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Reg2RG",
        sampleName="Reg2RGSampleChest",
        uris=[file.as_uri() for file in files],
        fileNames=["Reg2RGSampleChest.nrrd", "Reg2RGSampleChest.seg.nrrd"],
        nodeNames=list(locations.sampleNames()),
        loadFileType=["VolumeFile", "SegmentationFile"],
        checksums=[f"SHA256:{digest}" for digest in digests],  # prevents Slicer from using an outdated cached copy
        thumbnailFileName=str(locations.MODULE / "Resources" / "Icons" / "Reg2RGSampleChest.png"),
    )


class Reg2RGModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):  # noqa: F405
    """Creates the panel and keeps it in sync with the scene."""

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        super().__init__(parent)  # initializes VTKObservationMixin, too
        self.logic: Reg2RGModuleLogic | None = None
        self.panel: Panel | None = None
        self._parameters: Reg2RGParameters | None = None
        self._guiTag: int | None = None

    def setup(self) -> None:
        """Build the panel."""
        ScriptedLoadableModuleWidget.setup(self)  # noqa: F405
        locations.makeEngineImportable()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Reg2RGModule.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = Reg2RGModuleLogic()
        self.panel = Panel(uiWidget, self.ui, self.logic)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        runFolder.removeLeftovers()
        self.initializeParameterNode()
        self.panel.setListening(self.parent.isEntered)

    def cleanup(self) -> None:
        """Release all resources before the module is reloaded or Slicer exits."""
        self._setParameterNode(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.cleanup()

    def enter(self) -> None:
        """Start using the scene's parameter node, unless it is already in use: that would reset selection and undo."""
        if self._parameters is None:
            self.initializeParameterNode()
        self.panel.setListening(True)

    def exit(self) -> None:
        """Stop listening to clicks in the views, because other modules use them for other purposes."""
        self.panel.setListening(False)

    def onReload(self) -> None:
        """Reload the module together with its library. By default, Slicer reloads only the module file."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "Reg2RGModuleLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)  # noqa: F405

    def onSceneStartClose(self, caller: Any, event: str) -> None:
        """Release all references to the scene that is closing."""
        self._setParameterNode(None)
        self.panel.sceneClosing()

    def onSceneEndClose(self, caller: Any, event: str) -> None:
        """Start using the parameter node of the new scene."""
        self.initializeParameterNode()

    def onNodeAdded(self, caller: Any, event: str) -> None:
        """Select the first volume once the node selectors have been notified of it."""
        if self._parameters is not None and self._parameters.inputVolume is None:
            qt.QTimer.singleShot(0, self._chooseVolume)

    def initializeParameterNode(self) -> None:
        """Start using the scene's parameter node, and select the first volume if none is selected."""
        self._setParameterNode(self.logic.getParameterNode())
        self._chooseVolume()
        self.panel.setParameters(self._parameters)

    def _chooseVolume(self) -> None:
        if self._parameters is not None and self._parameters.inputVolume is None:
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
                if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors():
                    self._parameters.inputVolume = node
                    return

    def _setParameterNode(self, parameters: Reg2RGParameters | None) -> None:
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
            self.panel.setParameters(None)
        self._parameters = parameters
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)


class Reg2RGModuleLogic(ScriptedLoadableModuleLogic, ReportLogic):  # noqa: F405
    """Generates reports and shows them in the views. ReportLogic documents the methods.

    In scripts, use the panel's logic, so that the panel stays up to date::

        logic = slicer.util.getModuleLogic("Reg2RGModule")
        reportNode = logic.generateReportAndWait(volumeNode)
        logic.selectSection(reportNode, "lung")
        print(logic.reviewOf(reportNode).asText())
    """

    def __init__(self) -> None:
        super().__init__()  # initializes ReportLogic, too

    def getParameterNode(self) -> Reg2RGParameters:
        """Return the scene's parameter node."""
        return Reg2RGParameters(ScriptedLoadableModuleLogic.getParameterNode(self))  # noqa: F405


class Reg2RGModuleTest(ScriptedLoadableModuleTest):  # noqa: F405
    """A short self-test for Slicer's Reload and Test button. The full test suite is in Testing/Slicer."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        self.test_panelFollowsTheSampleCase()

    def test_panelFollowsTheSampleCase(self) -> None:
        """Loading the sample case selects its volume."""
        widget = slicer.modules.reg2rgmodule.widgetRepresentation().self()
        widget.panel.inputs.loadSample()
        self.assertIsNotNone(widget.logic.getParameterNode().inputVolume)
        self.assertTrue(widget.ui.generateButton.enabled)
        self.delayDisplay(_("Test passed"))

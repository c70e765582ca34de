"""Reg2RG: a draft report of a chest CT, every section tied to a region of the image."""

import hashlib

import qt
import slicer
from Reg2RGModuleLib import locations, reportRun
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.panel import Panel
from Reg2RGModuleLib.parameters import Reg2RGParameters
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import *  # noqa: F403
from slicer.util import VTKObservationMixin


class Reg2RGModule(ScriptedLoadableModule):  # noqa: F405
    """Metadata."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)  # noqa: F405
        parent.title = _("Reg2RG chest CT report")
        parent.categories = [translate("qSlicerAbstractCoreModule", "Informatics")]
        parent.dependencies = []
        parent.contributors = ["The Reg2RG for 3D Slicer authors"]
        parent.helpText = _(
            "Writes a draft report of a chest CT, every section tied to a region of the image, and lets you review it. "
            "Research software, not for clinical use. The model that comes with it was trained on synthetic phantoms: "
            "what it says about a patient means nothing."
        )
        parent.acknowledgementText = _("The method is Reg2RG (IEEE Transactions on Medical Imaging, 2025).")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData():
    """Offer the sample case, a CT and its regions, in Slicer's module Sample Data, where that is there."""
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
        nodeNames=list(locations.SAMPLE_NAMES),
        loadFileType=["VolumeFile", "SegmentationFile"],
        checksums=[f"SHA256:{digest}" for digest in digests],  # so that a cached copy of an older one is not taken
        thumbnailFileName=str(locations.MODULE / "Resources" / "Icons" / "Reg2RGSampleChest.png"),
    )


class Reg2RGModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):  # noqa: F405
    """Loads the panel and keeps it in step with the scene."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)  # noqa: F405
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.panel = None
        self._parameters = None
        self._guiTag = None

    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)  # noqa: F405
        locations.makeEngineImportable()
        uiWidget = slicer.util.loadUI(self.resourcePath("UI/Reg2RGModule.ui"))
        self.layout.addWidget(uiWidget)
        self.ui = slicer.util.childWidgetVariables(uiWidget)
        uiWidget.setMRMLScene(slicer.mrmlScene)
        self.logic = Reg2RGModuleLogic()
        self.panel = Panel(uiWidget, self.ui, self.logic.engine)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(scene, scene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.EndImportEvent, self.onSceneEndClose)
        self.addObserver(scene, scene.NodeAddedEvent, self.onNodeAdded)
        reportRun.removeLeftovers()
        self.initializeParameterNode()
        self.panel.setListening(self.parent.isEntered)

    def cleanup(self):
        self._follow(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.cleanup()
            self.logic.engine.end()

    def enter(self):
        """The scene may have changed, but if it has not, what is selected and what can be undone must stay."""
        if self._parameters is None:
            self.initializeParameterNode()
        self.panel.setListening(True)

    def exit(self):
        """The user goes to another module, where clicks in the views mean other things."""
        self.panel.setListening(False)

    def onSceneStartClose(self, caller, event):
        self._follow(None)
        self.panel.sceneClosing()

    def onSceneEndClose(self, caller, event):
        self.initializeParameterNode()

    def onNodeAdded(self, caller, event):
        """The first volume that comes is the one meant; chosen when the node selectors, too, have heard of it."""
        if self._parameters is not None and self._parameters.inputVolume is None:
            qt.QTimer.singleShot(0, self._chooseVolume)

    def initializeParameterNode(self):
        """Follow the scene's parameter node, and choose the first volume where none is chosen."""
        self._follow(self.logic.getParameterNode())
        self._chooseVolume()
        self.panel.setParameters(self._parameters)

    def _chooseVolume(self):
        if self._parameters is not None and self._parameters.inputVolume is None:
            for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode"):
                if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors():
                    self._parameters.inputVolume = node
                    return

    def _follow(self, parameters):
        if self._parameters is not None:
            self._parameters.disconnectGui(self._guiTag)
            self.panel.setParameters(None)
        self._parameters = parameters
        if parameters is not None:
            self._guiTag = parameters.connectGui(self.ui)


class Reg2RGModuleLogic(ScriptedLoadableModuleLogic):  # noqa: F405
    """The engine's process and the parameters; a script may use it without the panel (see reportRun.ReportRun)."""

    def __init__(self):
        ScriptedLoadableModuleLogic.__init__(self)  # noqa: F405
        locations.makeEngineImportable()
        self.engine = EngineProcess()

    def getParameterNode(self):
        return Reg2RGParameters(super().getParameterNode())


class Reg2RGModuleTest(ScriptedLoadableModuleTest):  # noqa: F405
    """A short self-test for Slicer's Reload and Test; the full tests are in Testing/Slicer."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def runTest(self):
        self.setUp()
        self.test_panelFollowsTheSampleCase()

    def test_panelFollowsTheSampleCase(self):
        widget = slicer.modules.reg2rgmodule.widgetRepresentation().self()
        widget.panel.inputs.loadSample()
        self.assertIsNotNone(widget.logic.getParameterNode().inputVolume)
        self.assertTrue(widget.ui.generateButton.enabled)
        self.delayDisplay("Test passed")

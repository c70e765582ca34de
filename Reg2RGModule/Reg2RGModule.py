"""Reg2RG: a draft report of a chest CT in which every section belongs to a region of the image."""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

import qt
import slicer
from Reg2RGModuleLib import installation, locations, reportRun
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.panel import Panel
from Reg2RGModuleLib.parameters import Reg2RGParameters, RunParameters
from Reg2RGModuleLib.reportNode import reportOf
from Reg2RGModuleLib.reportRun import ReportRun
from Reg2RGModuleLib.reportViews import ReportViews
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.reviews import Reviews
from Reg2RGModuleLib.runCallbacks import RunCallbacks, RunOutcome
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
        parent.dependencies = ["Segmentations", "Volumes"]
        parent.contributors = ["The Reg2RG for 3D Slicer authors"]
        parent.helpText = _(
            "Writes a draft report of a chest CT in which every section belongs to a region of the image, and lets you "
            "review it. Research software, not for clinical use. The included model was trained on synthetic phantoms: "
            "what it writes about a patient is meaningless."
        )
        parent.acknowledgementText = _("The method is Reg2RG (IEEE Transactions on Medical Imaging, 2025).")
        slicer.app.connect("startupCompleted()", registerSampleData)


def registerSampleData() -> None:
    """Offer the sample case, a CT and its regions, in Slicer's Sample Data module, if that is available."""
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
        checksums=[f"SHA256:{digest}" for digest in digests],  # so that an older copy in the cache is not used
        thumbnailFileName=str(locations.MODULE / "Resources" / "Icons" / "Reg2RGSampleChest.png"),
    )


class Reg2RGModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):  # noqa: F405
    """Loads the panel and keeps it in step with the scene."""

    def __init__(self, parent: qt.QWidget | None = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)  # noqa: F405
        VTKObservationMixin.__init__(self)
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
        reportRun.removeLeftovers()
        self.initializeParameterNode()
        self.panel.setListening(self.parent.isEntered)

    def cleanup(self) -> None:
        """Let go of everything before the module is reloaded or Slicer exits."""
        self._setParameterNode(None)
        self.removeObservers()
        if self.panel is not None:
            self.panel.cleanup()

    def enter(self) -> None:
        """Use the scene's parameter node, if the scene has changed. If not, selection and undo steps must stay."""
        if self._parameters is None:
            self.initializeParameterNode()
        self.panel.setListening(True)

    def exit(self) -> None:
        """Ignore clicks in the views, which have other meanings in other modules."""
        self.panel.setListening(False)

    def onReload(self) -> None:
        """Reload the module with its library. Slicer alone reloads the module file only."""
        for name in [name for name in sys.modules if name.partition(".")[0] == "Reg2RGModuleLib"]:
            del sys.modules[name]
        ScriptedLoadableModuleWidget.onReload(self)  # noqa: F405

    def onSceneStartClose(self, caller: Any, event: str) -> None:
        """Let go of the scene."""
        self._setParameterNode(None)
        self.panel.sceneClosing()

    def onSceneEndClose(self, caller: Any, event: str) -> None:
        """Use the parameter node of the new scene."""
        self.initializeParameterNode()

    def onNodeAdded(self, caller: Any, event: str) -> None:
        """Choose the first volume, once the node selectors have been notified, too."""
        if self._parameters is not None and self._parameters.inputVolume is None:
            qt.QTimer.singleShot(0, self._chooseVolume)

    def initializeParameterNode(self) -> None:
        """Use the scene's parameter node, and choose the first volume if none is chosen."""
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


class Reg2RGModuleLogic(ScriptedLoadableModuleLogic):  # noqa: F405
    """Generates reports, and shows them in the views.

    The panel uses these calls, and so may scripts and other modules. With the panel open, use its logic, so that the
    panel shows what happens::

        logic = slicer.util.getModuleLogic("Reg2RGModule")
        reportNode = logic.generateReportAndWait(volumeNode)
        logic.selectSection(reportNode, "lung")
        print(logic.reviewOf(reportNode).asText())

    Attributes:
        run: the run that is under way, and its signals.
        views: the report in the views.
    """

    def __init__(self) -> None:
        ScriptedLoadableModuleLogic.__init__(self)  # noqa: F405
        locations.makeEngineImportable()
        self.engine = EngineProcess()
        self.run = ReportRun(self.engine)
        self.views = ReportViews()
        self._reviews = Reviews()
        self.run.sectionRegenerated.connect(self._onSectionRegenerated)
        self.views.clicked.connect(self._onRegionClicked)

    def getParameterNode(self) -> Reg2RGParameters:
        """Return the parameter node of the scene."""
        return Reg2RGParameters(super().getParameterNode())

    def generateReport(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> None:
        """Start to generate a report of a chest CT. It is added to the scene when the run completes.

        Args:
            volumeNode: the chest CT.
            parameters: how to write the report. None: what the user has chosen in the panel.
            callbacks: ``onProgress``, ``onMessage``, ``onSection``, ``onCompleted``, ``onFailed`` and ``onCancelled``;
                see RunCallbacks.

        Raises:
            RuntimeError: the run cannot start, because packages are missing, another run is under way, or the volume is
                not usable.
        """
        if parameters is None:
            parameters = RunParameters.fromNode(self.getParameterNode())
        self._start(functools.partial(self.run.start, volumeNode, parameters), callbacks)
        self.views.prepare(volumeNode, parameters.regions)

    def generateReportAndWait(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> slicer.vtkMRMLTextNode:
        """Generate a report of a chest CT, and return when it is in the scene. The application stays responsive.

        Args:
            volumeNode: the chest CT.
            parameters: how to write the report. None: what the user has chosen in the panel.
            callbacks: as in ``generateReport``.

        Returns:
            The report node.

        Raises:
            RuntimeError: the run cannot start, failed, or was cancelled.
        """
        with RunOutcome(self.run) as outcome:
            self.generateReport(volumeNode, parameters, **callbacks)
            return outcome.wait()

    def regenerateSection(
        self,
        reportNode: slicer.vtkMRMLTextNode,
        region: str,
        corrections: Mapping[str, bool] | None = None,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> None:
        """Start to regenerate a section of a report from its segment as it is now.

        Args:
            reportNode: the report.
            region: region of the section.
            corrections: finding label to whether the finding is present. None: the corrections made before.
            parameters: the model and the device to use. None: what the user has chosen in the panel.
            callbacks: as in ``generateReport``.

        Raises:
            RuntimeError: the run cannot start.
            ValueError: the report has no section of this region.
        """
        self._requireSection(reportNode, region)
        if corrections is None:
            corrections = self.reviewOf(reportNode).corrections(region)
        if parameters is None:
            parameters = RunParameters.fromNode(self.getParameterNode())
        self._start(functools.partial(self.run.startRegion, reportNode, region, corrections, parameters), callbacks)

    def regenerateSectionAndWait(
        self,
        reportNode: slicer.vtkMRMLTextNode,
        region: str,
        corrections: Mapping[str, bool] | None = None,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> None:
        """Regenerate a section of a report, and return when the report contains it.

        Args:
            reportNode: the report.
            region: region of the section.
            corrections: as in ``regenerateSection``.
            parameters: as in ``regenerateSection``.
            callbacks: as in ``generateReport``.

        Raises:
            RuntimeError: the run cannot start, failed, or was cancelled.
            ValueError: the report has no section of this region.
        """
        with RunOutcome(self.run) as outcome:
            self.regenerateSection(reportNode, region, corrections, parameters, **callbacks)
            outcome.wait()

    def cancel(self) -> None:
        """Ask the run that is under way to stop."""
        self.run.cancel()

    def reportOf(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLTextNode | None:
        """Return the report node of a volume, or None if it has none."""
        return reportOf(volumeNode)

    def reviewOf(self, reportNode: slicer.vtkMRMLTextNode) -> Review:
        """Return the review of a report. Changes to it are stored in the scene at once, and the panel shows them.

        Raises:
            ValueError: the node does not store a review.
        """
        return self._reviews.of(reportNode)

    def showReport(self, reportNode: slicer.vtkMRMLTextNode) -> None:
        """Show the volume, regions and findings of a report in the views, and hide other reports.

        Raises:
            ValueError: the node does not store a review.
        """
        self.views.show(reportNode, self.reviewOf(reportNode))

    def selectSection(self, reportNode: slicer.vtkMRMLTextNode, region: str, findingIndex: int | None = None) -> None:
        """Highlight the region of a section in the views, and center the views on it.

        Args:
            reportNode: the report. It is shown if it is not shown already.
            region: region of the section.
            findingIndex: index of a finding of the section that has a location. None: select the section as a whole.

        Raises:
            ValueError: the report has no section of this region.
        """
        self._requireSection(reportNode, region)
        if self.views.node is not reportNode:
            self.showReport(reportNode)
        self.views.select(region, findingIndex)

    def close(self) -> None:
        """End the run and the engine, and let go of the report and the scene. Call it before the scene closes."""
        self.run.abandon()
        self.views.close()
        self._reviews.forget()

    def _start(self, start: Callable[[], None], callbacks: Mapping[str, Callable[..., Any]]) -> None:
        installation.ensureInstalled()
        disconnect = RunCallbacks(**callbacks).connect(self.run)
        try:
            start()
        except Exception:
            disconnect()
            raise

    def _requireSection(self, reportNode: slicer.vtkMRMLTextNode, region: str) -> None:
        regions = self.reviewOf(reportNode).regions
        if region not in regions:
            message = _('The report has no section "{0}"; expected one of: {1}.')
            raise ValueError(message.format(region, ", ".join(regions)))

    def _onSectionRegenerated(self, reportNode: slicer.vtkMRMLTextNode, section: Any) -> None:
        if self.views.node is reportNode:
            self.views.forgetSegments()
        self.reviewOf(reportNode).replace(section)

    def _onRegionClicked(self, region: str) -> None:
        reportNode = self.views.node
        if reportNode is not None and region in self.reviewOf(reportNode).regions:
            self.selectSection(reportNode, region)


class Reg2RGModuleTest(ScriptedLoadableModuleTest):  # noqa: F405
    """A short self-test for Slicer's Reload and Test button. The complete tests are in Testing/Slicer."""

    def setUp(self) -> None:
        """Start with an empty scene."""
        slicer.mrmlScene.Clear(0)

    def runTest(self) -> None:
        """Run all tests."""
        self.setUp()
        self.test_panelFollowsTheSampleCase()

    def test_panelFollowsTheSampleCase(self) -> None:
        """Loading the sample case chooses its volume."""
        widget = slicer.modules.reg2rgmodule.widgetRepresentation().self()
        widget.panel.inputs.loadSample()
        self.assertIsNotNone(widget.logic.getParameterNode().inputVolume)
        self.assertTrue(widget.ui.generateButton.enabled)
        self.delayDisplay(_("Test passed"))

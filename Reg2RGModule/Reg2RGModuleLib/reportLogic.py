"""The module's logic without its panel: generate reports, review them, and show them in the views."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import installation, locations
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.parameters import Reg2RGParameters, RunParameters
from Reg2RGModuleLib.reportNode import reportOf
from Reg2RGModuleLib.reportRun import ReportRun
from Reg2RGModuleLib.reportViews import ReportViews
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.reviews import Reviews
from Reg2RGModuleLib.runCallbacks import RunCallbacks, RunOutcome

if TYPE_CHECKING:
    from reg2rg.report import Section


class ReportLogic:
    """What Reg2RGModuleLogic offers to the panel, to scripts and to other modules.

    Attributes:
        engine: the engine's process.
        run: runs the engine and emits signals about the current run.
        views: shows a report in the views.
    """

    def __init__(self) -> None:
        locations.makeEngineImportable()
        self.engine = EngineProcess()
        self.run = ReportRun(self.engine)
        self.views = ReportViews()
        self._reviews = Reviews()
        self.run.started.connect(self.views.setRunning)
        for outcome in (self.run.succeeded, self.run.sectionRegenerated, self.run.stopped, self.run.failed):
            outcome.connect(lambda *values: self.views.setRunning(None))
        self.run.sectionRegenerated.connect(self._onSectionRegenerated)
        self.views.clicked.connect(self._onRegionClicked)

    def getParameterNode(self) -> Reg2RGParameters:
        """Return the scene's parameter node."""
        raise NotImplementedError

    def generateReport(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> None:
        """Start generating a report for a chest CT. The report is added to the scene when the run completes.

        Args:
            volumeNode: the chest CT.
            parameters: parameters of the run, or None for the user's choices in the panel.
            callbacks: ``onProgress``, ``onMessage``, ``onSection``, ``onCompleted``, ``onFailed`` and ``onCancelled``;
                see RunCallbacks.

        Raises:
            RuntimeError: the run cannot start because packages are missing, another run is in progress, or the volume
                is not usable.
        """
        if parameters is None:
            parameters = RunParameters.fromNode(self.getParameterNode())
        self._start(functools.partial(self.run.start, volumeNode, parameters), callbacks)

    def generateReportAndWait(
        self,
        volumeNode: slicer.vtkMRMLScalarVolumeNode,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> slicer.vtkMRMLTextNode:
        """Generate a report for a chest CT and return once it is in the scene. The application stays responsive.

        Args:
            volumeNode: the chest CT.
            parameters: parameters of the run, or None for the user's choices in the panel.
            callbacks: as in ``generateReport``.

        Returns:
            The report node.

        Raises:
            RuntimeError: the run could not start, failed, or was canceled.
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
        """Start regenerating a section of a report from its current segment.

        Args:
            reportNode: the report.
            region: region of the section.
            corrections: label of a finding -> whether the finding is present, or None to keep earlier corrections.
            parameters: the model and the device to use, or None for the user's choices in the panel.
            callbacks: as in ``generateReport``.

        Raises:
            RuntimeError: the run cannot start.
            ValueError: the report has no section for this region.
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
        """Regenerate a section of a report and return once the report contains it.

        Args:
            reportNode: the report.
            region: region of the section.
            corrections: as in ``regenerateSection``.
            parameters: as in ``regenerateSection``.
            callbacks: as in ``generateReport``.

        Raises:
            RuntimeError: the run could not start, failed, or was canceled.
            ValueError: the report has no section for this region.
        """
        with RunOutcome(self.run) as outcome:
            self.regenerateSection(reportNode, region, corrections, parameters, **callbacks)
            outcome.wait()

    def cancel(self) -> None:
        """Ask the current run to stop."""
        self.run.cancel()

    def reportOf(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLTextNode | None:
        """Return the report node of a volume, or None if it has none."""
        return reportOf(volumeNode)

    def reviewOf(self, reportNode: slicer.vtkMRMLTextNode) -> Review:
        """Return the review of a report. Changes to it are immediately stored in the scene and shown in the panel.

        Raises:
            ValueError: the node does not contain a valid review.
        """
        return self._reviews.of(reportNode)

    def showReport(self, reportNode: slicer.vtkMRMLTextNode) -> None:
        """Show the volume, regions and findings of a report in the views, and hide other reports.

        Raises:
            ValueError: the node does not contain a valid review.
        """
        self.views.show(reportNode, self.reviewOf(reportNode))

    def selectSection(self, reportNode: slicer.vtkMRMLTextNode, region: str, findingIndex: int | None = None) -> None:
        """Highlight the region of a section in the views and center the views on it.

        Args:
            reportNode: the report. If it is not shown yet, it is shown first.
            region: region of the section.
            findingIndex: index of a located finding in the section, or None to select the whole section.

        Raises:
            ValueError: the report has no section for this region.
        """
        self._requireSection(reportNode, region)
        if self.views.node is not reportNode:
            self.showReport(reportNode)
        self.views.select(region, findingIndex)

    def close(self) -> None:
        """End the run, and release the report and the scene. Call this before the scene closes.

        An engine that is idle stays, with its model, for the next scene.
        """
        self.run.abandon()
        self.views.forget()
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

    def _onSectionRegenerated(self, reportNode: slicer.vtkMRMLTextNode, section: Section) -> None:
        if self.views.node is reportNode:
            self.views.forgetSegments()
        self.reviewOf(reportNode).replace(section)

    def _onRegionClicked(self, region: str) -> None:
        reportNode = self.views.node
        if reportNode is not None and region in self.reviewOf(reportNode).regions:
            self.selectSection(reportNode, region)

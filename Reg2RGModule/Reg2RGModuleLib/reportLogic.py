"""The module's logic without its panel: generate reports, review them, and show them in the views."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import installation, locations, regionsGeometry, savedReport
from Reg2RGModuleLib.densities import Histogram, histogramOf
from Reg2RGModuleLib.destination import Destination
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.exportRun import ExportRun
from Reg2RGModuleLib.parameters import Reg2RGParameters, RunParameters
from Reg2RGModuleLib.reportNode import reportOf, segmentationOf, volumeOf
from Reg2RGModuleLib.reportRun import ReportRun
from Reg2RGModuleLib.reportViews import ReportViews
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.reviews import Reviews
from Reg2RGModuleLib.runCallbacks import RunCallbacks, RunOutcome
from Reg2RGModuleLib.sendRun import SendRun

if TYPE_CHECKING:
    from reg2rg.measurements import Evidence, Line
    from reg2rg.report import IntervalChange, Section
    from reg2rg.report.review_changes import Statistics


class ReportLogic:
    """What Reg2RGModuleLogic offers to the panel, to scripts and to other modules.

    Attributes:
        engine: the engine's process.
        run: runs the engine and emits signals about the current run.
        exports: exports reports in the engine's process.
        sending: sends reports as DICOM objects.
        views: shows a report in the views.
    """

    def __init__(self) -> None:
        locations.makeEngineImportable()
        self.engine = EngineProcess()
        self.run = ReportRun(self.engine)
        self.exports = ExportRun(self.engine)
        self.sending = SendRun(self.engine)
        self.views = ReportViews()
        self._reviews = Reviews()
        self._isUnmeasured = False  # whether the section that is being regenerated will measure corrected segments
        self.run.started.connect(self.views.setRunning)
        run = self.run
        for outcome in (run.succeeded, run.sectionRegenerated, run.measured, run.stopped, run.failed):
            outcome.connect(lambda *values: self.views.setRunning(None))
        for interruption in (run.stopped, run.failed):
            interruption.connect(lambda *values: self._measureLater())
        run.sectionRegenerated.connect(self._onSectionRegenerated)
        run.measured.connect(self._onMeasured)
        self.views.clicked.connect(self._onRegionClicked)
        self.views.lines.moved.connect(self._onLinesMoved)
        self.views.watch.corrected.connect(self._onSegmentsCorrected)

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
        self._requireDraft(reportNode)
        if corrections is None:
            corrections = self.reviewOf(reportNode).corrections(region)
        if parameters is None:
            parameters = RunParameters.fromNode(self.getParameterNode())
        self._start(functools.partial(self.run.startRegion, reportNode, region, corrections, parameters), callbacks)
        self._isUnmeasured = self.views.node is reportNode and self.views.watch.forget()

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

    def measureReport(
        self,
        reportNode: slicer.vtkMRMLTextNode,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> None:
        """Start measuring a report again from its current segments. What was decided about measurements is kept.

        This happens by itself after a segment of the report that is shown was corrected.

        Args:
            reportNode: the report.
            parameters: the device to use, or None for the user's choices in the panel.
            callbacks: as in ``generateReport``.

        Raises:
            RuntimeError: the run cannot start.
        """
        self._requireDraft(reportNode)
        if parameters is None:
            parameters = RunParameters.fromNode(self.getParameterNode())
        self._start(functools.partial(self.run.startMeasuring, reportNode, parameters), callbacks)

    def measureReportAndWait(
        self,
        reportNode: slicer.vtkMRMLTextNode,
        parameters: RunParameters | None = None,
        **callbacks: Callable[..., Any],
    ) -> None:
        """Measure a report again and return once it contains the new values.

        Args:
            reportNode: the report.
            parameters: as in ``measureReport``.
            callbacks: as in ``generateReport``.

        Raises:
            RuntimeError: the run could not start, failed, or was canceled.
        """
        with RunOutcome(self.run) as outcome:
            self.measureReport(reportNode, parameters, **callbacks)
            outcome.wait()

    def exportReport(self, reportNode: slicer.vtkMRMLTextNode, formatName: str, path: str) -> None:
        """Start exporting a report; ``exports`` emits a signal when it is done.

        Args:
            reportNode: the report.
            formatName: name of a format, such as "text", or "folder" for a report folder that can be opened again.
            path: file or folder to write. "-draft" is added to its name unless the report is signed.

        Raises:
            RuntimeError: the export cannot start.
        """
        self.exports.start(reportNode, self.reviewOf(reportNode), formatName, path)

    def sendReport(self, reportNode: slicer.vtkMRMLTextNode, destination: Destination) -> None:
        """Start sending a report as DICOM objects, without asking; ``sending`` emits a signal when it is done.

        Args:
            reportNode: the report.
            destination: where to.

        Raises:
            RuntimeError: the transfer cannot start.
        """
        self.sending.start(reportNode, self.reviewOf(reportNode), destination)

    def openReport(self, folder: Path) -> slicer.vtkMRMLTextNode:
        """Add the report of a folder, with its review, to the scene. Its volume must be in the scene.

        Args:
            folder: a report folder.

        Returns:
            The report node. It replaces an earlier report of the same volume.

        Raises:
            RuntimeError: the folder does not contain a valid report, or no volume has its geometry.
        """
        chosen = self.getParameterNode().inputVolume
        volumes = slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode")
        return savedReport.load(Path(folder), [chosen, *volumes] if chosen is not None else volumes)

    def beginAddendum(self, reportNode: slicer.vtkMRMLTextNode) -> None:
        """Begin a new version of a signed report, which can be changed. Corrected segments are then measured.

        Raises:
            ValueError: the report is not signed.
        """
        self.reviewOf(reportNode).beginAddendum()
        self._measureLater()

    def cancel(self) -> None:
        """Ask the current run to stop."""
        self.run.cancel()

    def reportOf(self, volumeNode: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLTextNode | None:
        """Return the report node of a volume, or None if it has none."""
        return reportOf(volumeNode)

    def volumeOf(self, reportNode: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLScalarVolumeNode | None:
        """Return the volume of a report."""
        return volumeOf(reportNode)

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

    def selectMeasurement(self, reportNode: slicer.vtkMRMLTextNode, key: str, editable: bool = False) -> None:
        """Show a measurement in the views: draw its lines, or light the structure it was taken from.

        Args:
            reportNode: the report. If it is not shown yet, it is shown first.
            key: key of the measurement (``Measurement.key``).
            editable: whether the ends of its lines can be moved.

        Raises:
            ValueError: the report has no such measurement.
        """
        if self.reviewOf(reportNode).measurement(key) is None:
            raise ValueError(_('The report has no measurement "{0}".').format(key))
        if self.views.node is not reportNode:
            self.showReport(reportNode)
        self.views.selectMeasurement(key, editable and self.reviewOf(reportNode).signature is None)

    def selectChange(self, reportNode: slicer.vtkMRMLTextNode, change: IntervalChange) -> None:
        """Show in the views what changed since the prior CT: its finding or measurement, or the place where it was.

        Args:
            reportNode: the report. If it is not shown yet, it is shown first.
            change: one of the changes of the report.
        """
        review = self.reviewOf(reportNode)
        findings = review.section(change.region).findings
        located = [index for index in review.locatedFindings(change.region) if findings[index].label == change.finding]
        if change.point_ras is not None and located:
            self.selectSection(reportNode, change.region, located[0])
        elif change.measurement is not None and review.measurement(change.measurement) is not None:
            self.selectMeasurement(reportNode, change.measurement)
        else:
            if self.views.node is not reportNode:
                self.showReport(reportNode)
            self.views.selectPlace(change.region, change.point_ras, change.prior_point_ras)

    def histogram(self, region: str) -> Histogram | None:
        """Return the densities of a region of the report that is shown, or None if it is not in the scene."""
        reportNode = self.views.node
        volume = volumeOf(reportNode) if reportNode is not None else None
        segmentation = segmentationOf(reportNode) if reportNode is not None else None
        if volume is None or volume.GetImageData() is None or segmentation is None:
            return None
        return histogramOf(volume, segmentation, region)

    def close(self) -> None:
        """End the run, and release the report and the scene. Call this before the scene closes.

        An engine that is idle stays, with its model, for the next scene.
        """
        self.run.abandon()
        self.exports.abandon()
        self.sending.abandon()
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

    def _requireDraft(self, reportNode: slicer.vtkMRMLTextNode) -> None:
        if self.reviewOf(reportNode).signature is not None:
            raise RuntimeError(_("The report is signed and cannot be changed. Begin an addendum first."))

    def _onSectionRegenerated(
        self, reportNode: slicer.vtkMRMLTextNode, section: Section, evidence: Evidence | None
    ) -> None:
        self._isUnmeasured = False
        if self.views.node is reportNode:
            self.views.forgetSegments()
        self.reviewOf(reportNode).replace(section, evidence)

    def _onMeasured(self, reportNode: slicer.vtkMRMLTextNode, evidence: Evidence, statistics: Statistics) -> None:
        if self.views.node is reportNode:
            self.views.forgetSegments()
        review = self.reviewOf(reportNode)
        review.measureAgain(evidence, _correctedRegions(reportNode, review), statistics)

    def _onSegmentsCorrected(self) -> None:
        """Measure the report that is shown again, once no run is in progress."""
        reportNode = self.views.node
        if self.run.active or self.exports.active:
            self.views.watch.delay()
        elif reportNode is not None and self.reviewOf(reportNode).signature is not None:
            self._isUnmeasured = True
            message = _("The report is signed, so its measurements do not follow the segments. Begin an addendum.")
            self.run.messageReceived.emit(message)
        elif reportNode is not None and self.reviewOf(reportNode).report.evidence is not None:
            parameters = RunParameters.fromNode(self.getParameterNode())
            try:
                self.run.startMeasuring(reportNode, parameters)  # asks for no installation, because nobody has clicked
            except RuntimeError as error:
                self.run.messageReceived.emit(str(error))

    def _measureLater(self) -> None:
        """Measure corrected segments after all if the section that would have measured them was not regenerated."""
        isUnmeasured, self._isUnmeasured = self._isUnmeasured, False
        if isUnmeasured:
            self.views.watch.delay()

    def _onLinesMoved(self, key: str, lines: tuple[Line, ...]) -> None:
        reportNode = self.views.node
        review = self.reviewOf(reportNode) if reportNode is not None else None
        measurement = review.measurement(key) if review is not None else None
        if review is not None and measurement is not None and measurement.lines != lines:
            review.moveMeasurement(key, lines)

    def _onRegionClicked(self, region: str) -> None:
        reportNode = self.views.node
        if self.views.editing:
            return  # the click may have been meant for the end of a line
        if reportNode is not None and region in self.reviewOf(reportNode).regions:
            self.selectSection(reportNode, region)


def _correctedRegions(reportNode: slicer.vtkMRMLTextNode, review: Review) -> set[str]:
    """Return the regions whose segments differ in volume from those that the sections were written for."""
    segmentation = segmentationOf(reportNode)
    if segmentation is None:
        return set()
    present = [region for region in regionsGeometry.segmentIds(segmentation) if region in review.regions]
    volumes = {region: round(regionsGeometry.sizeOf(segmentation, region) / 1000, 1) for region in present}
    return {region for region, volume in volumes.items() if volume != review.section(region).volume_ml}

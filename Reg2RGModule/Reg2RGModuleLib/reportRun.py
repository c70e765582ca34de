"""One run of the engine: it takes a volume from the scene and puts the report back into the scene.

Volume and regions are matched by their position in space, never by array index.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import dicomSource, regionsDisplay, reportNode, runFolder, runResults, stageNames, transforms
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.parameters import RunParameters
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.pipeline import events


UNEXPECTED_ERROR = 1
"""Exit code of failures that the input did not cause. The engine's log may explain them."""


@dataclass(frozen=True)
class _ActiveRun:
    """The current run.

    Attributes:
        volume: the chest CT.
        folder: temporary folder with the files of the run.
        frame: the transform in whose coordinates the engine works (``transforms.frameOf``).
        report: the report in which a section is regenerated or that is measured again, or None if a whole report is
            being generated.
        region: region of that section, or None.
        prior: the prior CT that the report is compared with, or None.
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    folder: Path
    frame: slicer.vtkMRMLTransformNode | None
    report: slicer.vtkMRMLTextNode | None
    region: str | None
    prior: slicer.vtkMRMLScalarVolumeNode | None


class ReportRun:
    """Runs the engine to generate a whole report, regenerate one section, or measure again. There is one run at a time.

    Every run ends with exactly one of ``succeeded``, ``sectionRegenerated``, ``measured``, ``stopped`` or ``failed``.
    By then, its files have been deleted and another run may start.

    Signals:
        started(node): a run of a volume has started.
        progressed(float, str): completed fraction of the run, and a message about the current stage.
        messageReceived(str): a message for the user; the run continues.
        regionsFound(node): the segmentation of the regions has been added to the scene.
        sectionGrew(str, str): region, and the text of its section so far.
        sectionWritten(Section): a section has been completed.
        succeeded(node): the report has been added to the scene.
        sectionRegenerated(node, Section, Evidence): a section has been regenerated; the report does not contain it yet.
        measured(node, Evidence, dict): a report was measured again; the report does not contain the evidence yet, nor
            the volume and mean density of each region.
        stopped(): the run was canceled; the scene is unchanged.
        failed(str, str): the reason and what to do, and the last lines of the engine's log if they may help, else "".
    """

    def __init__(self, engine: EngineProcess) -> None:
        self.started = Signal()
        self.progressed = Signal()
        self.messageReceived = Signal()
        self.regionsFound = Signal()
        self.sectionGrew = Signal()
        self.sectionWritten = Signal()
        self.succeeded = Signal()
        self.sectionRegenerated = Signal()
        self.measured = Signal()
        self.stopped = Signal()
        self.failed = Signal()
        self._engine = engine
        self._active: _ActiveRun | None = None
        self._segmentation: slicer.vtkMRMLSegmentationNode | None = None  # new regions, until they belong to a report
        engine.event.connect(self._onEvent)
        engine.died.connect(self._onDied)

    @property
    def active(self) -> bool:
        """Whether a run is in progress."""
        return self._active is not None

    @property
    def volume(self) -> slicer.vtkMRMLScalarVolumeNode | None:
        """The volume of the current run, or None."""
        return self._active.volume if self._active is not None else None

    @property
    def report(self) -> slicer.vtkMRMLTextNode | None:
        """The report in which a section is being regenerated, or None. It cannot be changed meanwhile."""
        return self._active.report if self._active is not None and self._active.region is not None else None

    @property
    def measuring(self) -> bool:
        """Whether the current run only measures a report again."""
        return self._active is not None and self._active.report is not None and self._active.region is None

    def start(self, volume: slicer.vtkMRMLScalarVolumeNode, parameters: RunParameters) -> None:
        """Start generating a whole report.

        Args:
            volume: the chest CT.
            parameters: parameters of the run.

        Raises:
            RuntimeError: the run cannot start.
        """
        request: dict[str, Any] = {"fast": parameters.fast}
        prior = parameters.prior
        if prior is not None:
            days = dicomSource.daysBetween(prior, volume)
            if prior is volume or prior.GetImageData() is None:
                raise RuntimeError(_("The prior CT is empty or the CT itself. Select an earlier CT of the patient."))
            if days is not None and days < 0:
                raise RuntimeError(_("The prior CT is from a later study than the CT. Select an earlier one."))
            request["interval_days"] = days
        self._begin(volume, parameters, parameters.regions, request, prior=prior)

    def startRegion(
        self,
        report: slicer.vtkMRMLTextNode,
        region: str,
        corrections: Mapping[str, bool],
        parameters: RunParameters,
    ) -> None:
        """Start regenerating one section of a report from its current segment.

        Args:
            report: the report node.
            region: region of the section.
            corrections: label of a finding -> whether the user marked the finding as present.
            parameters: parameters of the run. The regions are taken from the report instead.

        Raises:
            RuntimeError: the run cannot start.
        """
        segmentation = reportNode.segmentationOf(report)
        if segmentation is None or segmentation.GetSegmentation().GetSegment(region) is None:
            raise RuntimeError(_("The report's segmentation or the region's segment is no longer in the scene."))
        request: dict[str, Any] = {"regions": [region]}
        if corrections:
            request["corrections"] = {region: dict(corrections)}
        self._begin(reportNode.volumeOf(report), parameters, segmentation, request, report, region)

    def startMeasuring(self, report: slicer.vtkMRMLTextNode, parameters: RunParameters) -> None:
        """Start measuring a report again from its current segments.

        Args:
            report: the report node.
            parameters: parameters of the run. The regions are taken from the report instead.

        Raises:
            RuntimeError: the run cannot start.
        """
        segmentation = reportNode.segmentationOf(report)
        if segmentation is None:
            raise RuntimeError(_("The report's segmentation is no longer in the scene."))
        self._begin(reportNode.volumeOf(report), parameters, segmentation, None, report)

    def cancel(self) -> None:
        """Ask the run to stop."""
        self._engine.cancel()

    def abandon(self) -> None:
        """Abandon the run immediately, because the scene is closing."""
        if self.active:
            self._engine.end()
            self._segmentation = None  # the scene removes it
            self._end(self.stopped.emit)

    def _begin(
        self,
        volume: slicer.vtkMRMLScalarVolumeNode | None,
        parameters: RunParameters,
        regions: slicer.vtkMRMLSegmentationNode | None,
        request: Mapping[str, Any] | None,
        report: slicer.vtkMRMLTextNode | None = None,
        region: str | None = None,
        prior: slicer.vtkMRMLScalarVolumeNode | None = None,
    ) -> None:
        """Start a run.

        Args:
            volume: the chest CT.
            parameters: parameters of the run.
            regions: a segmentation of its regions, or None to have them segmented.
            request: other fields of ReportRequest, or None to only measure.
            report: the report that the run changes, or None.
            region: region of the section that is regenerated, or None.
            prior: the prior CT to compare with, or None.
        """
        if self.active:
            raise RuntimeError(_("A run is already in progress."))
        if volume is None or volume.GetImageData() is None:
            raise RuntimeError(_("The volume is empty or no longer in the scene. Select a CT volume."))
        frame = transforms.frameOf(volume, regions)
        folder = runFolder.makeFolder()
        self._active = _ActiveRun(volume, folder, frame, report, region, prior)
        try:
            files = {"volume": runFolder.writeVolume(volume, frame, folder), "output": str(folder / "report")}
            if regions is not None:
                files["regions_file"] = runFolder.writeRegions(regions, frame, folder)
            if prior is not None:
                files["prior"] = runFolder.writeVolume(prior, transforms.frameOf(prior), folder, runFolder.PRIOR_FILE)
            if request is None:
                self._engine.run({**files, "device": parameters.device}, "measure")
            else:
                self._engine.run({**files, "model": parameters.model, "device": parameters.device, **request})
        except Exception:
            self._cleanUp()
            raise
        self.started.emit(volume)
        notice = transforms.noticeOf(volume, frame)
        if notice:
            self.messageReceived.emit(notice)

    def _onEvent(self, event: events.Event) -> None:
        from reg2rg.pipeline import events

        active = self._active
        if active is None:
            return
        handlers: dict[type, Callable[[_ActiveRun, Any], None]] = {
            events.Progress: self._onProgress,
            events.Notice: lambda active, event: self.messageReceived.emit(event.message),
            events.RegionsFound: self._onRegionsFound,
            events.SectionText: lambda active, event: self.sectionGrew.emit(event.region, event.text),
            events.SectionWritten: self._onSectionWritten,
            events.ReportDone: self._onReportDone,
            events.Measured: self._onMeasured,
            events.Stopped: lambda active, event: self._end(self.stopped.emit),
            events.Failure: self._onFailure,
        }
        handler = handlers.get(type(event))  # FindingsLocated has none: findings are loaded with the report
        try:
            if active.volume.GetScene() is None:
                raise RuntimeError(_("The run was stopped because its volume was removed from the scene."))
            if handler is not None:
                handler(active, event)
        except Exception as error:
            self._engine.end()
            self._fail(str(error), self._engine.log)

    def _onProgress(self, active: _ActiveRun, event: events.Progress) -> None:
        name = stageNames.stageName(event.stage.value)
        message = name if event.message in ("", name) else f"{name}: {event.message}"
        self.progressed.emit(round(event.overall, 4), message)

    def _onRegionsFound(self, active: _ActiveRun, event: events.RegionsFound) -> None:
        """Show the regions, unless they are already shown because the run changes a report.

        If the application was blocked, the run may have ended and moved the file in the meantime. In that case, the
        event that ends the run is already waiting.
        """
        if active.report is None:
            try:
                self._loadRegions(active, Path(event.file))
            except RuntimeError:
                return

    def _loadRegions(self, active: _ActiveRun, file: Path) -> slicer.vtkMRMLSegmentationNode:
        self._segmentation = regionsDisplay.loadRegions(file, active.volume, active.frame)
        self.regionsFound.emit(self._segmentation)
        return self._segmentation

    def _onSectionWritten(self, active: _ActiveRun, event: events.SectionWritten) -> None:
        from reg2rg.report import Section
        from reg2rg.runtime.dataclass_io import from_plain

        self.sectionWritten.emit(from_plain(Section, event.section, "section"))

    def _onReportDone(self, active: _ActiveRun, event: events.ReportDone) -> None:
        from reg2rg.report import REGIONS_FILE, REPORT_FILE, parse_report

        folder = Path(event.folder)
        report = parse_report((folder / REPORT_FILE).read_text(encoding="utf-8"))
        if active.region is not None:
            section = report.section(active.region)
            runResults.store(active.report, folder, active.volume, active.frame)
            self._end(lambda: self.sectionRegenerated.emit(active.report, section, report.evidence))
            return
        segmentation = self._segmentation
        if segmentation is None:
            segmentation = self._loadRegions(active, folder / REGIONS_FILE)
        node = reportNode.createReport(active.volume, segmentation, Review.ofReport(report))
        self._segmentation = None  # now it belongs to the report
        runResults.store(node, folder, active.volume, active.frame)
        if active.prior is not None and active.prior.GetScene() is not None:
            reportNode.setPrior(node, active.prior)
        self._end(lambda: self.succeeded.emit(node))

    def _onMeasured(self, active: _ActiveRun, event: events.Measured) -> None:
        from reg2rg.measurements import Evidence
        from reg2rg.runtime.dataclass_io import from_plain

        evidence = from_plain(Evidence, event.evidence, "evidence")
        runResults.store(active.report, Path(event.folder), active.volume, active.frame)
        self._end(lambda: self.measured.emit(active.report, evidence, event.regions))

    def _onFailure(self, active: _ActiveRun, event: events.Failure) -> None:
        if event.scope == "command":  # the run was not started
            self._engine.end()
        message = event.message
        for volume, name in ((active.volume, runFolder.VOLUME_FILE), (active.prior, runFolder.PRIOR_FILE)):
            if volume is not None:
                message = message.replace(str(active.folder / name), f'"{volume.GetName()}"')
        self._fail(message, self._engine.log if event.exit_code == UNEXPECTED_ERROR else "")

    def _onDied(self, reason: str, log: str) -> None:
        if self.active:
            self._fail(reason, log)

    def _fail(self, message: str, log: str) -> None:
        self._end(lambda: self.failed.emit(message, log))

    def _end(self, emitOutcome: Callable[[], None]) -> None:
        """Clean up and then emit the outcome, because listeners may start the next run."""
        segmentation, self._segmentation = self._segmentation, None
        if segmentation is not None:
            slicer.mrmlScene.RemoveNode(segmentation)
        self._cleanUp()
        emitOutcome()

    def _cleanUp(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            shutil.rmtree(active.folder, ignore_errors=True)

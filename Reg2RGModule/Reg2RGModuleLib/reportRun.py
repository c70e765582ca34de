"""One run of the engine: it takes a volume from the scene and puts the report back into the scene.

Voxels are passed to the engine in a file that is deleted after the run. Patient tags are never passed on. Volume and
regions are matched by their position in space, never by array index.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import (
    findingsDisplay,
    processes,
    regionsDisplay,
    reportNode,
    segmentationFile,
    structuresDisplay,
    transforms,
)
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.parameters import RunParameters
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.pipeline import events


FOLDER_PREFIX = "reg2rg-slicer-"
VOLUME_FILE = "volume.nrrd"
GIVEN_REGIONS_FILE = "given.seg.nrrd"
UNEXPECTED_ERROR = 1
"""Exit code of failures that the input did not cause. The engine's log may explain them."""
STAGE_SPANS = {
    "read": (0.00, 0.03),
    "segment": (0.03, 0.40),
    "measure": (0.40, 0.50),
    "prepare": (0.50, 0.60),
    "load": (0.60, 0.68),
    "write": (0.68, 0.98),
    "save": (0.98, 1.00),
}
"""Stage of the engine -> the fractions of the progress bar at which it starts and ends."""


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
    """

    volume: slicer.vtkMRMLScalarVolumeNode
    folder: Path
    frame: slicer.vtkMRMLTransformNode | None
    report: slicer.vtkMRMLTextNode | None
    region: str | None


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
        self._begin(volume, parameters, parameters.regions, {"fast": parameters.fast})

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
    ) -> None:
        """Start a run.

        Args:
            volume: the chest CT.
            parameters: parameters of the run.
            regions: a segmentation of its regions, or None to have them segmented.
            request: other fields of ReportRequest, or None to only measure.
            report: the report that the run changes, or None.
            region: region of the section that is regenerated, or None.
        """
        if self.active:
            raise RuntimeError(_("A run is already in progress."))
        if volume is None or volume.GetImageData() is None:
            raise RuntimeError(_("The volume is empty or no longer in the scene. Select a CT volume."))
        frame = transforms.frameOf(volume, regions)
        folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-"))
        self._active = _ActiveRun(volume, folder, frame, report, region)
        try:
            files = {"volume": _writeVolume(volume, frame, folder), "output": str(folder / "report")}
            if regions is not None:
                files["regions_file"] = _writeRegions(regions, frame, folder)
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
        start, end = STAGE_SPANS[event.stage.value]
        name = stageName(event.stage.value)
        message = name if event.message in ("", name) else f"{name}: {event.message}"
        self.progressed.emit(round(start + (end - start) * event.fraction, 4), message)

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
        from reg2rg.report import FINDINGS_FILE, REGIONS_FILE, REPORT_FILE, parse_report

        folder = Path(event.folder)
        report = parse_report((folder / REPORT_FILE).read_text(encoding="utf-8"))
        if active.region is not None:
            section = report.section(active.region)
            _storeFindings(active.report, active, folder / FINDINGS_FILE)
            _storeStructures(active.report, active, folder)
            self._end(lambda: self.sectionRegenerated.emit(active.report, section, report.evidence))
            return
        segmentation = self._segmentation
        if segmentation is None:
            segmentation = self._loadRegions(active, folder / REGIONS_FILE)
        node = reportNode.createReport(active.volume, segmentation, Review.ofReport(report))
        self._segmentation = None  # now it belongs to the report
        _storeFindings(node, active, folder / FINDINGS_FILE)
        _storeStructures(node, active, folder)
        self._end(lambda: self.succeeded.emit(node))

    def _onMeasured(self, active: _ActiveRun, event: events.Measured) -> None:
        from reg2rg.measurements import Evidence
        from reg2rg.runtime.dataclass_io import from_plain

        evidence = from_plain(Evidence, event.evidence, "evidence")
        _storeStructures(active.report, active, Path(event.folder))
        self._end(lambda: self.measured.emit(active.report, evidence, event.regions))

    def _onFailure(self, active: _ActiveRun, event: events.Failure) -> None:
        if event.scope == "command":  # the run was not started
            self._engine.end()
        message = event.message.replace(str(active.folder / VOLUME_FILE), f'"{active.volume.GetName()}"')
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


def stageName(stage: str) -> str:
    """Return the name of an engine stage as shown in the panel."""
    return {
        "read": _("Reading the volume"),
        "segment": _("Segmenting the regions"),
        "measure": _("Measuring"),
        "prepare": _("Preparing the regions for the model"),
        "load": _("Loading the model"),
        "write": _("Writing the sections"),
        "save": _("Saving the report"),
    }[stage]


def removeLeftovers() -> None:
    """Delete the folders of runs whose Slicer process no longer exists. Only a crash leaves such folders behind."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        owner = folder.name.removeprefix(FOLDER_PREFIX).split("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not processes.isAlive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _storeFindings(node: slicer.vtkMRMLTextNode, run: _ActiveRun, file: Path) -> None:
    """Add the findings that a run located, if any, to those of a report."""
    if not file.exists():
        return
    existing = reportNode.findingsOf(node)
    if existing is None:
        reportNode.setFindings(node, findingsDisplay.loadFindings(file, run.volume, run.frame))
    else:
        new = segmentationFile.load(file, run.volume, "", run.frame)
        findingsDisplay.merge(existing, new)
        slicer.mrmlScene.RemoveNode(new)


def _storeStructures(node: slicer.vtkMRMLTextNode, run: _ActiveRun, folder: Path) -> None:
    """Add the structures that a run measured to a report, instead of those of an earlier run."""
    from reg2rg.report import STRUCTURES_FILE

    file = folder / STRUCTURES_FILE
    if file.exists():
        reportNode.setStructures(node, structuresDisplay.loadStructures(file, run.volume, run.frame))


def _writeVolume(
    volume: slicer.vtkMRMLScalarVolumeNode, frame: slicer.vtkMRMLTransformNode | None, folder: Path
) -> str:
    """Write the voxels and geometry of a volume, without its name and attributes, which may identify the patient."""
    storage = slicer.vtkMRMLNRRDStorageNode()  # not added to the scene
    path = str(folder / VOLUME_FILE)
    storage.SetFileName(path)
    storage.SetUseCompression(0)
    if not storage.WriteData(transforms.volumeIn(volume, frame)):
        raise RuntimeError(_("Could not write the volume for the engine. Check that the disk is not full."))
    return path


def _writeRegions(
    segmentation: slicer.vtkMRMLSegmentationNode, frame: slicer.vtkMRMLTransformNode | None, folder: Path
) -> str:
    path = folder / GIVEN_REGIONS_FILE
    segmentationFile.save(segmentation, path, frame)
    return str(path)

"""What exports and transfers have in common: the engine reads the report from a temporary folder, and uses no model."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import dicomSource, reportNode, runFolder, savedReport, transforms
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.pipeline import events

REPORT_FOLDER = "report"
"""Name of the folder with the report."""
DICOM_FOLDER = "dicom"
"""Name of the folder with the DICOM files of the volume."""


class ActiveTask(NamedTuple):
    """The current task: its volume, if it has one, and its temporary folder."""

    volume: slicer.vtkMRMLScalarVolumeNode | None
    folder: Path


class EngineTask:
    """Tasks in the engine's process, one at a time, so that the application stays responsive.

    Every task ends with exactly one signal: one of the subclass, or ``failed``.

    Signals:
        started(): a task has started.
        failed(node, str, str): its volume or None, the reason, and the last lines of the engine's log if it ended.
    """

    def __init__(self, engine: EngineProcess, canceled: str) -> None:
        """Listen to the engine.

        Args:
            engine: the engine's process.
            canceled: the reason if a task is canceled.
        """
        self.started = Signal()
        self.failed = Signal()
        self._engine = engine
        self._canceled = canceled
        self._active: ActiveTask | None = None
        engine.event.connect(self._onEvent)
        engine.died.connect(self._onDied)

    @property
    def active(self) -> bool:
        """Whether a task is in progress."""
        return self._active is not None

    def cancel(self) -> None:
        """Ask the task to stop."""
        if self.active:
            self._engine.cancel()

    def abandon(self) -> None:
        """Abandon the task, because the scene is closing."""
        if self.active:
            self._engine.end()
            self._cleanUp()

    def _begin(
        self,
        command: str,
        volume: slicer.vtkMRMLScalarVolumeNode | None,
        makeRequest: Callable[[Path], Mapping[str, Any]],
    ) -> None:
        """Start a task.

        Args:
            command: command of the engine.
            volume: the volume that it is about, or None.
            makeRequest: writes the files of the task to its temporary folder, and returns the fields of its request.

        Raises:
            RuntimeError: the engine is busy, or the files could not be written.
        """
        if self._engine.running:
            raise RuntimeError(_("A run is in progress. Try again when it has ended."))
        self._active = ActiveTask(volume, runFolder.makeFolder())
        try:
            self._engine.run(makeRequest(self._active.folder), command)
        except Exception:
            self._cleanUp()
            raise
        self.started.emit()

    def _handle(self, event: events.Event, active: ActiveTask) -> None:
        """Handle an event of the task other than its failure. Subclasses override this."""

    def _onEvent(self, event: events.Event) -> None:
        from reg2rg.pipeline import events

        active = self._active
        if active is None:
            return
        if isinstance(event, events.Failure):
            message = event.message
            for name in (runFolder.VOLUME_FILE, DICOM_FOLDER):
                if active.volume is not None:
                    message = message.replace(str(active.folder / name), f'"{active.volume.GetName()}"')
            if event.scope == "command":  # the task was not started
                self._engine.end()
            self._fail(message, "")
        elif isinstance(event, events.Stopped):
            self._fail(self._canceled, "")
        else:
            self._handle(event, active)

    def _onDied(self, reason: str, log: str) -> None:
        self._fail(reason, log)

    def _fail(self, message: str, log: str) -> None:
        active = self._active
        self._cleanUp()
        if active is not None:
            self.failed.emit(active.volume, message, log)

    def _cleanUp(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            shutil.rmtree(active.folder, ignore_errors=True)


def usableVolumeOf(node: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLScalarVolumeNode:
    """Return the volume of a report.

    Raises:
        RuntimeError: it is no longer usable.
    """
    volume = reportNode.volumeOf(node)
    if volume is None or volume.GetImageData() is None:
        raise RuntimeError(_("The volume of the report is no longer in the scene."))
    return volume


def writeReport(node: slicer.vtkMRMLTextNode, review: Review, formatName: str, folder: Path) -> dict[str, Any]:
    """Write what the engine needs to export a report.

    Args:
        node: the report.
        review: its review.
        formatName: name of the format (``reg2rg.exports.formats``).
        folder: temporary folder, in which ``REPORT_FOLDER`` is created.

    Returns:
        The fields of a request that name the images. Only formats that refer to the CT get patient data.

    Raises:
        RuntimeError: a file could not be written.
    """
    from reg2rg.exports.formats import FORMATS

    savedReport.write(node, review, folder / REPORT_FOLDER)
    export, volume = FORMATS[formatName], usableVolumeOf(node)
    frame = transforms.frameOf(volume, reportNode.segmentationOf(node))
    if not export.refers_to_ct:
        return {"ct": runFolder.writeVolume(volume, frame, folder)} if export.shows_ct else {}
    isInPlace = volume.GetParentTransformNode() is frame  # otherwise, the files show it elsewhere
    files = dicomSource.filesOf(volume) if isInPlace else []
    if files:
        return {"ct": str(dicomSource.gather(files, folder / DICOM_FOLDER))}
    return {"ct": runFolder.writeVolume(volume, frame, folder), "study": dicomSource.studyOf(volume)}

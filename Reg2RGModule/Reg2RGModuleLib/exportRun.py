"""One export: the report is written to a temporary folder, from which the engine exports it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import dicomSource, reportNode, runFolder, savedReport, transforms
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.pipeline import events

DICOM_FOLDER = "dicom"
"""Name of the folder with the DICOM files of the volume."""


class _Active(NamedTuple):
    """The current export: its volume and its temporary folder."""

    volume: slicer.vtkMRMLScalarVolumeNode
    folder: Path


class ExportRun:
    """Exports reports in the engine's process, one at a time, so that the application stays responsive.

    Every export ends with exactly one of ``succeeded`` or ``failed``.

    Signals:
        started(): an export has started.
        succeeded(node, str): the volume, and the file or folder that was written.
        failed(node, str, str): the volume, the reason, and the last lines of the engine's log if it ended.
    """

    def __init__(self, engine: EngineProcess) -> None:
        self.started = Signal()
        self.succeeded = Signal()
        self.failed = Signal()
        self._engine = engine
        self._active: _Active | None = None
        engine.event.connect(self._onEvent)
        engine.died.connect(self._onDied)

    @property
    def active(self) -> bool:
        """Whether an export is in progress."""
        return self._active is not None

    def start(self, node: slicer.vtkMRMLTextNode, review: Review, formatName: str, path: str) -> None:
        """Start exporting a report.

        Args:
            node: the report.
            review: its review.
            formatName: name of the format (``reg2rg.exports.formats``).
            path: file or folder to write.

        Raises:
            RuntimeError: the engine is busy, or the volume or a segmentation is no longer usable.
        """
        if self._engine.running:
            raise RuntimeError(_("A run is in progress. Export the report when it has ended."))
        volume = reportNode.volumeOf(node)
        if volume is None or volume.GetImageData() is None:
            raise RuntimeError(_("The volume of the report is no longer in the scene."))
        folder = runFolder.makeFolder()
        self._active = _Active(volume, folder)
        try:
            savedReport.write(node, review, folder / "report")
            ct = self._ctFor(formatName, node, volume, folder)
            request = {"report": str(folder / "report"), "format": formatName, "output": path}
            self._engine.run({**request, **({"ct": ct} if ct else {})}, "export")
        except Exception:
            self._cleanUp()
            raise
        self.started.emit()

    def _ctFor(
        self,
        formatName: str,
        node: slicer.vtkMRMLTextNode,
        volume: slicer.vtkMRMLScalarVolumeNode,
        folder: Path,
    ) -> str:
        """Return the path of the CT for a format, or "" if it needs none. Only DICOM exports get patient data."""
        from reg2rg.exports.formats import FORMATS

        export = FORMATS[formatName]
        files = dicomSource.filesOf(volume) if export.refers_to_ct else []
        if files:
            return str(dicomSource.gather(files, folder / DICOM_FOLDER))
        if not export.shows_ct and not export.refers_to_ct:
            return ""
        return runFolder.writeVolume(volume, transforms.frameOf(volume, reportNode.segmentationOf(node)), folder)

    def _onEvent(self, event: events.Event) -> None:
        from reg2rg.pipeline import events

        active = self._active
        if active is None:
            return
        if isinstance(event, events.Exported):
            self._cleanUp()
            self.succeeded.emit(active.volume, event.path)
        elif isinstance(event, events.Failure):
            message = event.message
            for name in (runFolder.VOLUME_FILE, DICOM_FOLDER):
                message = message.replace(str(active.folder / name), f'"{active.volume.GetName()}"')
            if event.scope == "command":  # the export was not started
                self._engine.end()
            self._fail(message, "")
        elif isinstance(event, events.Stopped):
            self._fail(_("The export was canceled."), "")

    def _onDied(self, reason: str, log: str) -> None:
        if self._active is not None:
            self._fail(reason, log)

    def _fail(self, message: str, log: str) -> None:
        active = self._active
        self._cleanUp()
        if active is not None:
            self.failed.emit(active.volume, message, log)

    def abandon(self) -> None:
        """Abandon the export, because the scene is closing."""
        if self._active is not None:
            self._engine.end()
            self._cleanUp()

    def _cleanUp(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            shutil.rmtree(active.folder, ignore_errors=True)

"""One export of a report by the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.engineTask import REPORT_FOLDER, ActiveTask, EngineTask, usableVolumeOf, writeReport
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.pipeline import events


class ExportRun(EngineTask):
    """Exports reports, one at a time.

    Signals:
        succeeded(node, str): the volume, and the file or folder that was written.
    """

    def __init__(self, engine: EngineProcess) -> None:
        super().__init__(engine, _("The export was canceled."))
        self.succeeded = Signal()

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

        def makeRequest(folder: Path) -> dict[str, Any]:
            images = writeReport(node, review, formatName, folder)
            return {"report": str(folder / REPORT_FOLDER), "format": formatName, "output": path, **images}

        self._begin("export", usableVolumeOf(node), makeRequest)

    def _handle(self, event: events.Event, active: ActiveTask) -> None:
        from reg2rg.pipeline.events import Exported

        if isinstance(event, Exported):
            self._cleanUp()
            self.succeeded.emit(active.volume, event.path)

"""One transfer of a report to a DICOM node or a DICOMweb service by the engine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib.destination import Destination, recordFolder
from Reg2RGModuleLib.engineProcess import EngineProcess
from Reg2RGModuleLib.engineTask import REPORT_FOLDER, ActiveTask, EngineTask, usableVolumeOf, writeReport
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.pipeline import events


class SendRun(EngineTask):
    """Sends reports as DICOM objects, one at a time, and checks whether an address answers.

    What was stored is recorded until the transfer is complete, so that another attempt sends only the rest.

    Signals:
        progressed(float, str): fraction of the objects that are stored, and a message.
        sent(node, Sent): the volume, and what was stored (``reg2rg.pipeline.events.Sent``).
        answered(str): the address that answers.
    """

    def __init__(self, engine: EngineProcess) -> None:
        super().__init__(engine, _("Canceled. What is already stored stays there; send again to transfer the rest."))
        self.progressed = Signal()
        self.sent = Signal()
        self.answered = Signal()

    def start(self, node: slicer.vtkMRMLTextNode, review: Review, destination: Destination) -> None:
        """Start sending a report.

        Args:
            node: the report.
            review: its review.
            destination: where to.

        Raises:
            RuntimeError: the engine is busy, or the volume or a segmentation is no longer usable.
        """

        def makeRequest(folder: Path) -> dict[str, Any]:
            images = writeReport(node, review, "dicom", folder)
            recordFolder().mkdir(parents=True, exist_ok=True)
            report, record = str(folder / REPORT_FOLDER), str(recordFolder())
            return {**destination.fields(), "folder": report, "record": record, **images}

        self._begin("send", usableVolumeOf(node), makeRequest)

    def test(self, destination: Destination) -> None:
        """Start checking whether an address answers. Nothing is sent.

        Raises:
            RuntimeError: the engine is busy.
        """
        self._begin("send", None, lambda folder: destination.fields())

    def _handle(self, event: events.Event, active: ActiveTask) -> None:
        from reg2rg.pipeline.events import Answered, Sending, Sent

        if isinstance(event, Sending):
            self.progressed.emit(event.fraction, event.message)
        elif isinstance(event, Sent):
            shutil.rmtree(recordFolder(), ignore_errors=True)
            self._cleanUp()
            self.sent.emit(active.volume, event)
        elif isinstance(event, Answered):
            self._cleanUp()
            self.answered.emit(event.address)

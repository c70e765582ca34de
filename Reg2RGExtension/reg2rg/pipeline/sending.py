"""Sending DICOM objects: the files of a folder, or those that a report is exported to."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from reg2rg.errors import Cancelled, InputError
from reg2rg.exports.formats import export_report
from reg2rg.exports.sending.address import parse_address
from reg2rg.exports.sending.send import open_receiver, send_folder
from reg2rg.exports.sending.tls import Certificates
from reg2rg.pipeline.events import Answered, EventCallback, Notice, Sending, Sent
from reg2rg.pipeline.request import SendRequest
from reg2rg.report import REPORT_FILE, load_report
from reg2rg.runtime.callbacks import ShouldCancel, never_cancel
from reg2rg.runtime.staging import scratch_folder


def run_send(
    request: SendRequest, on_event: EventCallback, should_cancel: ShouldCancel = never_cancel
) -> Sent | Answered:
    """Send DICOM objects, or only check that an address answers.

    Args:
        request: what to send, and where to.
        on_event: receives the events of the transfer.
        should_cancel: checked after each object; what was stored until then is recorded.

    Raises:
        Cancelled: ``should_cancel`` returned True.
        InputError: the request is not valid, or there is nothing to send.
        Reg2RGError: the address does not answer, or not everything was stored. The same request sends the rest.
    """

    def progress(fraction: float, message: str) -> None:
        if should_cancel():
            raise Cancelled("Cancelled; send again to transfer the rest.")
        on_event(Sending(fraction, message))

    address = parse_address(request.to)
    certificates = Certificates(request.tls_ca, request.tls_cert, request.tls_key)
    receiver = open_receiver(address, certificates, request.title)
    if request.folder is None:
        receiver.echo()
        return Answered(str(address))
    if address.exposed:
        on_event(Notice(f"The connection to {address} is not encrypted."))
    with _dicom_folder(request, request.folder) as files:
        record = request.record or request.folder
        done = send_folder(
            files,
            address,
            receiver,
            record_in=record,
            again=request.again,
            progress=progress,
            on_notice=lambda message: on_event(Notice(message)),
        )
    return Sent(str(address), done.count, done.stored_before, done.warning)


@contextlib.contextmanager
def _dicom_folder(request: SendRequest, folder: Path) -> Iterator[Path]:
    """Provide the folder with the DICOM files: the given one, or an export of the given report."""
    if not (folder / REPORT_FILE).is_file():
        if request.ct is not None:
            raise InputError(f"{folder} is not a report folder; --ct is only needed for report folders.")
        yield folder
        return
    with scratch_folder() as scratch:
        report = load_report(folder)
        yield export_report(report, "dicom", scratch / "dicom", request.ct, study=request.study)

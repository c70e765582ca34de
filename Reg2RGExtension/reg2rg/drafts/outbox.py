"""Drafts that are sent: each once, to the one address that the user has given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reg2rg.batch.failures import is_disk_full
from reg2rg.batch.records import RECORD_FILE, read_record
from reg2rg.batch.source import Case
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.exports.sending.address import parse_address
from reg2rg.exports.sending.send import open_receiver
from reg2rg.exports.sending.tls import Certificates
from reg2rg.pipeline.events import Event, Notice
from reg2rg.pipeline.failures import as_failure
from reg2rg.pipeline.request import SendRequest
from reg2rg.pipeline.sending import run_send
from reg2rg.runtime.callbacks import NoticeCallback


class Outbox:
    """The report folders of a batch, as far as they have not been sent."""

    def __init__(self, drafts: Path, request: SendRequest, on_notice: NoticeCallback) -> None:
        """Send nothing yet.

        Args:
            drafts: output folder of the batch.
            request: where to send to, and the certificates.
            on_notice: receives messages, one line each, and each of them once.

        Raises:
            InputError: the address, the certificates or the title are not valid.
        """
        certificates = Certificates(request.tls_ca, request.tls_cert, request.tls_key)
        open_receiver(parse_address(request.to), certificates, request.title)
        self._drafts = drafts
        self._request = request
        self._on_notice = on_notice
        self._notices: set[str] = set()
        self._refused: set[str] = set()

    def is_finished(self, case: Case) -> bool:
        """Return whether the draft of a case has been written."""
        record = read_record(self._drafts / "cases" / case.id / RECORD_FILE)
        return record is not None and record.content == case.content

    def has_failed(self, case: Case) -> bool:
        """Return whether a case has no draft that could be sent."""
        record = read_record(self._drafts / "failed" / f"{case.id}.json")
        return case.content in self._refused or (record is not None and record.content == case.content)

    def send(self, case: Case, ct: Path) -> bool:
        """Send the draft of a case if it has been written; return whether all of it is stored.

        Args:
            case: the case.
            ct: the folder of its series.

        Raises:
            Reg2RGError: the address does not answer, or not everything was stored. The next call sends the rest.
            OSError: the disk is full.
        """
        if case.content in self._refused or not self.is_finished(case):
            return False
        folder = self._drafts / "cases" / case.id
        try:
            run_send(replace(self._request, folder=folder, ct=ct), self._on_event)
        except Exception as error:
            if is_disk_full(error) or (isinstance(error, Reg2RGError) and not isinstance(error, InputError)):
                raise
            self._refused.add(case.content)
            self._on_notice(f"{case.id}: cannot be sent: {as_failure(error).message}")
            return False
        self._on_notice(f"{case.id}: sent")
        return True

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Notice) and event.message not in self._notices:
            self._notices.add(event.message)
            self._on_notice(event.message)

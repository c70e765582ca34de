"""The service: series are received, a batch writes their drafts, and the drafts are sent."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from reg2rg.batch.failures import is_disk_full
from reg2rg.batch.run import BatchProgress, Watch, run_batch
from reg2rg.batch.settings import Settings
from reg2rg.drafts.health import remove_health, write_health
from reg2rg.drafts.inbox import Inbox
from reg2rg.drafts.orthanc import Orthanc
from reg2rg.drafts.outbox import Outbox
from reg2rg.errors import Reg2RGError
from reg2rg.exports.sending.tls import Certificates
from reg2rg.pipeline.request import SendRequest
from reg2rg.runtime.callbacks import NoticeCallback
from reg2rg.runtime.folder_lock import locked_folder

POLL_SECONDS = 5.0
"""How often Orthanc is asked for changes."""

RETRY_SECONDS = 60.0
"""How long a draft that was not stored waits: it is exported again for each attempt."""


def run_drafts(
    orthanc: str,
    output: Path,
    settings: Settings,
    send: SendRequest,
    *,
    new_only: bool,
    jobs: int,
    wait: Callable[[float], bool],
    on_progress: Callable[[BatchProgress], None],
    on_notice: NoticeCallback,
) -> None:
    """Draft a report for each CT series that Orthanc receives, and send it.

    Args:
        orthanc: URL of Orthanc.
        output: folder of the service.
        settings: the options of all reports.
        send: where to send to, and the certificates for both addresses.
        new_only: whether to leave out what Orthanc contained before the first start.
        jobs: as in ``run_batch``.
        wait: waits for some seconds; returns True if the service should end.
        on_progress: receives the progress after each draft.
        on_notice: receives messages, one line each.

    Raises:
        InputError: an address or an option is not valid, or another service uses the folder.
    """
    certificates = Certificates(send.tls_ca, send.tls_cert, send.tls_key)
    drafts = output / "drafts"
    with locked_folder(output, "Another service"):
        outbox = Outbox(drafts, send, on_notice)
        inbox = Inbox(output, Orthanc(orthanc, certificates), new_only=new_only, on_notice=on_notice)
        service = _Service(output, inbox, outbox, wait, on_progress, on_notice)
        service.say()
        try:
            run_batch(
                [str(inbox.folder)],
                drafts,
                settings,
                jobs=jobs,
                watch=Watch(0.0, service.between_batches),
                on_progress=service.after_draft,
                on_notice=on_notice,
            )
        finally:
            remove_health(output)


class _Service:
    """What happens between and after drafts. Trouble with an address is said once, and then waited for to pass."""

    def __init__(
        self,
        root: Path,
        inbox: Inbox,
        outbox: Outbox,
        wait: Callable[[float], bool],
        on_progress: Callable[[BatchProgress], None],
        on_notice: NoticeCallback,
    ) -> None:
        self._root = root
        self._inbox = inbox
        self._outbox = outbox
        self._wait = wait
        self._on_progress = on_progress
        self._on_notice = on_notice
        self._trouble = ""
        self._not_stored: Exception | None = None
        self._retry_at = 0.0

    def between_batches(self, seconds: float) -> bool:
        """Send and receive; wait if there is nothing to draft. Return whether the service should end."""
        before = set(self._inbox.cases.values())
        self._try(self._send, self._receive)
        arrived = set(self._inbox.cases.values()) - before
        return self._wait(0.0 if arrived else POLL_SECONDS)

    def after_draft(self, progress: BatchProgress) -> None:
        """Send the draft that was just written, and those that could not be sent before."""
        self._on_progress(progress)
        self._try(self._send)

    def say(self) -> None:
        """Say how the service is."""
        write_health(self._root, self._waiting(), self._trouble)

    def _send(self) -> None:
        if self._not_stored is not None and time.monotonic() < self._retry_at:
            raise self._not_stored
        try:
            for folder, case in list(self._inbox.cases.items()):
                if self._outbox.send(case, folder):
                    self._inbox.remove(folder)
        except Exception as error:
            self._not_stored, self._retry_at = error, time.monotonic() + RETRY_SECONDS
            raise
        self._not_stored = None

    def _receive(self) -> None:
        self._inbox.receive(self._waiting())

    def _waiting(self) -> int:
        """Return how many series wait for their drafts."""
        cases = self._inbox.cases.values()
        return sum(not self._outbox.is_finished(case) and not self._outbox.has_failed(case) for case in cases)

    def _try(self, *steps: Callable[[], None]) -> None:
        """Do steps, whatever becomes of the others."""
        before, self._trouble = self._trouble, ""
        for step in steps:
            try:
                step()
            except Exception as error:
                if not is_disk_full(error) and not isinstance(error, Reg2RGError):
                    raise
                message = "The disk is full." if is_disk_full(error) else error
                self._trouble = self._trouble or f"{message} Trying again."
        if self._trouble and self._trouble != before:
            self._on_notice(self._trouble)
        self.say()

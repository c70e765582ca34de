"""One transfer: what is not yet stored is sent, and what was stored is counted."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from reg2rg.errors import Cancelled, InputError, Reg2RGError
from reg2rg.exports.sending.address import MAXIMUM_TITLE, Address, is_title
from reg2rg.exports.sending.connection import BrokenConnectionError
from reg2rg.exports.sending.dicom_node import DicomNode
from reg2rg.exports.sending.dicomweb import DicomWeb
from reg2rg.exports.sending.instances import Instance, find_instances
from reg2rg.exports.sending.record import Record
from reg2rg.exports.sending.tls import Certificates
from reg2rg.runtime.callbacks import NoticeCallback, ProgressCallback, ignore_notice, ignore_progress

ATTEMPTS = 3
"""How often a connection that broke off is made again."""

DEFAULT_TITLE = "REG2RG"
"""Application entity title of this program."""


def open_receiver(
    address: Address, certificates: Certificates, calling_title: str = DEFAULT_TITLE
) -> DicomNode | DicomWeb:
    """Return what an address stands for; nothing is sent yet.

    Raises:
        InputError: the title of this program is not valid.
    """
    if not is_title(calling_title):
        raise InputError(
            f"The title {calling_title!r} of this program is not valid; expected 1 to {MAXIMUM_TITLE} ASCII characters."
        )
    if address.is_node:
        return DicomNode(address, certificates, calling_title)
    return DicomWeb(address, certificates)


@dataclass(frozen=True)
class Transfer:
    """What came of a transfer after which everything is stored.

    Attributes:
        count: number of objects that were sent.
        stored_before: number of those that had been stored before.
        warning: what the receiver warned of, as one sentence; empty if it did not.
    """

    count: int
    stored_before: int
    warning: str


def objects(count: int) -> str:
    """Return a number of objects in words."""
    return f"{count} object{'' if count == 1 else 's'}"


def send_folder(
    folder: Path,
    address: Address,
    receiver: DicomNode | DicomWeb,
    *,
    record_in: Path | None = None,
    again: bool = False,
    progress: ProgressCallback = ignore_progress,
    on_notice: NoticeCallback = ignore_notice,
) -> Transfer:
    """Send the DICOM files of a folder.

    Args:
        folder: the folder.
        address: where to.
        receiver: what the address stands for.
        record_in: folder in which stored objects are recorded; ``folder`` if None.
        again: whether to send what was stored before as well.
        progress: called with the fraction done after each object that was stored; may raise Cancelled.
        on_notice: told once if stored objects cannot be recorded.

    Raises:
        InputError: there is nothing to send.
        Reg2RGError: not everything was stored. What was stored is recorded; the same call sends the rest.
    """
    instances = find_instances(folder)
    record = Record(record_in or folder, str(address))
    before = set() if again else record.stored & {each.uid for each in instances}
    waiting = {each.uid: each for each in instances if each.uid not in before}
    total = len(waiting)
    warnings: Counter[str] = Counter()

    def on_stored(instance: Instance, warning: str) -> None:
        failed_before = record.failure
        record.add(instance.uid)
        if record.failure and not failed_before:
            place = record_in or folder
            on_notice(
                f"What is stored cannot be recorded in {place} ({record.failure}); the next transfer sends it again."
            )
        warnings.update([warning] if warning else [])
        waiting.pop(instance.uid, None)
        progress(1 - len(waiting) / total, f"Sending to {address}")

    failures, problem = {}, ""
    for attempt in range(ATTEMPTS):
        if not waiting:
            break
        time.sleep(attempt)
        progress(1 - len(waiting) / total, f"Sending to {address}")
        try:
            failures = receiver.store(list(waiting.values()), on_stored)
            problem = ""
            break
        except Cancelled:
            raise
        except Reg2RGError as error:
            problem = str(error)
            if not isinstance(error, BrokenConnectionError):  # it would be refused again
                break
    if waiting:
        missing = f"{len(waiting)} of {objects(len(instances))} {'is' if len(waiting) == 1 else 'are'} not stored."
        reason = problem or f"{address} {next(iter(failures.values()), 'did not store them')}."
        sentences = (missing, reason, _sentence(warnings), "Send again to transfer the rest.")
        raise Reg2RGError(" ".join(filter(None, sentences)))
    return Transfer(total, len(before), _sentence(warnings))


def _sentence(warnings: Counter[str]) -> str:
    """Return what a receiver warned of."""
    if not warnings:
        return ""
    return (
        f"The receiver stored {objects(warnings.total())} with a warning ({', '.join(sorted(warnings))}): it may have "
        "changed or left out some of their data."
    )

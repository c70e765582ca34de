"""Series that were received and wait for their drafts: one folder per series, complete or absent."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

from reg2rg.batch.inputs import Inputs
from reg2rg.batch.records import replace_text
from reg2rg.batch.run import describe
from reg2rg.batch.source import Case
from reg2rg.drafts.orthanc import Orthanc, ReceivedSeries
from reg2rg.runtime.callbacks import NoticeCallback
from reg2rg.runtime.staging import scratch_folder

MAXIMUM_WAITING = 8
"""How many series are received before the first of them has its draft; more wait in Orthanc."""

_ID = re.compile(r"[0-9a-f-]+")
"""An ID in Orthanc: a hash, without patient data."""


class Inbox:
    """The series, and how far the change feed has been read.

    Attributes:
        folder: contains a folder for each series, whose name is Orthanc's ID.
        cases: folder of a series -> its case.
    """

    def __init__(self, root: Path, orthanc: Orthanc, *, new_only: bool, on_notice: NoticeCallback) -> None:
        """Open the inbox, and find the series in it.

        Args:
            root: an existing folder for the inbox and its state.
            orthanc: where series come from.
            new_only: whether to leave out what Orthanc contained before the first start.
            on_notice: receives messages, one line each.
        """
        self.folder = root / "inbox"
        self.folder.mkdir(exist_ok=True)
        for leftover in self.folder.glob(".reg2rg-*"):  # of a crash of the machine
            shutil.rmtree(leftover)
        self.cases: dict[Path, Case] = {}
        self._orthanc = orthanc
        self._new_only = new_only
        self._on_notice = on_notice
        self._state = root / "changes.json"
        self._last: int | None = None
        for folder in sorted(self.folder.iterdir()):
            self._add(folder)

    def receive(self, waiting: int) -> None:
        """Receive the series that are new, until many are waiting.

        Args:
            waiting: how many of the series wait for their drafts.

        Raises:
            Reg2RGError: Orthanc cannot be reached. What was received stays.
        """
        room = MAXIMUM_WAITING - waiting
        last = self._start() if self._last is None else self._last
        while room > 0:
            changes = self._orthanc.changes(last)
            done = changes.done or changes.last <= last
            for number, series_id in changes.stable:
                room -= self._receive(series_id)
                last = self._remember(number)
                if room <= 0:
                    return
            last = self._remember(changes.last)
            if done:
                return

    def remove(self, folder: Path) -> None:
        """Remove a series, all of it at once: a part of it would be taken for another scan."""
        self.cases.pop(folder, None)
        with scratch_folder(inside=self.folder) as scratch:
            os.rename(folder, scratch / folder.name)

    def _receive(self, series_id: str) -> bool:
        """Receive a series; return whether it waits for a draft now."""
        series = self._orthanc.series(series_id) if _ID.fullmatch(series_id) else None
        if series is None or series.modality != "CT":
            return False
        folder = self.folder / series_id
        if folder in self.cases and len(self.cases[folder].source.files) == len(series.instances):
            return False
        with scratch_folder(inside=self.folder) as scratch:
            if not self._save(series, scratch):
                return False
            if folder.exists():  # the series has grown
                self.remove(folder)
            os.rename(scratch, folder)
        return self._add(folder)

    def _save(self, series: ReceivedSeries, folder: Path) -> bool:
        """Write the files of a series; return False if some of them have been deleted."""
        files = (folder / f"{number:06d}.dcm" for number in range(len(series.instances)))
        return all(self._orthanc.save(*each) for each in zip(series.instances, files, strict=False))

    def _add(self, folder: Path) -> bool:
        """Add a series, or remove it if it is not a scan. Return whether it is one."""
        found = Inputs([str(folder)], self.folder.parent).find()
        if len(found.sources) != 1:
            self._on_notice(f"Left out series {folder.name}: {describe(found.left_out) or 'empty'}.")
            self.remove(folder)
            return False
        self.cases[folder] = found.sources[0].read()
        return True

    def _start(self) -> int:
        """Return the number of the last change that has been read."""
        address = str(self._orthanc.address)
        try:
            state = json.loads(self._state.read_text(encoding="utf-8"))
            read = int(state["last"]) if state["orthanc"] == address else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            read = None
        last = self._orthanc.last_change()
        if read is None:
            return self._remember(last if self._new_only else 0)
        if read > last:
            self._on_notice(f"The change feed of {address} has started over; it is read from the beginning.")
            return self._remember(0)
        return self._remember(read)

    def _remember(self, number: int) -> int:
        if number != self._last:
            state = {"orthanc": str(self._orthanc.address), "last": number}
            replace_text(self._state, json.dumps(state) + "\n")
            self._last = number
        return number

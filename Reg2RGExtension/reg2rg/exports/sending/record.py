"""What has been stored where: a file with one line per stored object, so that a transfer that failed can be resumed."""

from __future__ import annotations

import json
from pathlib import Path

FILE = "sent.jsonl"


class Record:
    """The objects of a folder that an address has already stored.

    Args:
        folder: the folder that is sent.
        address: where to, without a password.

    Attributes:
        stored: SOP instance UIDs of the objects.
        failure: why an object could not be recorded; empty if all were.
    """

    def __init__(self, folder: Path, address: str) -> None:
        self._file = folder / FILE
        self._address = address
        self.failure = ""
        self.stored = set(self._read())

    def _read(self) -> list[str]:
        if not self._file.is_file():
            return []
        found = []
        for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
                if entry["to"] == self._address:
                    found.append(str(entry["instance"]))
            except (ValueError, KeyError, TypeError):  # the last line of an interrupted transfer
                continue
        return found

    def add(self, uid: str) -> None:
        """Note that an object was stored. In a folder that cannot be written, it would be sent again."""
        self.stored.add(uid)
        try:
            with self._file.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"to": self._address, "instance": uid}) + "\n")
        except OSError as error:
            self.failure = error.strerror or type(error).__name__

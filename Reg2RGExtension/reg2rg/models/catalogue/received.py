"""Whether a file is the one expected: by the sum that the catalogue states or, where it states none, by the first one
that was received here (trust on first use).
"""

from __future__ import annotations

from pathlib import Path

from reg2rg.errors import InputError

RECORD_FILE = "RECEIVED"
"""In the folder of the user's models: a line "sum  model/file" for each file of unknown sum that was added."""


class Received:
    """The record of what was received before, and of what is now."""

    def __init__(self, models: Path) -> None:
        self._path = models / RECORD_FILE
        self._new: dict[str, str] = {}
        lines = self._path.read_text().splitlines() if self._path.is_file() else []
        self._known = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}

    def check(self, model: str, file: str, digest: str, expected: str | None) -> str:
        """One sentence on how far the file can be trusted; InputError if it is another than expected."""
        name = f"{model}/{file}"
        if expected is not None:
            if digest != expected:
                raise InputError(f"{file} is not the file expected: its SHA-256 is {digest}, not {expected}.")
            return f"{file}: its SHA-256 is the one in the catalogue."
        before = self._known.get(name)
        if before is None:
            self._new[name] = digest
            return f"{file}: nobody has stated its SHA-256; what was received is recorded in {self._path}: {digest}."
        if before != digest:
            raise InputError(
                f"{file} is not the file received before: its SHA-256 is {digest}, not {before}. If its authors have "
                f"published another, remove the line of {name} from {self._path}."
            )
        return f"{file}: its SHA-256 is that of the file received before."

    def keep(self) -> None:
        """Record what has been checked; to be called once the model has turned out to be whole."""
        if self._new:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.writelines(f"{digest}  {name}\n" for name, digest in self._new.items())
            self._known |= self._new
            self._new = {}

"""SHA256SUMS of a model folder, in the form that ``sha256sum -c`` reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from reg2rg.errors import InputError

CHECKSUMS_FILE = "SHA256SUMS"

_BLOCK = 1 << 22


def sha256(path: Path, progress: Callable[[int], None] | None = None) -> str:
    """SHA-256 of a file; ``progress`` is told of every few megabytes read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            if progress is not None:
                progress(len(block))
    return digest.hexdigest()


def write_checksums(folder: Path, known: Mapping[str, str] | None = None) -> None:
    """State the sums of all files of a folder; those in ``known`` (name -> sum) are not read again."""
    names = sorted(p.name for p in folder.iterdir() if p.is_file() and p.name != CHECKSUMS_FILE)
    sums = {name: (known or {}).get(name) or sha256(folder / name) for name in names}
    (folder / CHECKSUMS_FILE).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()))


def read_checksums(folder: Path) -> dict[str, str]:
    """File name -> sum; InputError if there is no such list or it cannot be read."""
    path = folder / CHECKSUMS_FILE
    try:
        pairs = [line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip()]
        return {name: digest for digest, name in pairs}
    except FileNotFoundError:
        raise InputError(f"{folder} holds no {CHECKSUMS_FILE}, so its files cannot be verified.") from None
    except ValueError as error:
        raise InputError(f"{path} is not a list of checksums and file names.") from error

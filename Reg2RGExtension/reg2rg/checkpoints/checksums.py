"""SHA-256 checksums of a model folder's files, in the format of ``sha256sum``."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path, PureWindowsPath

from reg2rg.errors import InputError
from reg2rg.runtime.staging import staged_output

CHECKSUMS_FILE = "SHA256SUMS"

_BLOCK_BYTES = 1 << 22


def sha256(path: Path, on_read: Callable[[int], None] | None = None) -> str:
    """Compute the SHA-256 of a file.

    Args:
        path: the file.
        on_read: called after each block with its number of bytes.

    Returns:
        The hash as hexadecimal digits.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            if on_read is not None:
                on_read(len(block))
    return digest.hexdigest()


def write_checksums(folder: Path, known: Mapping[str, str] | None = None, *, target: Path | None = None) -> None:
    """Write SHA256SUMS with the checksums of all files in a folder.

    Args:
        folder: the folder; subfolders and hidden files are ignored.
        known: file name -> checksum, for files that need not be read again.
        target: the file to write; None is SHA256SUMS in the folder.
    """
    names = sorted(
        p.name for p in folder.iterdir() if p.is_file() and p.name != CHECKSUMS_FILE and not p.name.startswith(".")
    )
    checksums = {name: (known or {}).get(name) or sha256(folder / name) for name in names}
    lines = [f"{checksum}  {name}\n" for name, checksum in checksums.items()]
    (target or folder / CHECKSUMS_FILE).write_text("".join(lines))


def sign(folder: Path) -> list[str]:
    """Renew SHA256SUMS after files were edited.

    Args:
        folder: the folder.

    Returns:
        A phrase per file that was changed, added or removed since the last time.
    """
    before = read_checksums(folder) if (folder / CHECKSUMS_FILE).exists() else {}
    with staged_output(folder) as staging:
        write_checksums(folder, target=staging / CHECKSUMS_FILE)
    after = read_checksums(folder)
    changes = {name: "added" for name in after.keys() - before.keys()}
    changes |= {name: "removed" for name in before.keys() - after.keys()}
    changes |= {name: "changed" for name in after.keys() & before.keys() if after[name] != before[name]}
    return [f"{name}: {change}" for name, change in sorted(changes.items())]


def read_checksums(folder: Path) -> dict[str, str]:
    """Read SHA256SUMS.

    Args:
        folder: the folder that the file is in.

    Returns:
        File name -> checksum.

    Raises:
        InputError: the file does not exist or is not a list of checksums.
    """
    path = folder / CHECKSUMS_FILE
    try:
        pairs = [line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip()]
        checksums = {name: checksum for checksum, name in pairs}
    except FileNotFoundError:
        raise InputError(f"{folder} has no {CHECKSUMS_FILE}, so its files cannot be verified.") from None
    except ValueError as error:
        raise InputError(f"{path} is not a list of checksums and file names.") from error
    for name in checksums:
        if PureWindowsPath(name).name != name or name in (".", ".."):
            raise InputError(f"{path} lists {name!r}; expected names of files in the folder, without a path.")
    return checksums

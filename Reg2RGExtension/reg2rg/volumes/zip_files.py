"""The files in a ZIP file, which are known by their numbers, so that no name in it can lead outside a folder."""

from __future__ import annotations

import lzma
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from reg2rg.errors import InputError
from reg2rg.runtime.disk_space import require_free_space
from reg2rg.volumes.dicom_folder import MAXIMUM_FILES

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError)
"""What the module zipfile raises for damaged, encrypted or unknown archives."""

_RESERVED_BYTES = 1 << 29
"""Space in the temporary folder that an unpacked archive leaves to others."""


def unpack(path: Path, folder: Path) -> None:
    """Unpack a ZIP file into subfolders like those in it.

    Args:
        path: the ZIP file.
        folder: an existing folder.

    Raises:
        InputError: it is damaged, or contains too many files.
        Reg2RGError: there is not enough space.
    """
    folders: dict[PurePosixPath, Path] = {}
    with _opened(path) as (archive, members):
        if len(members) > MAXIMUM_FILES:
            raise InputError(f"{path} contains more than {MAXIMUM_FILES} files; expected those of one scan.")
        require_free_space(
            folder,
            sum(member.file_size for member in members) + _RESERVED_BYTES,
            f"Unpacking {path}",
            hint="free some space, or unpack it yourself and give the folder",
        )
        for number, member in enumerate(members):
            name = PurePosixPath(member.filename)
            inside = folders.setdefault(name.parent, folder / f"{len(folders):06d}")
            inside.mkdir(exist_ok=True)
            # The name is kept as far as it is harmless: slices are recognized by it.
            target = inside / f"{number:06d}-{re.sub(r'[^A-Za-z0-9.]', '_', name.name)[-64:]}"
            with archive.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)


def number_of(name: str) -> int:
    """Return the number of an unpacked file with this name."""
    return int(name.partition("-")[0])


def open_members(path: Path, numbers: Iterable[int]) -> Iterator[IO[bytes]]:
    """Open files in a ZIP file, one after the other.

    Args:
        path: the ZIP file.
        numbers: their numbers.

    Raises:
        InputError: it is damaged.
    """
    with _opened(path) as (archive, members):
        for number in numbers:
            with archive.open(members[number]) as stream:
                yield stream


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """Open a ZIP file, and provide it and its files."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive, [member for member in archive.infolist() if not member.is_dir()]
    except _ZIP_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the archive
            raise
        raise InputError(f"{path} cannot be unpacked as a zip file ({error}); is it complete?") from error

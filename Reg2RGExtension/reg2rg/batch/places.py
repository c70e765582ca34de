"""Folders on this machine or in a store. What is in a store is worked on in a copy on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reg2rg.batch.records import RECORD_FILE
from reg2rg.batch.remote import RemoteFile, download, list_folder, remove, upload
from reg2rg.report import REPORT_FILE
from reg2rg.runtime.staging import scratch_folder

Place = Path | RemoteFile

_LAST = ("", REPORT_FILE, RECORD_FILE)
"""The order in which files are uploaded: "" stands for all others. A report folder without its record is not one."""


@contextmanager
def at_hand(place: Place) -> Iterator[Path]:
    """Provide a folder on this machine for the duration of a block.

    If it is in a store, it is downloaded, and uploaded if the block succeeds and has changed it. The record is removed
    first and uploaded last.

    Raises:
        InputError: the store cannot be used.
    """
    if isinstance(place, Path):
        yield place
        return
    with scratch_folder() as folder:
        files = list_folder(place)
        download(files, [folder / file.name for file in files])
        before = _states(folder)
        yield folder
        after = _states(folder)
        changed = sorted(name for name in after if after[name] != before.get(name))
        if not changed:
            return
        if RECORD_FILE in before:
            remove(place / RECORD_FILE)
        for name in before.keys() - after.keys():
            remove(place / name)
        for last in _LAST:
            names = [name for name in changed if name == last or (not last and name not in _LAST)]
            upload([folder / name for name in names], [place / name for name in names])


def create(place: Place) -> None:
    """Create a folder; in a store, folders exist once there is a file in them."""
    if isinstance(place, Path):
        place.mkdir()


def delete(place: Place) -> None:
    """Remove a folder, if it exists."""
    if isinstance(place, Path):
        shutil.rmtree(place, ignore_errors=True)
    else:
        remove(place)


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    """Return the names of files, and what changes when they do."""
    states = {file.name: file.stat() for file in folder.iterdir() if file.is_file()}
    return {name: (state.st_ino, state.st_mtime_ns) for name, state in states.items()}

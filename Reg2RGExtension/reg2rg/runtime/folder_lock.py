"""A lock on a folder, which the operating system releases when the process ends, however it ends."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reg2rg.errors import InputError

LOCK_FILE = ".lock"

_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def locked_folder(folder: Path, activity: str) -> Iterator[None]:
    """Hold the lock of a folder for the duration of a block.

    Forked child processes do not inherit the lock.

    Args:
        folder: the folder; created if necessary, and removed afterwards if the block leaves it empty.
        activity: what needs the folder for itself; begins the error message, for example "Another training run".

    Raises:
        InputError: another process holds the lock.
    """
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / LOCK_FILE
    try:
        descriptor = _open_locked(file)
        if descriptor is None:
            raise InputError(
                f"{activity} uses {folder} at the moment; wait until it ends, stop it, or choose another folder."
            )
        try:
            yield
        finally:
            if sys.platform == "win32":
                os.close(descriptor)  # an open file cannot be removed
                file.unlink(missing_ok=True)
            else:
                file.unlink(missing_ok=True)
                os.close(descriptor)
    finally:
        for path in created:
            if any(path.iterdir()):
                break
            path.rmdir()


def _open_locked(file: Path) -> int | None:
    """Open and lock a file, and return its descriptor; None if another process holds the lock."""
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        try:  # whether this is still the file of that name: its last owner may have removed it meanwhile
            if os.path.samestat(os.fstat(descriptor), os.stat(file)):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Lock an open file without waiting; return whether that was possible."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _HELD_BY_ANOTHER:
            raise
        return False
    return True

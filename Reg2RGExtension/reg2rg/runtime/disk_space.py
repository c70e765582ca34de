"""Free space on disk, checked before large files are written."""

from __future__ import annotations

import shutil
from pathlib import Path

from reg2rg.errors import Reg2RGError


class NotEnoughSpaceError(Reg2RGError):
    """The disk has too little free space for what is about to be written.

    Attributes:
        lack: how much is needed and how much is free, as words.
    """

    def __init__(self, message: str, lack: str) -> None:
        """Keep the message, and the numbers for another message about the same disk."""
        super().__init__(message)
        self.lack = lack


def require_free_space(
    folder: Path, bytes_needed: int, purpose: str, *, hint: str = "free some space or choose another folder"
) -> None:
    """Check that the disk that contains a folder has enough free space.

    Args:
        folder: an existing folder on the disk in question.
        bytes_needed: number of bytes about to be written.
        purpose: what the space is for; begins the error message, for example "The converted model".
        hint: what the user can do about a full disk; ends the error message.

    Raises:
        NotEnoughSpaceError: less than ``bytes_needed`` is free.
    """
    free = shutil.disk_usage(folder).free
    if bytes_needed > free:
        lack = f"needs {_size(bytes_needed)}, but only {_size(free)} is free"
        raise NotEnoughSpaceError(f"{purpose} {lack} in {folder}; {hint}.", lack)


def _size(count: int) -> str:
    """Return a number of bytes in words."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"

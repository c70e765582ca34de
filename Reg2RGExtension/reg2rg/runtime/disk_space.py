"""Free space on disk, checked before large files are written."""

from __future__ import annotations

import shutil
from pathlib import Path

from reg2rg.errors import Reg2RGError


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
        Reg2RGError: less than ``bytes_needed`` is free.
    """
    free = shutil.disk_usage(folder).free
    if bytes_needed > free:
        raise Reg2RGError(
            f"{purpose} needs {bytes_needed / 1e9:.1f} GB, but only {free / 1e9:.1f} GB is free in {folder}; {hint}."
        )

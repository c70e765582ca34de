"""Other processes on this computer."""

from __future__ import annotations

import os


def isAlive(processId: int) -> bool:
    """Return whether a process with this ID is running.

    On Windows, this always returns True, because the standard library offers no safe way to check.
    """
    if os.name == "nt":
        return True
    if processId <= 0:
        return False
    try:
        os.kill(processId, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True

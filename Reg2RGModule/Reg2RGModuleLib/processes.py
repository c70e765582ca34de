"""Other processes, by their number."""

import os


def isAlive(processId):
    """Whether a process of this number runs. On Windows always yes: nothing in the standard library asks it safely."""
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

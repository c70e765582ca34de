"""A full disk: it is not the fault of a case, so the case is not recorded as failed."""

from __future__ import annotations

import errno

from reg2rg.errors import Reg2RGError


class DiskFull(Reg2RGError):
    """The disk is full; the case can be done again once there is space."""


class ScanChanged(Reg2RGError):
    """The files of a scan changed while it was read."""


def is_disk_full(error: BaseException) -> bool:
    """Return whether an error says that the disk is full, whatever was raised because of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, DiskFull) or getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            return True
        cause = cause.__cause__ or cause.__context__
    return False

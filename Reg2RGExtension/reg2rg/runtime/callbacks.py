"""Callbacks of long-running work: how it reports progress, and how it can be stopped.

A function that takes a while accepts ``progress: ProgressCallback = ignore_progress``; one that can be interrupted
accepts ``should_cancel: ShouldCancel = never_cancel``.
"""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[float, str], None]
"""Called as ``progress(fraction, message)`` with the fraction done (0 to 1) and a message about the current step."""

ShouldCancel = Callable[[], bool]
"""Polled between steps; the work stops with :class:`reg2rg.errors.Cancelled` once it returns True."""


NoticeCallback = Callable[[str], None]
"""Called with a message, one line, about something that was changed or assumed; the work continues."""


def ignore_progress(fraction: float, message: str) -> None:
    """Do nothing; the default ``progress`` callback."""


def ignore_notice(message: str) -> None:
    """Do nothing; the default ``on_notice`` callback."""


def never_cancel() -> bool:
    """Return False; the default ``should_cancel`` callback."""
    return False

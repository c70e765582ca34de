"""Waiting on Qt's event loop, either for a condition or until no events are pending."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QEventLoop, QTimer

TICK_MS = 50
"""Interval in milliseconds at which a condition is checked when no Qt events arrive."""
QUIET_MS = 20
"""The event loop counts as idle after this many milliseconds without an event (longer than a frame at 60 Hz)."""
SETTLE_TIMEOUT = 10.0
"""Seconds after which ``settle`` gives up waiting for an event loop that never becomes idle."""


def wait_for(condition: Callable[[], bool], timeout: float) -> None:
    """Process events until a condition is true.

    The condition is checked after every event, so the function returns right after the event that makes it true.

    Args:
        condition: Called without arguments.
        timeout: Seconds to wait.

    Raises:
        RuntimeError: If the condition does not become true in time.
    """
    loop, ticks = QEventLoop(), QTimer()
    ticks.start(TICK_MS)
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"Timed out after {timeout:.0f} s.")
        loop.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)


def settle() -> None:
    """Process events until none arrives for ``QUIET_MS``, so that everything pending has been laid out and drawn."""
    loop, quiet = QEventLoop(), QTimer()
    quiet.setSingleShot(True)
    deadline = time.monotonic() + SETTLE_TIMEOUT
    while time.monotonic() < deadline:
        quiet.start(QUIET_MS)
        loop.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
        if not quiet.isActive() and not loop.processEvents():  # Nothing else was pending when the timer fired.
            return

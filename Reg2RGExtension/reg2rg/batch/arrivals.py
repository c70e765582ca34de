"""Which scans of a folder that fills are complete: those that nothing has changed for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from reg2rg.batch.source import Source
from reg2rg.errors import InputError


class Arrivals:
    """Watches how scans grow.

    Time is measured with a clock that nobody can set. What files say about their own time is only compared with what
    they said before, so it does not matter whether the clocks agree.
    """

    def __init__(self, quiet_seconds: float, clock: Callable[[], float]) -> None:
        """Start without scans.

        Args:
            quiet_seconds: how long nothing may have changed before a scan counts as complete.
            clock: returns the time in seconds.
        """
        self._quiet_seconds = quiet_seconds
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[str, float]] = {}

    def complete(self, sources: Iterable[Source]) -> list[Source]:
        """Look at the scans that are there now, and return the complete ones."""
        now, complete, seen = self._clock(), [], {}
        for source in sources:
            try:
                signature = source.problem or source.signature()
            except (OSError, InputError):  # a file has just been moved or removed
                continue
            before = self._seen.get(source.key)
            since = before[1] if before is not None and before[0] == signature else now
            seen[source.key] = signature, since
            if now - since >= self._quiet_seconds:
                complete.append(source)
        self._seen = seen
        return complete

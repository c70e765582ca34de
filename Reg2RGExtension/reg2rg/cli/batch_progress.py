"""Progress of a batch on standard error: a bar on a terminal, one line per case elsewhere."""

from __future__ import annotations

import contextlib
import datetime
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reg2rg.batch.run import BatchProgress

if TYPE_CHECKING:
    from rich.console import Console


class BatchView:
    """Shows the progress of a batch as lines.

    Attributes:
        progress: the last progress.
    """

    def __init__(self) -> None:
        self.progress = BatchProgress()

    def on_progress(self, progress: BatchProgress) -> None:
        """Show that a case has ended."""
        self.progress = progress
        case, cause = progress.last
        self.print(f"{case}: {cause or 'finished'} ({words(progress)})")

    def print(self, message: str) -> None:
        """Show a message."""
        print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def show_batch(console: Console | None = None) -> Iterator[BatchView]:
    """Show the progress of a batch.

    Args:
        console: where to draw a bar. None draws it if standard error is a terminal, and prints lines otherwise.
    """
    if console is None and not sys.stderr.isatty():
        yield BatchView()
        return
    from reg2rg.cli.progress import make_bars

    with make_bars(console) as bars:
        task = bars.add_task("Searching", total=None)

        class _Bar(BatchView):
            """Draws one bar, and prints only failures and messages."""

            def on_progress(self, progress: BatchProgress) -> None:
                self.progress = progress
                bars.update(task, total=progress.total, completed=progress.ended, description=words(progress))
                case, cause = progress.last
                if cause:
                    self.print(f"{case}: {cause}")

            def print(self, message: str) -> None:
                bars.console.print(message, markup=False, highlight=False)

        yield _Bar()


def words(progress: BatchProgress) -> str:
    """Return the progress in words, such as "3 of 40, 1 failed, 210 cases per hour, 0:10:34 left"."""
    parts = [f"{progress.ended} of {progress.total}", f"{progress.failed} failed"]
    parts.append(f"{progress.cases_per_hour:.0f} cases per hour")
    if progress.seconds_left is not None:
        parts.append(f"{datetime.timedelta(seconds=round(progress.seconds_left))} left")
    return ", ".join(parts)

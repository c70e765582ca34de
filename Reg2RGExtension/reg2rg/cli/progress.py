"""Progress on standard error: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reg2rg.pipeline.events import Event, EventCallback, Notice, Progress, RegionsFound, Stage
from reg2rg.regions import get_region
from reg2rg.runtime.callbacks import ProgressCallback

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID


@contextlib.contextmanager
def show_events(console: Console | None = None) -> Iterator[EventCallback]:
    """Show the events of a run.

    Args:
        console: where to draw bars. None draws bars if standard error is a terminal, and prints lines otherwise.

    Yields:
        The callback that receives the events.
    """
    if console is None and not sys.stderr.isatty():
        yield _Lines().on_event
        return
    with make_bars(console) as bars:
        yield _BarEvents(bars).on_event


@contextlib.contextmanager
def show_progress() -> Iterator[ProgressCallback]:
    """Show the progress of one task.

    Yields:
        The callback that receives the fraction done and a message.
    """
    if not sys.stderr.isatty():
        lines = _Lines()
        yield lambda fraction, message: lines.print(message)
        return
    with make_bars(None) as bars:
        task = bars.add_task("", total=1.0)
        yield lambda fraction, message: bars.update(task, completed=fraction, description=message)


class _Lines:
    """Prints one line per new message."""

    def __init__(self) -> None:
        self._last = ""

    def on_event(self, event: Event) -> None:
        if isinstance(event, RegionsFound):
            print(_regions_line(event), file=sys.stderr)
        elif isinstance(event, (Notice, Progress)):
            self.print(event.message)

    def print(self, message: str) -> None:
        if message != self._last:
            self._last = message
            print(message, file=sys.stderr)


class _BarEvents:
    """Draws one bar per stage."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._tasks: dict[Stage, TaskID] = {}

    def on_event(self, event: Event) -> None:
        if isinstance(event, RegionsFound):
            self._bars.console.print(_regions_line(event), markup=False, highlight=False)
        elif isinstance(event, Notice):
            self._bars.console.print(event.message, markup=False, highlight=False)
        elif isinstance(event, Progress):
            if event.stage not in self._tasks:
                self._tasks[event.stage] = self._bars.add_task(event.message, total=1.0)
            self._bars.update(self._tasks[event.stage], completed=event.fraction, description=event.message)


def make_bars(console: Console | None) -> Bars:
    """Return bars on a console, or on standard error."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars
    from rich.table import Column

    # Look up the current stream, because the output of libraries is redirected temporarily.
    console = console or Console(file=sys.stderr)
    message = Column(no_wrap=True, overflow="ellipsis")
    columns = (
        BarColumn(bar_width=min(40, console.width // 4)),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False, table_column=message),
    )
    return Bars(*columns, console=console)


def _regions_line(event: RegionsFound) -> str:
    names = ", ".join(get_region(name).display_name for name in event.regions)
    return f"Regions from {event.segmenter}: {names}. {event.reason}"

"""A run's events as people see them: bars on a terminal, plain lines elsewhere. All of it goes to standard error."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from reg2rg.pipeline.events import Event, Notice, Progress, RegionsFound, Stage
from reg2rg.regions import get_region
from reg2rg.runtime.callbacks import ProgressCallback

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


@contextlib.contextmanager
def shown_progress() -> Iterator[Callable[[Event], None]]:
    """What to call with events while a run goes on."""
    if sys.stderr.isatty():
        with _bars() as show:
            yield show
    else:
        yield _Lines().show


@contextlib.contextmanager
def shown_fraction() -> Iterator[ProgressCallback]:
    """What to call with the fraction done of a task and with what is being done."""
    if sys.stderr.isatty():
        with _progress_bars() as bars:
            task = bars.add_task("", total=1.0)
            yield lambda fraction, message: bars.update(task, completed=fraction, description=message)
    else:
        lines = _Lines()
        yield lambda fraction, message: lines.say(message)


class _Lines:
    """One line for each new message."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, event: Event) -> None:
        if isinstance(event, RegionsFound):
            print(_regions_line(event), file=sys.stderr)
        elif isinstance(event, (Notice, Progress)):
            self.say(event.message)

    def say(self, message: str) -> None:
        if message != self._last:
            self._last = message
            print(message, file=sys.stderr)


def _progress_bars() -> Bars:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    # The stream as it is now: libraries' output is redirected for a while.
    console = Console(file=sys.stderr)
    columns = (BarColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
    return Bars(*columns, console=console)


@contextlib.contextmanager
def _bars() -> Iterator[Callable[[Event], None]]:
    with _progress_bars() as bars:
        tasks: dict[Stage, int] = {}

        def show(event: Event) -> None:
            if isinstance(event, RegionsFound):
                bars.console.print(_regions_line(event), markup=False, highlight=False)
            if isinstance(event, Notice):
                bars.console.print(event.message, markup=False, highlight=False)
            if not isinstance(event, Progress):
                return
            if event.stage not in tasks:
                tasks[event.stage] = bars.add_task(event.message, total=1.0)
            bars.update(tasks[event.stage], completed=event.fraction, description=event.message)

        yield show


def _regions_line(event: RegionsFound) -> str:
    """Which regions were found, by what, and why by that."""
    names = ", ".join(get_region(name).display_name for name in event.regions)
    return f"Regions by {event.segmenter}: {names}. {event.reason}"

"""What a run tells while it goes: how far each stage is, and each section as it grows."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from reg2rg.errors import Cancelled
from reg2rg.pipeline.events import Event, Progress, SectionText, SectionWritten, Stage
from reg2rg.report import Section, plain
from reg2rg.runtime.callbacks import ProgressCallback, ShouldCancel

if TYPE_CHECKING:  # torch comes with it
    from reg2rg.inference import GeneratedSection

SECONDS_BETWEEN_TEXTS = 0.1
"""A section's growing text is told at most this often: an event per token and region would flood a front end."""

EventCallback = Callable[[Event], None]


class RunContext:
    """What every stage has at hand: the listener, the question whether to go on, and the clock."""

    def __init__(self, on_event: EventCallback, should_cancel: ShouldCancel) -> None:
        self.tell = on_event
        self.should_cancel = should_cancel
        self.started = time.monotonic()
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def stage(self, stage: Stage, message: str) -> Iterator[ProgressCallback]:
        """A stage from 0 to 1; yields what to call in between, which is also where a run can be cancelled."""
        started = time.monotonic()
        last = message

        def progress(fraction: float, message: str) -> None:
            nonlocal last
            last = message
            if self.should_cancel():
                raise Cancelled("Cancelled; nothing was written.")
            self.tell(Progress(stage, fraction, message))

        progress(0.0, message)
        yield progress
        progress(1.0, last)
        self.seconds[stage.value] = round(time.monotonic() - started, 2)


class SectionEvents:
    """Turns growing texts into events: SectionText now and then, SectionWritten once per region."""

    def __init__(
        self,
        expected: int,
        build: Callable[[GeneratedSection], Section],
        tell: EventCallback,
        progress: ProgressCallback,
    ) -> None:
        self._expected = expected
        self._build = build
        self._tell = tell
        self._progress = progress
        self._told: dict[str, float] = {}  # region -> when
        self._finished: set[str] = set()

    def on_text(self, written: GeneratedSection) -> None:
        now = time.monotonic()
        if written.complete:
            self.finished(written)
        elif written.text and now - self._told.get(written.region, 0.0) >= SECONDS_BETWEEN_TEXTS:
            self._told[written.region] = now
            self._tell(SectionText(written.region, written.recognised, written.text))

    def finished(self, written: GeneratedSection) -> None:
        """Tell of a finished section, unless that was done."""
        if written.region in self._finished:
            return
        self._finished.add(written.region)
        self._tell(SectionWritten(plain(self._build(written))))
        done = len(self._finished)
        self._progress(done / self._expected, f"{done} of {self._expected} sections")

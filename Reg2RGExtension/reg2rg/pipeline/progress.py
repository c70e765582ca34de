"""Progress of a run as events: the progress of each stage, and the text of each section as it grows."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from reg2rg.errors import Cancelled
from reg2rg.pipeline.events import EventCallback, Progress, SectionText, SectionWritten, Stage
from reg2rg.report import Section
from reg2rg.report.build import GeneratedText
from reg2rg.runtime.callbacks import ProgressCallback, ShouldCancel
from reg2rg.runtime.dataclass_io import to_plain

SECONDS_BETWEEN_TEXTS = 0.1
"""Minimum time between two events for one section. An event per token and region would flood a front end."""


class RunContext:
    """What every stage of a run needs: the listener, the cancel check and the clock.

    Attributes:
        emit: sends an event to the listener.
        should_cancel: returns whether the run should stop.
        stage_seconds: stage -> run time in seconds.
    """

    def __init__(self, on_event: EventCallback, should_cancel: ShouldCancel) -> None:
        self.emit = on_event
        self.should_cancel = should_cancel
        self.stage_seconds: dict[str, float] = {}
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the run started."""
        return time.monotonic() - self._started

    @contextlib.contextmanager
    def stage(self, stage: Stage, message: str) -> Iterator[ProgressCallback]:
        """Report the start, the progress and the end of a stage.

        Args:
            stage: the stage.
            message: message for the first step.

        Yields:
            A callback for progress within the stage. It raises Cancelled if the run should stop.
        """
        started = time.monotonic()
        last_message = message

        def progress(fraction: float, message: str) -> None:
            nonlocal last_message
            last_message = message
            if self.should_cancel():
                raise Cancelled("Cancelled; nothing was written.")
            self.emit(Progress(stage, fraction, message))

        progress(0.0, message)
        yield progress
        progress(1.0, last_message)
        self.stage_seconds[stage.value] = round(time.monotonic() - started, 2)


class SectionEvents:
    """Turns growing texts into events: SectionText at intervals, SectionWritten once per region."""

    def __init__(
        self,
        count: int,
        build_section: Callable[[GeneratedText], Section],
        emit: EventCallback,
        progress: ProgressCallback,
        *,
        show_growing: bool,
    ) -> None:
        """Prepare to report the sections of a report.

        Args:
            count: number of sections to expect.
            build_section: builds a section from its finished text.
            emit: receives the events.
            progress: receives the fraction of finished sections.
            show_growing: whether to report texts before they are finished.
        """
        self._count = count
        self._build_section = build_section
        self._emit = emit
        self._progress = progress
        self._show_growing = show_growing
        self._emitted_at: dict[str, float] = {}
        self._finished: set[str] = set()

    def on_section(self, text: GeneratedText) -> None:
        """Report a text that has grown."""
        now = time.monotonic()
        if text.complete:
            self.finish(text)
            return
        due = now - self._emitted_at.get(text.region, -math.inf) >= SECONDS_BETWEEN_TEXTS
        if self._show_growing and text.text and due:
            self._emitted_at[text.region] = now
            self._emit(SectionText(text.region, text.recognized, text.text))

    def finish(self, text: GeneratedText) -> None:
        """Report a finished section, unless it has already been reported."""
        if text.region in self._finished:
            return
        self._finished.add(text.region)
        self._emit(SectionWritten(to_plain(self._build_section(text))))
        done = len(self._finished)
        self._progress(done / self._count, f"{done} of {self._count} sections")

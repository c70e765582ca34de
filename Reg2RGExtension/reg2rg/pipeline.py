"""The pipeline: the only room that knows the whole way from a volume to a report folder."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path

import SimpleITK as sitk

from reg2rg.devices import choose_device
from reg2rg.errors import Cancelled, InputError
from reg2rg.events import Event, Progress, RegionsFound, ReportDone, SectionText, SectionWritten, Stage
from reg2rg.models import find_model
from reg2rg.regions import in_reading_order
from reg2rg.request import ReportRequest, SegmentRequest
from reg2rg.scratch import private_temporary_folder, staged
from reg2rg.segmentation import RegionMasks
from reg2rg.segmentation.choose import choose_segmenter
from reg2rg.volumes import read_volume

SECONDS_BETWEEN_TEXTS = 0.1
"""A growing text is told at most this often: one event per token and region would flood a front end."""

OnEvent = Callable[[Event], None]
Asked = Callable[[], bool]


class _Run:
    """What every stage of a run has at hand: the listener, and the question whether to go on."""

    def __init__(self, on_event: OnEvent, cancelled: Asked) -> None:
        self.tell = on_event
        self.cancelled = cancelled

    def progress(self, stage: Stage, fraction: float, message: str) -> None:
        """Tell how far a stage is; Cancelled if the user wants no more."""
        if self.cancelled():
            raise Cancelled("Cancelled; nothing was written.")
        self.tell(Progress(stage, fraction, message))


def run(request: ReportRequest, on_event: OnEvent, cancelled: Asked = lambda: False) -> ReportDone:
    """Read, segment, write, save; the result, which is also the last event.

    Nothing appears in ``request.output`` before the whole report does. Raises Cancelled soon after ``cancelled()`` says
    yes, and errors as they come: reg2rg.failures puts them into words.
    """
    started = time.monotonic()
    steps = _Run(on_event, cancelled)
    model_folder, device = find_model(request.model), choose_device(request.device)
    with private_temporary_folder(), staged(request.output) as folder:
        volume = _read(request, steps)
        ...
    done = ReportDone(str(request.output), time.monotonic() - started)
    on_event(done)
    return done

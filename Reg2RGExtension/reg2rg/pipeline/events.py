"""Events that a run reports while it is under way; each can be converted to and from one JSON object.

The command line and the worker show the same events. A front end in another process reads them as JSON lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from reg2rg.errors import InputError
from reg2rg.runtime.dataclass_io import from_plain, shorten, to_plain


class Stage(str, Enum):
    """The stages of a run, in order."""

    READ = "read"
    SEGMENT = "segment"
    MEASURE = "measure"
    PREPARE = "prepare"
    LOAD = "load"
    WRITE = "write"
    COMPARE = "compare"
    SAVE = "save"


STAGE_SPANS: Mapping[Stage, tuple[float, float]] = {
    Stage.READ: (0.00, 0.03),
    Stage.SEGMENT: (0.03, 0.40),
    Stage.MEASURE: (0.40, 0.50),
    Stage.PREPARE: (0.50, 0.60),
    Stage.LOAD: (0.60, 0.68),
    Stage.WRITE: (0.68, 0.90),
    Stage.COMPARE: (0.90, 0.98),
    Stage.SAVE: (0.98, 1.00),
}
"""Stage -> approximate start and end of the stage, as fractions of the whole run. Not every run has all of them."""


@dataclass(frozen=True)
class Progress:
    """Progress within a stage.

    Attributes:
        stage: the stage.
        fraction: fraction of the stage that is done, 0 to 1.
        message: what is being done.
    """

    stage: Stage
    fraction: float
    message: str

    @property
    def overall(self) -> float:
        """Fraction of the whole run that is done, 0 to 1."""
        start, end = STAGE_SPANS[self.stage]
        return start + (end - start) * self.fraction


@dataclass(frozen=True)
class Notice:
    """A one-line message that the user should see. The run continues."""

    message: str


@dataclass(frozen=True)
class RegionsFound:
    """The regions have been segmented.

    Attributes:
        segmenter: name of the segmenter.
        reason: one sentence that explains why this segmenter was used.
        regions: names of the regions that were found, in reading order.
        approximate: names of the regions that were estimated rather than segmented.
        missing: region -> why it was not found.
        file: segmentation file (.seg.nrrd) with the masks. It exists until the run ends.
    """

    segmenter: str
    reason: str
    regions: tuple[str, ...]
    approximate: tuple[str, ...]
    missing: Mapping[str, str]
    file: str


@dataclass(frozen=True)
class FindingsLocated:
    """Findings have been located. Sent before the first section, and only if there is a finding to show.

    Attributes:
        file: segmentation file (.seg.nrrd) with their outlines. It exists until the run ends.
    """

    file: str


@dataclass(frozen=True)
class SectionText:
    """The unfinished text of a section.

    Attributes:
        region: the section's region.
        recognized: the region that the model named. None if it has not named one yet.
        text: the text so far.
    """

    region: str
    recognized: str | None
    text: str


@dataclass(frozen=True)
class SectionWritten:
    """A section is finished.

    Attributes:
        section: the section, as in ``report.json``.
    """

    section: Mapping[str, Any]


@dataclass(frozen=True)
class ReportDone:
    """The run has succeeded.

    Attributes:
        folder: the report folder.
        seconds: run time.
    """

    folder: str
    seconds: float


@dataclass(frozen=True)
class Measured:
    """A volume has been measured.

    Attributes:
        evidence: what was measured, as in ``report.json``.
        regions: region -> its ``volume_ml`` and ``mean_hu``, as in the sections of ``report.json``.
        folder: the folder with the measurements.
        seconds: run time.
    """

    evidence: Mapping[str, Any]
    regions: Mapping[str, Mapping[str, float]]
    folder: str
    seconds: float


@dataclass(frozen=True)
class Exported:
    """A report has been exported.

    Attributes:
        path: the file or folder that was written.
    """

    path: str


@dataclass(frozen=True)
class Sending:
    """Progress of a transfer.

    Attributes:
        fraction: fraction of the objects that are stored, 0 to 1.
        message: what is being done.
    """

    fraction: float
    message: str


@dataclass(frozen=True)
class Answered:
    """An address answers.

    Attributes:
        address: the address, without a password.
    """

    address: str


@dataclass(frozen=True)
class Sent:
    """DICOM objects have been sent, and all of them are stored.

    Attributes:
        address: where to, without a password.
        count: number of objects that were sent.
        stored_before: number of objects that had been stored before and were not sent.
        warning: what the receiver warned of, as one sentence; empty if it did not.
    """

    address: str
    count: int
    stored_before: int
    warning: str = ""


@dataclass(frozen=True)
class Failure:
    """The run, or a command given to the worker, has failed.

    Attributes:
        message: one line for the user.
        exit_code: 2 if the input was invalid, 1 otherwise.
        scope: "run" or "command". A failed command does not affect a run that is under way.
    """

    message: str
    exit_code: int
    scope: str = "run"


@dataclass(frozen=True)
class Stopped:
    """The run was cancelled. Nothing was written."""


@dataclass(frozen=True)
class Ready:
    """The worker has started and accepts commands.

    Attributes:
        version: version of the engine.
    """

    version: str


@dataclass(frozen=True)
class Heartbeat:
    """The worker is alive.

    Attributes:
        running: whether a run is under way.
    """

    running: bool


Event = (
    Progress
    | Notice
    | RegionsFound
    | FindingsLocated
    | SectionText
    | SectionWritten
    | ReportDone
    | Measured
    | Exported
    | Sending
    | Answered
    | Sent
    | Failure
    | Stopped
    | Ready
    | Heartbeat
)

EventCallback = Callable[[Event], None]

_CLASSES: dict[str, type[Event]] = {
    "progress": Progress,
    "notice": Notice,
    "regions_found": RegionsFound,
    "findings_located": FindingsLocated,
    "section_text": SectionText,
    "section_written": SectionWritten,
    "report_done": ReportDone,
    "measured": Measured,
    "exported": Exported,
    "sending": Sending,
    "answered": Answered,
    "sent": Sent,
    "failure": Failure,
    "stopped": Stopped,
    "ready": Ready,
    "heartbeat": Heartbeat,
}
_NAMES = {cls: name for name, cls in _CLASSES.items()}


def to_dict(event: Event) -> dict[str, Any]:
    """Convert an event to the plain types of JSON, with its name under "event"."""
    return {"event": _NAMES[type(event)], **to_plain(event)}


def from_dict(values: Mapping[str, Any]) -> Event:
    """Restore an event from the result of ``to_dict``.

    Raises:
        InputError: the values are not a valid event.
    """
    fields = dict(values)
    name = fields.pop("event", None)
    if name not in _CLASSES:
        raise InputError(f"Unknown event {shorten(name)}; expected one of: {', '.join(_CLASSES)}.")
    return from_plain(_CLASSES[name], fields, f"event {name}")

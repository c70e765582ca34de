"""What a run tells while it goes on: typed events, each of which can become one JSON object and back.

The command line and the worker show the same events; a front end in another process reads them as JSON lines.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Stage(str, Enum):
    """The stages of a run, in order."""

    READ = "read"
    SEGMENT = "segment"
    PREPARE = "prepare"
    LOAD = "load"
    WRITE = "write"
    SAVE = "save"


@dataclass(frozen=True)
class Progress:
    """``fraction`` (0 to 1) of a stage is done; ``message`` says what is being done."""

    stage: Stage
    fraction: float
    message: str


@dataclass(frozen=True)
class Notice:
    """Something the user should know that stops nothing, one line: the run does otherwise than one would wish."""

    message: str


@dataclass(frozen=True)
class RegionsFound:
    """The regions have been segmented.

    Attributes:
        segmenter: name of what made them.
        reason: why this segmenter, one sentence.
        regions: names of those found, in reading order.
        approximate: those of them that were estimated rather than segmented.
        missing: region -> why there is none.
        file: a segmentation file (.seg.nrrd) with their masks; it stays while the run goes on.
    """

    segmenter: str
    reason: str
    regions: tuple[str, ...]
    approximate: tuple[str, ...]
    missing: Mapping[str, str]
    file: str


@dataclass(frozen=True)
class FindingsLocated:
    """Findings have been located; sections name their segments in ``file`` (.seg.nrrd), which stays like the regions'.

    Told before the first section is written, and only where there is a finding to show.
    """

    file: str


@dataclass(frozen=True)
class SectionText:
    """The text of a region's section so far, and the region that the model named (None if it has not yet)."""

    region: str
    recognised: str | None
    text: str


@dataclass(frozen=True)
class SectionWritten:
    """A region's section is finished; ``section`` is as in report.json."""

    section: Mapping[str, Any]


@dataclass(frozen=True)
class ReportDone:
    """The run has ended well: ``folder`` holds the report."""

    folder: str
    seconds: float


@dataclass(frozen=True)
class Failure:
    """The run, or a command given to the worker, has failed; the message is one line for the user.

    Attributes:
        exit_code: 2 if what was given is at fault, 1 otherwise.
        of: "run" or "command"; a failed command leaves a run that goes on untouched.
    """

    message: str
    exit_code: int
    of: str = "run"


@dataclass(frozen=True)
class Stopped:
    """The run has ended because it was cancelled; nothing was written."""


@dataclass(frozen=True)
class Ready:
    """The worker is up and takes commands."""

    version: str


@dataclass(frozen=True)
class Heartbeat:
    """The worker is alive; ``running`` tells whether a run goes on."""

    running: bool


Event = (
    Progress
    | Notice
    | RegionsFound
    | FindingsLocated
    | SectionText
    | SectionWritten
    | ReportDone
    | Failure
    | Stopped
    | Ready
    | Heartbeat
)

_NAMES: dict[str, type] = {
    "progress": Progress,
    "notice": Notice,
    "regions_found": RegionsFound,
    "findings_located": FindingsLocated,
    "section_text": SectionText,
    "section_written": SectionWritten,
    "report_done": ReportDone,
    "failure": Failure,
    "stopped": Stopped,
    "ready": Ready,
    "heartbeat": Heartbeat,
}
_NAME_OF = {kind: name for name, kind in _NAMES.items()}
_TUPLES = {"regions", "approximate"}


def to_dict(event: Event) -> dict[str, Any]:
    """The event's fields, plain types for JSON, and its name under "event"."""
    return {"event": _NAME_OF[type(event)], **dataclasses.asdict(event)}


def from_dict(values: Mapping[str, Any]) -> Event:
    """The event that ``to_dict`` told of, also after JSON; ValueError for anything else."""
    fields = dict(values)
    name = fields.pop("event", None)
    if name not in _NAMES:
        raise ValueError(f"{name!r} is no event; expected one of {', '.join(_NAMES)}")
    if "stage" in fields:
        fields["stage"] = Stage(fields["stage"])
    fields.update({key: tuple(value) for key, value in fields.items() if key in _TUPLES})
    try:
        return _NAMES[name](**fields)
    except TypeError as error:
        raise ValueError(f"{name!r} event with unexpected fields: {error}") from error

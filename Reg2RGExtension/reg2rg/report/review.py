"""The review of a report: what a reviewer decided about its sections and measurements, and who signed it."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any

from reg2rg.measurements import Line
from reg2rg.runtime.dataclass_io import Constraint, Time

MAX_NAME_LENGTH = 120

_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"
"""Fillers of the Korean script: letters by the rules of Unicode that show nothing."""

LEFT_TO_RIGHT_MARK = "\u200e"


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a reviewer: one line with a letter or digit that reads as written."""
    unprintable = {"Cc", "Cs", "Zl", "Zp"}  # control characters, surrogates, line and paragraph separators
    reordering = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # they would also move what follows
    is_line = not any(unicodedata.category(character) in unprintable for character in text)
    is_ordered = not any(unicodedata.bidirectional(character) in reordering for character in text)
    is_seen = any(character.isalnum() and character not in _BLANK_LETTERS for character in text)
    return is_line and is_ordered and is_seen and text == text.strip() and len(text) <= MAX_NAME_LENGTH


def _is_sha256(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def now() -> str:
    """Return the current time, UTC in ISO 8601 format."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


class ReviewState(str, Enum):
    """State of a section's review. Every section starts as a draft."""

    DRAFT = "draft"
    EDITED = "edited"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class SectionReview:
    """The review of a section: its state and its current text."""

    state: ReviewState
    text: str

    @property
    def reviewed(self) -> bool:
        """Whether the section has been accepted, edited or rejected."""
        return self.state is not ReviewState.DRAFT


@dataclass(frozen=True)
class MeasurementDecision:
    """What a reviewer decided about one measurement, or about one change since the prior CT.

    Attributes:
        removed: whether it was removed from the report.
        lines: its lines as the reviewer moved them; empty if they were not moved.
    """

    removed: bool = False
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class ReplacedSection:
    """A section that was replaced when it was regenerated.

    Attributes:
        section: the section as JSON values, in the form of the version that wrote it.
        state: the state of its review.
        text: its text at the time.
    """

    section: dict[str, Any]
    state: ReviewState
    text: str


@dataclass(frozen=True)
class Change:
    """One change in the log of a review.

    Attributes:
        time: when it was made, UTC in ISO 8601 format.
        action: what was done, such as "edit" or "accepted".
        region: region of the section that changed; empty for the report as a whole.
        text: the new text, if a text was edited.
    """

    time: Time
    action: str
    region: str
    text: str = ""


@dataclass(frozen=True)
class Signature:
    """Who signed a report, and what was signed.

    Attributes:
        reviewer: name of the person who signed, as that person entered it.
        time: when it was signed, UTC in ISO 8601 format.
        content_sha256: SHA-256 of the signed content; see ``seal``.
    """

    reviewer: Annotated[str, Constraint(f"a name of 1 to {MAX_NAME_LENGTH} characters in one line", is_name)]
    time: Time
    content_sha256: Annotated[str, Constraint("64 hexadecimal digits", _is_sha256)]

    @property
    def words(self) -> str:
        """Who signed and when, such as "Dr. A. Example, 2026-11-28 19:20 UTC".

        A mark after a name that is written from right to left keeps the date behind it in order.
        """
        is_reversed = any(unicodedata.bidirectional(character) in ("R", "AL") for character in self.reviewer)
        return f"{self.reviewer}{LEFT_TO_RIGHT_MARK if is_reversed else ''}, {self.time_words}"

    @property
    def time_words(self) -> str:
        """When it was signed, such as "2026-11-28 19:20 UTC"."""
        time = datetime.datetime.fromisoformat(self.time).astimezone(datetime.timezone.utc)
        return f"{time:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True)
class Review:
    """The review of a report. The report itself keeps what the model wrote and what was measured.

    Attributes:
        sections: region -> review of its section.
        impression: the impression.
        impression_edited: whether the reviewer has edited the impression. Until then, it is derived from the sections.
        measurements: key of a measurement, or of a change since the prior CT -> what was decided about it.
        replaced: the sections that were replaced when they were regenerated.
        log: all changes in the order in which they were made.
        signature: who signed the report. None while it is a draft.
        earlier_signatures: the signatures of the versions that this one amends, oldest first.
    """

    sections: Mapping[str, SectionReview]
    impression: str
    impression_edited: bool = False
    measurements: Mapping[str, MeasurementDecision] = field(default_factory=dict)
    replaced: tuple[ReplacedSection, ...] = ()
    log: tuple[Change, ...] = ()
    signature: Signature | None = None
    earlier_signatures: tuple[Signature, ...] = ()

    @property
    def all_reviewed(self) -> bool:
        """Whether every section has been accepted, edited or rejected."""
        return bool(self.sections) and all(section.reviewed for section in self.sections.values())

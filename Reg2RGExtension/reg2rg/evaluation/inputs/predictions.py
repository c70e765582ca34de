"""Data types for predictions and references: texts by case as read from files, and the pairs made from them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """The unit that is scored as one text."""

    REPORT = "report"
    REGION = "region"


Text = str | Mapping[str, str]
"""A whole report, possibly divided into slots, or its sections by region."""


@dataclass(frozen=True)
class Slots:
    """The regions of a case's slots.

    Attributes:
        expected: Slot number -> region in the reference.
        predicted: Slot number -> region named in the prediction.
    """

    expected: Mapping[int, str]
    predicted: Mapping[int, str]


@dataclass(frozen=True)
class RawCase:
    """The texts of a case as read from files; None for a text that is missing."""

    name: str
    reference: Text | None
    prediction: Text | None
    slots: Slots | None = None


@dataclass(frozen=True)
class TextPair:
    """A reference and its prediction, which may be empty. ``region`` is None for a whole report."""

    case: str
    region: str | None
    reference: str
    prediction: str


@dataclass(frozen=True)
class DroppedItem:
    """A text that is not scored, and why. ``region`` is None for a whole case."""

    case: str
    region: str | None
    reason: str


@dataclass(frozen=True)
class RawPredictions:
    """Everything read from files, before pairing.

    Attributes:
        names: Names of the files.
        cases: Texts by case, in the order of the files.
        dropped: Rows that could not be used.
        notes: Remarks for readers of the results.
        natural_level: The level at which the files contain their texts.
    """

    names: tuple[str, ...]
    cases: tuple[RawCase, ...]
    dropped: tuple[DroppedItem, ...]
    notes: tuple[str, ...]
    natural_level: Level


@dataclass(frozen=True)
class PairedPredictions:
    """Predictions matched with their references.

    Attributes:
        names: Names of the files.
        level: The level at which texts are paired.
        pairs: Pairs in the order of the files; the sections of a case in the published order of regions.
        slots: Slots by case name, for cases whose texts are divided into slots.
        dropped: Texts that are not scored.
        notes: Remarks for readers of the results.
    """

    names: tuple[str, ...]
    level: Level
    pairs: tuple[TextPair, ...]
    slots: Mapping[str, Slots]
    dropped: tuple[DroppedItem, ...]
    notes: tuple[str, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of the cases that have a pair, in order."""
        return tuple(dict.fromkeys(pair.case for pair in self.pairs))


def case_name(accession: str) -> str:
    """Return the name of a case: its accession number without the file extension of the volume."""
    return re.sub(r"(\.nii)?(\.gz)?$", "", accession.strip())


def count_reasons(dropped: Iterable[DroppedItem]) -> dict[tuple[str, str], int]:
    """Count dropped texts by kind and reason.

    Returns:
        (kind, reason) -> count, most frequent first. The kind is "case" or the name of a region.
    """
    counts: dict[tuple[str, str], int] = {}
    for item in dropped:
        key = item.region or "case", item.reason
        counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))

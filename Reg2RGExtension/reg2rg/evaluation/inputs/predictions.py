"""What is to be scored: texts beside their references, by case and region, and what had to be left out and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.published_format import plain_text, sections_by_region
from reg2rg.regions import REGION_NAMES


class Level(str, Enum):
    """What counts as one text."""

    REPORT = "report"
    REGION = "region"


Text = str | Mapping[str, str]
"""A whole report, perhaps with slots, or its sections by region."""


@dataclass(frozen=True)
class Slots:
    """Which region each slot of a case is, and which the prediction took it for."""

    expected: Mapping[int, str]
    written: Mapping[int, str]


@dataclass(frozen=True)
class RawCase:
    """What a source says of one case; None where it says nothing."""

    name: str
    reference: Text | None
    prediction: Text | None
    slots: Slots | None = None


@dataclass(frozen=True)
class TextPair:
    """A text and its reference; ``region`` is None for a whole report. The prediction may be empty."""

    case: str
    region: str | None
    reference: str
    prediction: str


@dataclass(frozen=True)
class DroppedItem:
    """What was left out; ``region`` is None for a whole case."""

    case: str
    region: str | None
    reason: str


@dataclass(frozen=True)
class RawPredictions:
    """What was read.

    Attributes:
        names: of the files.
        dropped: rows that could not be used.
        notes: what a reader of the results must know.
        natural_level: the one that fits the files.
    """

    names: tuple[str, ...]
    cases: tuple[RawCase, ...]
    dropped: tuple[DroppedItem, ...]
    notes: tuple[str, ...]
    natural_level: Level


@dataclass(frozen=True)
class PairedPredictions:
    """A source cut into pairs.

    Attributes:
        pairs: in the order of the files, sections of a case in the published order of regions.
        slots: of the cases whose texts tell them, by name of the case.
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
    """A case without the ending of its volume's file."""
    return re.sub(r"(\.nii)?(\.gz)?$", "", accession.strip())


def pair_texts(source: RawPredictions, level: Level | None = None) -> PairedPredictions:
    """The pairs of a source at its natural level or another; InputError if there is none.

    At the level of regions only sections that both texts have are paired, as published; the others are dropped by name.
    """
    level = level or source.natural_level
    pairs: list[TextPair] = []
    dropped = list(source.dropped)
    for case in source.cases:
        texts = _whole(case) if level is Level.REPORT else _sections(case)
        for region, (reference, prediction) in texts.items():
            if reason := _reason(reference, prediction):
                dropped.append(DroppedItem(case.name, region, reason))
            else:
                pairs.append(TextPair(case.name, region, reference, prediction))
    if not pairs:
        raise InputError(
            f"{', '.join(source.names)}: nothing can be scored at the level {level.value}: {_why(dropped)}."
        )
    notes = [*source.notes, *_empty(pairs), *_rebuilt(source, level)]
    slots = {case.name: case.slots for case in source.cases if case.slots is not None}
    return PairedPredictions(source.names, level, tuple(pairs), slots, tuple(dropped), tuple(notes))


def count_reasons(dropped: Iterable[DroppedItem]) -> dict[tuple[str, str], int]:
    """(what, reason) -> how many, the most frequent first; what is "case" or the region."""
    counts: dict[tuple[str, str], int] = {}
    for item in dropped:
        key = item.region or "case", item.reason
        counts[key] = counts.get(key, 0) + 1
    return dict(sorted(counts.items(), key=lambda entry: -entry[1]))


Texts = Mapping[str | None, tuple[str | None, str | None]]


def _whole(case: RawCase) -> Texts:
    return {None: (_report(case.reference), _report(case.prediction))}


def _sections(case: RawCase) -> Texts:
    if case.reference is None or case.prediction is None:
        return _whole(case)
    reference, prediction = _by_region(case.reference), _by_region(case.prediction)
    names = [name for name in REGION_NAMES if name in reference or name in prediction]
    return {name: (reference.get(name), prediction.get(name)) for name in names} or {None: (None, None)}


def _report(text: Text | None) -> str | None:
    if text is None or isinstance(text, str):
        return None if text is None else plain_text(text)
    return " ".join(text[name] for name in REGION_NAMES if text.get(name))


def _by_region(text: Text) -> Mapping[str, str]:
    return sections_by_region(text) if isinstance(text, str) else text


def _reason(reference: str | None, prediction: str | None) -> str | None:
    """Why such a pair cannot be scored. An empty prediction can be: with 0."""
    if reference is None and prediction is None:
        return "no section of any region"
    if reference is None:
        return "no reference"
    if prediction is None:
        return "no prediction"
    return None if reference else "the reference is empty"


def _why(dropped: Sequence[DroppedItem]) -> str:
    reasons = [f"{reason} ({count} times)" for (_, reason), count in count_reasons(dropped).items()]
    return "; ".join(reasons[:3]) or "there are no rows"


def _empty(pairs: Sequence[TextPair]) -> list[str]:
    empty = [f"{pair.case} {pair.region or ''}".strip() for pair in pairs if not pair.prediction]
    if not empty:
        return []
    named = ", ".join(empty[:10]) + (f" and {len(empty) - 10} more" if len(empty) > 10 else "")
    return [f"Empty predictions, which score 0: {len(empty)} ({named})."]


def _rebuilt(source: RawPredictions, level: Level) -> list[str]:
    if level is Level.REGION or source.natural_level is Level.REPORT:
        return []
    return [
        "Whole reports were put together from sections in the published order of regions; sections that the files lack "
        "are missing from them."
    ]

"""What a section states, whoever made it, beside what was planted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reg2rg.benchmark.finding_groups import HEADLINE_SIZE_MM
from reg2rg.benchmark.records import CaseRecord, PlantedRecord, SectionRecord
from reg2rg.labeler import Mention, Status, extract_mentions, side_and_level

STATED_THRESHOLD = 0.5
"""Probability from which the finding head counts as stating a finding."""


@dataclass(frozen=True)
class Statement:
    """That a finding is there; None where nothing is said of its side, level or size."""

    side: str | None
    level: str | None
    size_mm: float | None


Statements = Mapping[str, Statement]
"""Label -> what is stated of it."""

StatementSource = Callable[[SectionRecord], Statements]
"""Who states: the text, the text without cues, the finding head."""


@dataclass(frozen=True)
class Outcome:
    """A label in a section that was planted, is stated, or both.

    Attributes:
        case: index of the case.
        told: what the phantom's own report says of it; it need not tell all that was planted.
    """

    case: int
    region: str
    label: str
    planted: PlantedRecord | None
    stated: Statement | None
    told: Statement | None

    @property
    def right(self) -> bool:
        return self.planted is not None and self.stated is not None

    @property
    def grown(self) -> bool:
        """It counts in the headline: a planted finding of no size or a size of 8 mm and more, or any false alarm."""
        return self.planted is None or self.planted.size_mm is None or self.planted.size_mm >= HEADLINE_SIZE_MM


def read_statements(text: str, region: str) -> Statements:
    """What the reader of findings reads as there or perhaps there; several mentions of a label are one statement."""
    mentions: dict[str, list[Mention]] = {}
    for finding in extract_mentions(text, region):
        if finding.status is not Status.ABSENT:
            mentions.setdefault(finding.label, []).append(finding)
    return {label: _united(found) for label, found in mentions.items()}


def _united(mentions: Sequence[Mention]) -> Statement:
    places = [side_and_level(finding) for finding in mentions]
    sizes = [finding.size_mm for finding in mentions if finding.size_mm is not None]
    sides = {side for side, _ in places if side}
    side = sides.pop() if len(sides) == 1 else "both" if sides else None
    levels = {level for _, level in places if level}
    return Statement(side, levels.pop() if len(levels) == 1 else None, max(sizes, default=None))


def from_text(section: SectionRecord) -> Statements:
    return read_statements(section.text, section.region)


def from_text_without_cues(section: SectionRecord) -> Statements:
    return read_statements(section.without_cues or "", section.region)


def from_head(section: SectionRecord) -> Statements:
    return {
        finding.label: Statement(finding.side, finding.level, finding.size_mm)
        for finding in section.seen
        if finding.probability >= STATED_THRESHOLD
    }


def outcomes(records: Iterable[CaseRecord], source: StatementSource) -> list[Outcome]:
    """All that was planted or is stated."""
    found = []
    for case, record in enumerate(records):
        for section in record.sections:
            planted = {finding.label: finding for finding in record.planted if finding.region == section.region}
            stated, told = source(section), read_statements(section.reference, section.region)
            found += [
                Outcome(case, section.region, label, planted.get(label), stated.get(label), told.get(label))
                for label in sorted(planted.keys() | stated.keys())
            ]
    return found

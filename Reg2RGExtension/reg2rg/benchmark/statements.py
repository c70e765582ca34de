"""Findings stated by a section, from its text or from the finding head, matched with the planted findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from reg2rg.benchmark.finding_groups import HEADLINE_SIZE_MM
from reg2rg.benchmark.records import CaseRecord, PlantedRecord, SectionRecord
from reg2rg.labeler import Mention, Status, extract_mentions, side_and_level

STATED_THRESHOLD = 0.5
"""Lowest probability at which the finding head is considered to state a finding."""


@dataclass(frozen=True)
class Statement:
    """A finding stated to be present; None for a side, level or size that is not stated."""

    side: str | None
    level: str | None
    size_mm: float | None


Statements = Mapping[str, Statement]
"""Label -> what is stated about it."""

StatementSource = Callable[[SectionRecord], Statements]
"""Extracts the statements of the text, of the text without cues, or of the finding head."""


@dataclass(frozen=True)
class Outcome:
    """A label of a section that was planted, is stated, or both.

    Attributes:
        case: Index of the case.
        region: Region of the section.
        label: The label.
        planted: The planted finding; None for a false alarm.
        stated: The statement; None for a missed finding.
        reported: What the phantom's own report states, which may be less than what was planted.
    """

    case: int
    region: str
    label: str
    planted: PlantedRecord | None
    stated: Statement | None
    reported: Statement | None

    @property
    def correct(self) -> bool:
        """Whether the label was planted and is stated."""
        return self.planted is not None and self.stated is not None

    @property
    def in_headline(self) -> bool:
        """Whether it counts in the headline metrics.

        All false alarms count, and planted findings of at least 8 mm or without a size.
        """
        return self.planted is None or self.planted.size_mm is None or self.planted.size_mm >= HEADLINE_SIZE_MM


def extract_statements(text: str, region: str) -> Statements:
    """Extract the findings that a text asserts or leaves open; several mentions of a label are merged."""
    mentions: dict[str, list[Mention]] = {}
    for mention in extract_mentions(text, region):
        if mention.status is not Status.ABSENT:
            mentions.setdefault(mention.label, []).append(mention)
    return {label: _merge(found) for label, found in mentions.items()}


def _merge(mentions: Sequence[Mention]) -> Statement:
    """Merge the mentions of a label: differing sides become "both", differing levels None, the largest size counts."""
    locations = [side_and_level(mention) for mention in mentions]
    sizes = [mention.size_mm for mention in mentions if mention.size_mm is not None]
    sides = {side for side, _ in locations if side}
    levels = {level for _, level in locations if level}
    side = "both" if len(sides) > 1 else next(iter(sides), None)
    level = levels.pop() if len(levels) == 1 else None
    return Statement(side, level, max(sizes, default=None))


def from_text(section: SectionRecord) -> Statements:
    """Return the statements of the text."""
    return extract_statements(section.text, section.region)


def from_text_without_cues(section: SectionRecord) -> Statements:
    """Return the statements of the text generated without cues."""
    return extract_statements(section.text_without_cues or "", section.region)


def from_head(section: SectionRecord) -> Statements:
    """Return the statements of the finding head."""
    return {
        detection.label: Statement(detection.side, detection.level, detection.size_mm)
        for detection in section.detections
        if detection.probability >= STATED_THRESHOLD
    }


def match_statements(records: Iterable[CaseRecord], source: StatementSource) -> list[Outcome]:
    """Match the statements of a source with the planted findings, section by section."""
    outcomes = []
    for case, record in enumerate(records):
        for section in record.sections:
            planted = {finding.label: finding for finding in record.planted if finding.region == section.region}
            stated, reported = source(section), extract_statements(section.reference, section.region)
            outcomes += [
                Outcome(case, section.region, label, planted.get(label), stated.get(label), reported.get(label))
                for label in sorted(planted.keys() | stated.keys())
            ]
    return outcomes

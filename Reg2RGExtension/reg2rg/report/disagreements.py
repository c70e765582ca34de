"""Compare three readers: the text, the finding head and the measurements.

Where two of them contradict each other, the report quotes all three. Nothing is averaged.

- A text contradicts if it states or denies a finding; "possible" contradicts nothing. Silence counts if the head rates
  the finding likely or a measurement shows it.
- The head contradicts if it rates a finding likely or unlikely.
- A measurement contradicts beyond the limits in ``comparisons``, and only without reservations: the many dark voxels of
  a sharp kernel must not accuse a correct text. If text and head disagree anyway, a reserved value is named with its
  reservations, because the reader then looks for any evidence there is.
- A size contradicts the ruler if it is far from the mean and from the long axis. A ruler with reservations needs a
  greater difference and is named with them.
- Findings that a reviewer has corrected are not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reg2rg.labeler import Mention, Status, extract_mentions, side_and_level
from reg2rg.measurements import Evidence, Measurement, measurement_words
from reg2rg.report.comparisons import COMPARISONS, Comparison
from reg2rg.report.finding import Finding
from reg2rg.report.section import Disagreement, Section, sentence_at
from reg2rg.report.size_disagreements import class_disagreements, size_disagreements, vessel_disagreements
from reg2rg.report.wording import LIKELY_FROM, UNLIKELY_BELOW, probability_words

_SIDES = ("right", "left")
_MOST_DEFINITE_FIRST = (Status.PRESENT, Status.UNCERTAIN, Status.ABSENT)


def disagreements(section: Section, evidence: Evidence | None = None) -> tuple[Disagreement, ...]:
    """Return the contradictions between a section's text, its findings and the measurements.

    Args:
        section: the section. Its own disagreements are not read.
        evidence: what was measured in the volume; None if nothing was.
    """
    measurements = evidence.measurements if evidence is not None else ()
    mentions = extract_mentions(section.text, section.region)
    findings = {finding.label: finding for finding in section.findings}
    rows = {row.label: row for row in COMPARISONS if row.applies_to(section.region)}
    found: list[Disagreement] = []
    for label in dict.fromkeys([*findings, *rows]):
        finding, row = findings.get(label, Finding(label)), rows.get(label)
        if finding.correction is not None:
            continue
        of_label = tuple(mention for mention in mentions if mention.label == label)
        measured = tuple(m for m in measurements if row is not None and m.measure == row.measure)
        readers = _Readers(section, finding, of_label, row, measured)
        found += readers.about_presence()
        found += readers.about_place()
        found += size_disagreements(section, finding, of_label, measurements)
        found += class_disagreements(section, label, of_label, measurements)
    found += vessel_disagreements(section, mentions, measurements)
    return tuple(found)


@dataclass(frozen=True)
class _Readers:
    """What the three readers say about one finding in one section.

    Attributes:
        section: the section.
        finding: what the finding head says.
        mentions: what the text says.
        row: how measurements are compared; None if none of them is about the finding.
        measured: these measurements.
    """

    section: Section
    finding: Finding
    mentions: tuple[Mention, ...]
    row: Comparison | None
    measured: tuple[Measurement, ...]

    def about_presence(self) -> Iterator[Disagreement]:
        """Yield the contradictions about whether the finding is there, sentence by sentence."""
        for mention in self.mentions:
            if self._is_contradicted(mention):
                verb = "states" if mention.status is Status.PRESENT else "denies"
                yield self._disagreement(f"The text {verb} {self._label}", mention)
        head, shown = self._rated, self._shown
        if self._status is None and (head is True or (shown is True and self._is_expected)):
            yield self._disagreement(f"The text does not mention {self._label}", None)
        if self._status is Status.UNCERTAIN and head is not None and shown is not None and head is not shown:
            yield self._disagreement(f"The text leaves {self._label} open", self.mentions[0])
        for side in self._unmentioned_sides():
            yield self._disagreement(f"The text does not mention {self._label} on the {side}", None)

    def about_place(self) -> Iterator[Disagreement]:
        """Yield the contradictions about side and level, where no sentence agrees with the finding head."""
        if self.finding.source != "both":
            return
        stated = [mention for mention in self.mentions if mention.status is not Status.ABSENT]
        sides = frozenset[str]().union(*(mention.sides for mention in stated))
        if self.finding.side in ("left", "right") and sides and self.finding.side not in sides:
            (other,) = sides
            place = f"the finding detector places it on the {self.finding.side}"
            mention = next(mention for mention in stated if mention.sides)
            yield self._disagreement(f"The text places {self._label} on the {other}", mention, place)
        levels = {level: mention for mention in stated for _, level in [side_and_level(mention)] if level}
        if self.finding.level and levels and self.finding.level not in levels:
            part = "lobe" if self.section.region == "lung" else "part"
            place = f"the finding detector places it in the {self.finding.level} {part}"
            text = f"The text places {self._label} in the {' and '.join(sorted(levels))} {part}"
            yield self._disagreement(text, next(iter(levels.values())), place)

    @property
    def _label(self) -> str:
        return self.finding.label.lower()

    @property
    def _status(self) -> Status | None:
        """What the most definite sentence says."""
        return min((mention.status for mention in self.mentions), key=_MOST_DEFINITE_FIRST.index, default=None)

    @property
    def _rated(self) -> bool | None:
        """Whether the head rates the finding likely (True) or unlikely (False)."""
        probability = self.finding.probability
        if probability is None or UNLIKELY_BELOW <= probability <= LIKELY_FROM:
            return None
        return probability > LIKELY_FROM

    @property
    def _shown(self) -> bool | None:
        """Whether measurements show the finding on any side (True) or show that there is none (False)."""
        return _any(self._shown_on(side) for side in _SIDES) if self.row and self.row.sided else self._shown_on("")

    @property
    def _is_expected(self) -> bool:
        """Whether the text of this region should mention what measurements show."""
        expected = self.row is not None and self.row.expected
        return expected and any(measurement.region == self.section.region for measurement in self.measured)

    def _shown_on(self, side: str) -> bool | None:
        """Return whether measurements of one side ("" for those without a side) show the finding."""
        if self.row is None:
            return None
        return _any(self.row.shows(m) for m in self.measured if not side or m.part.startswith(side))

    def _unmentioned_sides(self) -> list[str]:
        """Return the sides on which measurements show the finding although the text names only the other one."""
        if not self._is_expected or not self.mentions or not all(mention.sides for mention in self.mentions):
            return []
        named = frozenset[str]().union(*(mention.sides for mention in self.mentions))
        return [side for side in _SIDES if side not in named and self._shown_on(side)]

    def _is_contradicted(self, mention: Mention) -> bool:
        """Return whether the head or a measurement contradicts a definite sentence."""
        if mention.status is Status.UNCERTAIN:
            return False
        states = mention.status is Status.PRESENT
        by_head = mention.status is self._status and self._rated is (not states)
        return by_head or self._is_contradicted_by_measurement(mention, states)

    def _is_contradicted_by_measurement(self, mention: Mention, states: bool) -> bool:
        if self.row is None or not _is_about(self.row, self.section.text[mention.start : mention.end], states):
            return False
        if self.row.sided and mention.sides:
            return any(self._shown_on(side) is (not states) for side in mention.sides)
        is_limited = not states and bool(mention.levels)  # "no emphysema in the lower lobes"
        return mention.status is self._status and not is_limited and self._shown is (not states)

    def _disagreement(self, text: str, mention: Mention | None, head: str = "") -> Disagreement:
        """Return a disagreement that names all readers.

        Args:
            text: what the text says.
            mention: the sentence that says it, if any.
            head: what the head says, if it is not about presence.
        """
        finding, said = self.finding, [text]
        if head:
            said.append(head)
        elif finding.probability is not None:
            said.append(f"the finding detector rates it {probability_words(finding.probability, finding.calibrated)}")
        values = [m for m in self.measured if m.value is not None]
        if values:
            said.append(f"measured: {_measured_words(values)}")
        sentence = sentence_at(self.section, mention.start, mention.end) if mention is not None else None
        return Disagreement(f"{'; '.join(said)}.", sentence)


def _any(shown: Iterator[bool | None]) -> bool | None:
    """Return True if one measurement shows a finding, False if there are some and all show that there is none."""
    views = set(shown)
    if True in views:
        return True
    return False if views == {False} else None


def _is_about(row: Comparison, sentence: str, states: bool) -> bool:
    """Return whether a sentence is about what was measured."""
    return re.search(row.claims if states else row.denials, sentence.lower()) is not None


def _measured_words(measurements: list[Measurement]) -> str:
    """Return the values of one measure, such as "pleural fluid, right side 420 mL, left side 0 mL"."""
    label = measurements[0].label
    name = label[0].lower() + label[1:]
    if len(measurements) == 1 and not measurements[0].part:
        return f"{name} {measurement_words(measurements[0])}"
    return ", ".join([name, *(f"{m.part} {measurement_words(m)}" for m in measurements)])

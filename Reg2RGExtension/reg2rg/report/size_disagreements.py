"""Compare the sizes that a text gives with those of the finding head and of the ruler."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from reg2rg.labeler import Mention, Status, VesselDiameter, vessel_diameters
from reg2rg.measurements import Measurement, measurement_words
from reg2rg.measurements.measures import MEASURES
from reg2rg.report.comparisons import NOT_DIAMETERS, SHORT_AXIS_LABELS, SIZE_MEASURES
from reg2rg.report.finding import Finding
from reg2rg.report.section import Disagreement, Section, sentence_at
from reg2rg.report.wording import OUTLINE_TOLERANCE, SIZE_TOLERANCE

VESSEL_TOLERANCE_MM = 5.0
"""Difference up to which two diameters of a vessel agree."""

CLASS_TOLERANCE_PERCENT = 5.0
"""Distance from a border between two classes of effusions within which both are right."""

_CLASS = r"(?:(?P<small>small|minimal|mild|slight|trace|minor|tiny)|(?P<moderate>moderate)|(?P<large>large|massive))\b"
_FLUID = r"(?:effusions?|fluid|hydrothora\w*)"
_EFFUSION_CLASSES = (
    re.compile(
        rf"\b{_CLASS}(?=(?:[\s-]*(?:\bto\b|\bor\b|-|/)[\s-]*(?:moderate|large|massive))?"  # both ends of a range
        rf"(?:[\s-]+(?!and\b|with\b)[\w-]+){{0,4}}?[\s-]+{_FLUID})"
    ),
    re.compile(  # the word follows: "the effusion on the left is small", "effusion, small"
        rf"\b{_FLUID}[^,.;]*?(?:\b(?:is|are|was|were|remains?|appears?)(?:\s+(?!not\b)\w+)?|,)\s+{_CLASS}"
        r"(?=\s*(?:$|[.,;]|(?:in|on|at|and|but|or|to)\b))"
    ),
)


@dataclass(frozen=True)
class _Ruler:
    """A measured length.

    Attributes:
        lengths: what may be called its size, in mm: the mean and the long axis, or also the short one; not empty.
        words: the same as shown to users.
        reserved: whether it holds only with reservations.
    """

    lengths: tuple[float, ...]
    words: str
    reserved: bool

    def agrees(self, size: float) -> bool:
        """Return whether a size in the text is close enough."""
        return any(_agree(size, length) for length in self.lengths) or (
            self.reserved
            and any(size / OUTLINE_TOLERANCE <= length <= size * OUTLINE_TOLERANCE for length in self.lengths)
        )


def size_disagreements(
    section: Section, finding: Finding, mentions: Sequence[Mention], measurements: Sequence[Measurement]
) -> Iterator[Disagreement]:
    """Yield the contradiction about a finding's size, where no size in the text agrees with the head or the ruler.

    Args:
        section: the section.
        finding: what the finding head says.
        mentions: what the text says about the finding.
        measurements: all measurements of the volume.
    """
    sized = {mention.size_mm: mention for mention in mentions if mention.size_mm}
    if not sized:
        return
    head = finding.size_mm if finding.source == "both" else None
    if head in {round(size, 1) for size in sized}:
        head = None  # the finding has its size from the text
    sides = frozenset[str]().union(*(mention.sides for mention in sized.values()))
    rulers = [
        ruler
        for m in measurements
        if _measures_size(m, section.region, finding.label)
        and not (sides and _side(m) not in (None, *sides))
        and (ruler := _ruler(m, axes=2 if finding.label in SHORT_AXIS_LABELS else 1)) is not None
    ]
    by_head = head is not None and not any(_agree(size, head) for size in sized)
    by_ruler = bool(rulers) and not any(ruler.agrees(size) for ruler in rulers for size in sized)
    if not by_head and not by_ruler:
        return
    size = max(sized)
    said = [f"The text gives a size of {size:.0f} mm for {finding.label.lower()}"]
    if head is not None:
        said.append(f"the finding detector measures {head:.0f} mm")
    if rulers:
        said.append(f"the ruler measures {' and '.join(ruler.words for ruler in rulers)}")
    yield _disagreement(section, sized[size], said)


def class_disagreements(
    section: Section, label: str, mentions: Sequence[Mention], measurements: Sequence[Measurement]
) -> Iterator[Disagreement]:
    """Yield the sentences that call a pleural effusion small, moderate or large where its depth says otherwise.

    Args:
        section: the section.
        label: the finding; only pleural effusions have classes.
        mentions: what the text says about the finding.
        measurements: all measurements of the volume.
    """
    if label != "Pleural effusion":
        return
    depths = [m for m in measurements if m.measure == "effusion_depth" and m.value and not m.reserved]
    for mention in mentions:
        sentence = section.text[mention.start : mention.end].lower()
        called = {match.lastgroup for pattern in _EFFUSION_CLASSES for match in pattern.finditer(sentence)}
        compared = [m for m in depths if not mention.sides or _side(m) in mention.sides]
        if mention.status is Status.PRESENT and len(called) == 1 and compared:
            if not any(called & _classes(m) for m in compared):
                words = ", ".join(f"{m.part} {measurement_words(m)}" for m in compared)
                said = [f"The text calls the pleural effusion {called.pop()}", f"measured: depth, {words}"]
                yield _disagreement(section, mention, said)


def vessel_disagreements(
    section: Section, mentions: Sequence[Mention], measurements: Sequence[Measurement]
) -> Iterator[Disagreement]:
    """Yield the sentences that give a vessel a diameter which the ruler contradicts.

    Args:
        section: the section.
        mentions: what the text says about findings. A size in a sentence about a finding is not that of a vessel.
        measurements: all measurements of the volume.
    """
    of_findings = {(mention.start, mention.end) for mention in mentions if mention.size_mm}
    rulers = {m.measure: (m.label, ruler) for m in measurements if (ruler := _ruler(m)) is not None}
    for diameter in vessel_diameters(section.text):
        if diameter.vessel not in rulers or (diameter.start, diameter.end) in of_findings:
            continue
        label, ruler = rulers[diameter.vessel]
        if abs(diameter.size_mm - ruler.lengths[0]) > VESSEL_TOLERANCE_MM:
            name = label[0].lower() + label[1:]
            said = [f"The text gives the {name} as {diameter.size_mm:.0f} mm", f"the ruler measures {ruler.words}"]
            yield _disagreement(section, diameter, said)


def _measures_size(measurement: Measurement, region: str, label: str) -> bool:
    """Return whether a measurement is what a text calls the size of a finding."""
    if measurement.measure != SIZE_MEASURES.get(label, "finding_diameter") or label in NOT_DIAMETERS:
        return False
    is_diameter = measurement.measure == "finding_diameter"
    return not is_diameter or (measurement.region, measurement.part) == (region, label.lower())


def _ruler(measurement: Measurement, axes: int = 1) -> _Ruler | None:
    """Return a measured length; None if nothing was found to measure, or along no line."""
    if not measurement.value:
        return None
    lengths = [math.dist(line.start_ras, line.end_ras) for line in measurement.lines[:axes]]
    if measurement.unit == "mm":
        lengths = [measurement.value, *lengths]
    if not lengths:
        return None
    words = measurement.text if measurement.unit == "mm" else f"{lengths[0]:.0f} mm"
    side = _side(measurement)
    words += f" on the {side}" if side else ""
    if measurement.reserved:
        words += f" (interpret with caution: {', '.join(measurement.reservations)})"
    return _Ruler(tuple(lengths), words, measurement.reserved)


def _side(measurement: Measurement) -> str | None:
    first = measurement.part.partition(" ")[0]
    return first if first in ("right", "left") else None


def _agree(size: float, length: float) -> bool:
    return abs(size - length) <= SIZE_TOLERANCE * size


def _classes(measurement: Measurement) -> set[str]:
    """Return the classes of an effusion that its depth allows."""
    depth, row = measurement.value or 0.0, MEASURES[measurement.measure]
    near = (depth - CLASS_TOLERANCE_PERCENT, depth, depth + CLASS_TOLERANCE_PERCENT)
    return {cutoff.adjective for value in near if (cutoff := row.cutoff(value)) is not None}


def _disagreement(section: Section, sentence: Mention | VesselDiameter, said: Iterable[str]) -> Disagreement:
    return Disagreement(f"{'; '.join(said)}.", sentence_at(section, sentence.start, sentence.end))

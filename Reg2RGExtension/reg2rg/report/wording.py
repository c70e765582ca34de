"""Findings in words: a probability is words and a number, and never certainty."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reg2rg.labeler import Mention, Status, extract_mentions, side_and_level

if TYPE_CHECKING:
    from reg2rg.report.schema import SectionFinding

UNFAMILIAR = "This volume is unlike the model's training data."

UNLIKELY_BELOW, LIKELY_FROM = 0.3, 0.7
"""Between them the head leaves a finding open. Outside, a text that says otherwise is wrong in 7 of 10 such cases, as
far as the head is calibrated: often enough to be told of, seldom enough that the warning is read."""

SIZE_TOLERANCE = 0.3
"""Share by which two sizes of one finding may differ and agree all the same; the evaluation has it from here."""

_SAID = {
    Status.PRESENT: "in the text",
    Status.UNCERTAIN: "uncertain in the text",
    Status.ABSENT: "denied in the text",
    None: "not in the text",
}
_WORDS = ((0.9, "very likely"), (LIKELY_FROM, "likely"), (UNLIKELY_BELOW, "possible"), (0.1, "unlikely"))


def probability_words(probability: float, familiar: bool = True) -> str:
    """ "likely (85%)", of at least 1% and at most 99%; weaker words, and that the number is none, if not familiar."""
    number = f"{round(100 * min(max(probability, 0.01), 0.99))}%"
    if not familiar:
        words = "possible" if probability >= 0.5 else "uncertain"
        return f"{words} ({number}, not calibrated for this volume)"
    return f"{next((words for least, words in _WORDS if probability >= least), 'very unlikely')} ({number})"


def lobe_words(side: str | None, level: str | None) -> str | None:
    """ "right upper lobe"; None if side or level do not tell a lobe."""
    if side not in ("left", "right") or level is None or (side, level) == ("left", "middle"):
        return None
    return f"{side} {level} lobe"


def place_words(region: str, side: str | None, level: str | None) -> str | None:
    """Where a finding of a region is, as far as it is known: "left lower lobe", "both lungs", "right, upper part"."""
    if region == "lung" and (lobe := lobe_words(side, level)):
        return lobe
    sides = {"left": "left", "right": "right", "both": "both sides"}
    if region == "lung":
        sides = {"left": "left lung", "right": "right lung", "both": "both lungs"}
    words = [sides[side]] if side else []
    return ", ".join([*words, f"{level} part"] if level else words) or None


def finding_words(region: str, finding: SectionFinding) -> str:
    """One line: "Lung nodule, right upper lobe, 14 mm: likely (87%)"."""
    parts = [finding.label, place_words(region, finding.side, finding.level)]
    parts.append(f"{finding.size_mm:.0f} mm" if finding.size_mm else None)
    if finding.probability is None:
        says = _SAID[finding.text]
    else:
        says = probability_words(finding.probability, finding.calibrated)
    if finding.said is not None:
        says += f"; {'there' if finding.said else 'not there'} by the user's word"
    return f"{', '.join(part for part in parts if part)}: {says}"


def disagreements(region: str, text: str, findings: Sequence[SectionFinding]) -> tuple[str, ...]:
    """Where a region's text and the finding head contradict each other, one sentence each.

    Of ``findings``, those of text and head joined, none that the user has spoken of: they have settled it.
    """
    told = extract_mentions(text, region)
    return tuple(
        words
        for finding in findings
        if finding.probability is not None and finding.said is None
        for words in (
            *_presence(finding),
            *_details(region, finding, [f for f in told if f.label == finding.label and f.status is not Status.ABSENT]),
        )
    )


def _presence(finding: SectionFinding) -> Iterator[str]:
    label, words = finding.label.lower(), probability_words(finding.probability, finding.calibrated)
    if finding.text is Status.PRESENT and finding.probability < UNLIKELY_BELOW:
        yield f"The text says {label}; the finding detector calls it {words}."
    if finding.probability > LIKELY_FROM and finding.text is Status.ABSENT:
        yield f"The text denies {label}; the finding detector calls it {words}."
    if finding.probability > LIKELY_FROM and finding.text is None:
        yield f"The text does not speak of {label}; the finding detector calls it {words}."


def _details(region: str, finding: SectionFinding, told: Sequence[Mention]) -> Iterator[str]:
    """Side, level and size of what both see, where none of the text's sentences says what the head does."""
    if finding.source != "both":
        return
    label, detector = finding.label.lower(), "the finding detector"
    sides = frozenset().union(*(each.sides for each in told))
    if finding.side in ("left", "right") and sides and finding.side not in sides:
        (other,) = sides
        yield f"The text says {label} on the {other}; {detector} sees it on the {finding.side}."
    levels = {level for each in told for _, level in [side_and_level(each)] if level}
    if finding.level and levels and finding.level not in levels:
        part = "lobe" if region == "lung" else "part"
        words = " and ".join(sorted(levels))
        yield f"The text says {label} in the {words} {part}; {detector} sees it in the {finding.level} {part}."
    sizes = [each.size_mm for each in told if each.size_mm]
    if finding.size_mm and sizes and not any(abs(size - finding.size_mm) <= SIZE_TOLERANCE * size for size in sizes):
        yield f"The text says {label} of {max(sizes):.0f} mm; {detector} measures {finding.size_mm:.0f} mm."

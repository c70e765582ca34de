"""Wording of findings. A probability is shown in words and as a number, never as a certainty."""

from __future__ import annotations

from collections.abc import Mapping

from reg2rg.labeler import Status
from reg2rg.report.finding import Finding
from reg2rg.report.section import Section

UNLIKELY_BELOW, LIKELY_FROM = 0.3, 0.7
"""Between these probabilities, the finding head is undecided. Outside them, a text that contradicts a calibrated head
is wrong in 7 of 10 cases: often enough to warn the reader, yet rarely enough that the warning is read."""

SIZE_TOLERANCE = 0.3
"""Relative difference up to which two sizes of the same finding agree. The evaluation uses the same value."""

OUTLINE_TOLERANCE = 1.5
"""Factor up to which the longest side of an outline agrees with a size. The cells of a finding map are coarse."""

_STATUS_WORDS = {
    Status.PRESENT: "in the text",
    Status.UNCERTAIN: "uncertain in the text",
    Status.ABSENT: "denied in the text",
    None: "not in the text",
}
_PROBABILITY_WORDS = ((0.9, "very likely"), (LIKELY_FROM, "likely"), (UNLIKELY_BELOW, "possible"), (0.1, "unlikely"))


def probability_words(probability: float, calibrated: bool = True) -> str:
    """Return a probability in words and percent, such as "likely (85%)".

    Args:
        probability: in [0, 1]. It is shown as at least 1% and at most 99%.
        calibrated: False for a volume that is out of distribution; the wording is then weaker.
    """
    number = f"{round(100 * min(max(probability, 0.01), 0.99))}%"
    if not calibrated:
        words = "possible" if probability >= 0.5 else "uncertain"
        return f"{words} ({number}, not calibrated for this volume)"
    words = next((words for threshold, words in _PROBABILITY_WORDS if probability >= threshold), "very unlikely")
    return f"{words} ({number})"


def technique_line(technique: Mapping[str, str]) -> str:
    """Return how the volume was acquired as one line.

    Args:
        technique: topic -> words.
    """
    return "; ".join(f"{topic}: {words}" for topic, words in technique.items()) + "."


def measurement_line(section: Section) -> str:
    """Return volume and mean HU of the region's outline, which may contain only a part of it, as a short phrase."""
    outline = "estimated outline" if section.approximate else "outline"
    return f"{outline} of {section.volume_ml:.0f} mL, mean {section.mean_hu:.0f} HU"


def lobe_name(side: str | None, level: str | None) -> str | None:
    """Return a lobe of the lungs, such as "right upper lobe". None if side and level do not determine one."""
    if side not in ("left", "right") or level is None or (side, level) == ("left", "middle"):
        return None
    return f"{side} {level} lobe"


def location_words(region: str, side: str | None, level: str | None) -> str | None:
    """Return where a finding is in its region, such as "left lower lobe" or "right, upper part"; None if unknown."""
    if region == "lung" and (lobe := lobe_name(side, level)):
        return lobe
    sides = {"left": "left", "right": "right", "both": "both sides"}
    if region == "lung":
        sides = {"left": "left lung", "right": "right lung", "both": "both lungs"}
    words = [sides[side]] if side else []
    return ", ".join([*words, f"{level} part"] if level else words) or None


def outline_words(finding: Finding) -> str | None:
    """Return a remark on an outline that disagrees with the finding's size; None if there is nothing to remark.

    The outline is where the finding map is high. It shows where to look, and is often wider than the finding.
    """
    if finding.size_mm is None or finding.location is None or not (finding.location.focal or finding.segment):
        return None
    longest = max(finding.location.extent_mm)
    if finding.size_mm / OUTLINE_TOLERANCE <= longest <= finding.size_mm * OUTLINE_TOLERANCE:
        return None
    extent = " x ".join(f"{length:.0f}" for length in finding.location.extent_mm)
    return f"the marked area of {extent} mm is where to look, not the size"


def finding_line(region: str, finding: Finding) -> str:
    """Return a finding as one line, such as "Lung nodule, right upper lobe, 14 mm: likely (87%)"."""
    details = [finding.label, location_words(region, finding.side, finding.level)]
    details.append(f"{finding.size_mm:.0f} mm" if finding.size_mm else None)
    if finding.probability is None:
        assessment = _STATUS_WORDS[finding.text_status]
    else:
        assessment = probability_words(finding.probability, finding.calibrated)
    if finding.correction is not None:
        assessment += f"; {_correction_words(finding)}"
    if remark := outline_words(finding):
        assessment += f"; {remark}"
    return f"{', '.join(detail for detail in details if detail)}: {assessment}"


def finding_lines(section: Section) -> list[str]:
    """Return the findings listed below a section's draft, one line each.

    If the model's text is hidden, a line contains only what the reviewer said: side, size and probability are the
    model's.
    """
    if section.model_text_hidden:
        return [f"{finding.label}: {_correction_words(finding)}" for finding in section.listed_findings]
    return [finding_line(section.region, finding) for finding in section.listed_findings]


def _correction_words(finding: Finding) -> str:
    return f"marked as {'present' if finding.correction else 'absent'} by the reviewer"

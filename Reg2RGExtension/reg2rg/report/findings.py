"""The findings of a section: what its text says and what the finding head saw, joined by label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reg2rg.findings import Finding, Status, spot
from reg2rg.locating import LocatedFinding
from reg2rg.report.schema import SEEN_FROM, Location, SectionFinding
from reg2rg.report.wording import UNLIKELY_BELOW, lobe_words

LISTED_FROM = UNLIKELY_BELOW
"""Probability from which a finding of the head is listed though the text does not speak of it."""

_NOWHERE = (None, None, None)
_SUREST = (Status.PRESENT, Status.UNCERTAIN, Status.ABSENT)


def section_findings(
    region: str, told: Sequence[Finding], seen: Iterable[LocatedFinding], *, calibrated: bool
) -> tuple[SectionFinding, ...]:
    """One for each label that the text of a region speaks of or that the head does not hold for unlikely.

    Args:
        told: read out of the text.
        seen: what the head says of the region; it leads the order, and says where a finding is if it sees it.
        calibrated: whether its probabilities are to be taken for such in this volume.
    """
    of_head = {finding.label: finding for finding in seen}
    spoken = {finding.label: None for finding in told}
    labels = [label for label, finding in of_head.items() if label in spoken or finding.probability >= LISTED_FROM]
    labels += [label for label in spoken if label not in of_head]
    return tuple(
        _joined(region, label, [f for f in told if f.label == label], of_head.get(label), calibrated)
        for label in labels
    )


def _joined(
    region: str, label: str, told: Sequence[Finding], seen: LocatedFinding | None, calibrated: bool
) -> SectionFinding:
    text = min(told, key=lambda finding: _SUREST.index(finding.status), default=None)
    places = [(*spot(text), text.size_mm)] if text and text.status is not Status.ABSENT else []
    if seen is not None and seen.probability >= (SEEN_FROM if text else LISTED_FROM):
        places.insert(0, (seen.side, seen.level, seen.size_mm))
    given = zip(*places, _NOWHERE, strict=True)
    side, level, size_mm = (next((value for value in values if value is not None), None) for values in given)
    at = seen.spot if seen else None
    lobe = lobe_words(side, level) if region == "lung" else None
    return SectionFinding(
        label=label,
        text=text.status if text else None,
        probability=round(seen.probability, 4) if seen else None,
        calibrated=calibrated,
        side=side,
        level=level,
        size_mm=round(size_mm, 1) if size_mm is not None else None,
        location=Location(at.point_ras, at.extent_mm, lobe, at.focal) if at else None,
        segment=segment_id(region, label) if at and at.mask is not None else None,
    )


def segment_id(region: str, label: str) -> str:
    """ID of a finding's segment in findings.seg.nrrd."""
    return f"{region}.{label}"

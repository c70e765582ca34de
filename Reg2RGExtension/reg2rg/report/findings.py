"""The findings of a section: what its text says and what the finding head saw, joined by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from reg2rg.labeler import Mention, Status, side_and_level
from reg2rg.report.located_finding import SEEN_FROM, LocatedFinding
from reg2rg.report.schema import Familiarity, Location, SectionFinding
from reg2rg.report.wording import UNLIKELY_BELOW, lobe_words

LISTED_FROM = UNLIKELY_BELOW
"""Probability from which a finding of the head is listed though the text does not speak of it."""

_NOWHERE = (None, None, None)
_SUREST = (Status.PRESENT, Status.UNCERTAIN, Status.ABSENT)


@dataclass(frozen=True)
class Seen:
    """What is known of a volume besides the texts.

    Attributes:
        findings: region -> what the finding head says of it, the most probable first; empty without a head.
        familiarity: whether the volume is like the training data; None if that is not known.
        said: region -> label -> whether it is there, by the word of the user.
    """

    findings: Mapping[str, Sequence[LocatedFinding]] = field(default_factory=dict)
    familiarity: Familiarity | None = None
    said: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)


def section_findings(region: str, told: Sequence[Mention], seen: Seen) -> tuple[SectionFinding, ...]:
    """One for each label that the region's text or the user speaks of or that the head does not hold for unlikely.

    ``told`` was read out of the text. The order is the head's, then the text's.
    """
    of_head = {finding.label: finding for finding in seen.findings.get(region, ())}
    said = seen.said.get(region, {})
    spoken = dict.fromkeys([*(finding.label for finding in told), *said])
    labels = [label for label, finding in of_head.items() if label in spoken or finding.probability >= LISTED_FROM]
    labels += [label for label in spoken if label not in of_head]
    joined = (_joined(region, label, [f for f in told if f.label == label], of_head.get(label)) for label in labels)
    calibrated = seen.familiarity is None or seen.familiarity.familiar
    return tuple(replace(finding, calibrated=calibrated, said=said.get(finding.label)) for finding in joined)


def _joined(region: str, label: str, told: Sequence[Mention], seen: LocatedFinding | None) -> SectionFinding:
    text = min(told, key=lambda finding: _SUREST.index(finding.status), default=None)
    places = [(*side_and_level(text), text.size_mm)] if text and text.status is not Status.ABSENT else []
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
        calibrated=True,
        side=side,
        level=level,
        size_mm=round(size_mm, 1) if size_mm is not None else None,
        location=Location(at.point_ras, at.extent_mm, lobe, at.focal) if at else None,
        segment=segment_id(region, label) if at and at.mask is not None else None,
    )


def segment_id(region: str, label: str) -> str:
    """ID of a finding's segment in findings.seg.nrrd."""
    return f"{region}.{label}"

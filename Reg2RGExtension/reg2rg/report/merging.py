"""The findings of a section: mentions in its text, detected findings and corrections, merged by label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from reg2rg.labeler import Mention, Status, possible_labels, side_and_level
from reg2rg.report.finding import DETECTION_THRESHOLD, Finding
from reg2rg.report.wording import UNLIKELY_BELOW, lobe_name

STORED_FROM = UNLIKELY_BELOW
"""Lowest probability at which a report stores a finding that the text does not mention."""

_MOST_DEFINITE_FIRST = (Status.PRESENT, Status.UNCERTAIN, Status.ABSENT)


def merge_findings(
    region: str,
    mentions: Sequence[Mention],
    detected: Sequence[Finding],
    corrections: Mapping[str, bool],
    *,
    calibrated: bool,
) -> tuple[Finding, ...]:
    """Return one finding per label that is mentioned, corrected or not rated unlikely by the finding head.

    Findings that the region cannot have are left out.

    Args:
        region: name of the region.
        mentions: what the region's text says.
        detected: what the finding head says about the region, most probable first.
        corrections: label -> whether a reviewer marked it as present.
        calibrated: whether the head's probabilities are reliable for this volume.

    Returns:
        The head's findings in their original order, then the others in text order.
    """
    detected_by_label = {finding.label: finding for finding in detected}
    possible = possible_labels(region)
    named = dict.fromkeys([*(mention.label for mention in mentions), *corrections])
    labels = [finding.label for finding in detected if finding.label in named or _probability(finding) >= STORED_FROM]
    labels += [label for label in named if label not in detected_by_label]
    findings = []
    for label in (label for label in labels if label in possible):
        of_label = [mention for mention in mentions if mention.label == label]
        merged = _merge(region, label, of_label, detected_by_label.get(label))
        findings.append(replace(merged, calibrated=calibrated, correction=corrections.get(label)))
    return tuple(findings)


def _merge(region: str, label: str, mentions: Sequence[Mention], detected: Finding | None) -> Finding:
    """Merge the mentions of a label with what the finding head says about it."""
    mention = min(mentions, key=lambda each: _MOST_DEFINITE_FIRST.index(each.status), default=None)
    side = level = size_mm = None
    # The head's details come first; the text fills in what the head does not say.
    if detected is not None and _probability(detected) >= (DETECTION_THRESHOLD if mention else STORED_FROM):
        side, level, size_mm = detected.side, detected.level, detected.size_mm
    if mention is not None and mention.status is not Status.ABSENT:
        mentioned_side, mentioned_level = side_and_level(mention)
        side, level = side or mentioned_side, level or mentioned_level
        size_mm = mention.size_mm if size_mm is None else size_mm
    location = detected.location if detected is not None else None
    if location is not None:
        location = replace(location, lobe=lobe_name(side, level) if region == "lung" else None)
    return Finding(
        label=label,
        probability=round(_probability(detected), 4) if detected is not None else None,
        side=side,
        level=level,
        size_mm=None if size_mm is None else round(size_mm, 1),
        location=location,
        segment=detected.segment if detected is not None else None,
        text_status=mention.status if mention is not None else None,
    )


def _probability(finding: Finding) -> float:
    return finding.probability or 0.0

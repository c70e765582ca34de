"""What a signed report says about findings and texts, so that models can learn from it.

A review speaks about a finding if the reviewer marked it, if the reviewed text mentions it, or if the draft states it
and the reviewed text no longer does. It does not speak about anything else: that a text does not mention a finding does
not mean that the finding is absent.
"""

from __future__ import annotations

from reg2rg.labeler import Status, extract_mentions, possible_labels
from reg2rg.report.report import Report
from reg2rg.report.review import ReviewState
from reg2rg.report.section import Section

_KNOWN = {Status.PRESENT: True, Status.ABSENT: False, Status.UNCERTAIN: None}
_MOST_DEFINITE_FIRST = (Status.PRESENT, Status.UNCERTAIN, Status.ABSENT)


def reviewed_findings(report: Report) -> dict[str, dict[str, bool | None]]:
    """Return what the review of a report says about findings.

    Args:
        report: a report with a review.

    Returns:
        Region -> label -> whether the finding is present; None if the reviewer left that open. Findings that the review
        does not speak about are missing.
    """
    return {section.region: _section_findings(report, section) for section in report.sections}


def reviewed_text(report: Report, region: str) -> str:
    """Return the reviewed text of a region from which a model may learn to write; empty if there is none.

    There is none if the section was rejected, contradicts a mark of the reviewer, or grew from a draft that left out
    what the model wrote.
    """
    assert report.review is not None
    section, review = report.section(region), report.review.sections[region]
    text = " ".join(review.text.split())
    if review.state not in (ReviewState.ACCEPTED, ReviewState.EDITED) or section.has_folded_text:
        return ""
    stated = _statuses(region, text)
    for label, present in _marks(section).items():
        if stated.get(label) is (Status.ABSENT if present else Status.PRESENT):
            return ""
    return text


def _section_findings(report: Report, section: Section) -> dict[str, bool | None]:
    assert report.review is not None
    review = report.review.sections[section.region]
    known: dict[str, bool | None] = {}
    if review.state in (ReviewState.ACCEPTED, ReviewState.EDITED):
        drafted, final = _statuses(section.region, section.draft), _statuses(section.region, review.text)
        removed = [label for label, status in drafted.items() if status is not Status.ABSENT and label not in final]
        known = {**dict.fromkeys(removed, False), **{label: _KNOWN[status] for label, status in final.items()}}
    known |= _marks(section)
    return {label: present for label, present in known.items() if label in possible_labels(section.region)}


def _marks(section: Section) -> dict[str, bool]:
    """Return the findings that the reviewer marked as present or absent."""
    return {finding.label: finding.correction for finding in section.findings if finding.correction is not None}


def _statuses(region: str, text: str) -> dict[str, Status]:
    """Return the most definite statement of a text about each finding that it mentions."""
    statuses: dict[str, Status] = {}
    for mention in extract_mentions(text, region):
        known = statuses.get(mention.label, mention.status)
        statuses[mention.label] = min(known, mention.status, key=_MOST_DEFINITE_FIRST.index)
    return statuses

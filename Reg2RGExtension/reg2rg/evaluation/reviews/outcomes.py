"""What happened to the sections and findings of a draft when it was reviewed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from reg2rg.report import Finding, Report, ReviewState, Section
from reg2rg.report.linking import link_sentences


class Outcome(str, Enum):
    """What a reviewer did with a section or a finding of a draft."""

    KEPT = "kept"
    EDITED = "edited"
    REJECTED = "rejected"
    ADDED = "added"


@dataclass(frozen=True)
class SectionOutcome:
    """What happened to one reviewed section.

    Attributes:
        region: its region.
        outcome: kept, edited or rejected. Sections are never added.
        regenerated: how often it was regenerated.
        findings: pairs of label and outcome, for the findings that the first draft or the final text states.
    """

    region: str
    outcome: Outcome
    regenerated: int
    findings: tuple[tuple[str, Outcome], ...]


def section_outcomes(report: Report) -> tuple[SectionOutcome, ...]:
    """Return what happened to the sections of a report that were reviewed, in reading order."""
    review = report.review
    if review is None:
        return ()
    outcomes = []
    for section in report.sections:
        decided = review.sections[section.region]
        if not decided.reviewed:
            continue
        earlier = [old.section for old in review.replaced if old.section.get("region") == section.region]
        draft = str(earlier[0].get("draft", earlier[0].get("text", ""))) if earlier else section.draft
        rejected = decided.state is ReviewState.REJECTED
        outcome = Outcome.KEPT if decided.text == draft else Outcome.EDITED
        findings = _finding_outcomes(section, draft, "" if rejected else decided.text)
        outcomes.append(
            SectionOutcome(section.region, Outcome.REJECTED if rejected else outcome, len(earlier), findings)
        )
    return tuple(outcomes)


def _finding_outcomes(section: Section, draft: str, final: str) -> tuple[tuple[str, Outcome], ...]:
    """Compare the findings that two texts state. One whose side, level or size changed counts as edited."""
    before, after = _stated(section.region, draft), _stated(section.region, final)
    outcomes = []
    for label in dict.fromkeys([*before, *after]):
        if label not in after:
            outcomes.append((label, Outcome.REJECTED))
        elif label not in before:
            outcomes.append((label, Outcome.ADDED))
        else:
            outcomes.append((label, Outcome.KEPT if before[label] == after[label] else Outcome.EDITED))
    return tuple(outcomes)


def _stated(region: str, text: str) -> dict[str, Finding]:
    findings, _ = link_sentences(region, text, (), {}, calibrated=True)
    return {finding.label: finding for finding in findings if finding.stated}

"""The content of a review, and its changes. It is immutable, so that undo can return to an earlier version."""

from __future__ import annotations

import datetime
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from Reg2RGModuleLib import measurementReview
from Reg2RGModuleLib.measurementReview import MeasurementDecision, Statistics

if TYPE_CHECKING:
    from reg2rg.measurements import Evidence
    from reg2rg.report import Report, Section


class State(str, Enum):
    """State of a section's review. Every section starts as a draft."""

    DRAFT = "draft"
    EDITED = "edited"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class SectionReview:
    """The review of a section: its state and its current text."""

    state: State
    text: str

    @property
    def isReviewed(self) -> bool:
        """Whether the section has been accepted or rejected."""
        return self.state in (State.ACCEPTED, State.REJECTED)


@dataclass(frozen=True)
class Document:
    """The content of a review.

    Attributes:
        report: the report as the engine wrote it, with regenerated sections in place of the old ones.
        sections: region -> review of its section.
        measurements: key of a measurement -> what was decided about it.
        impression: the impression.
        impressionEdited: whether the user has edited the impression. Until then, it is derived from the sections.
        replaced: the sections that were replaced when they were regenerated, with their state and text, as JSON.
        log: the changes, each with its time, action and region.
    """

    report: Report
    sections: Mapping[str, SectionReview]
    impression: str
    impressionEdited: bool = False
    replaced: tuple[Mapping[str, Any], ...] = ()
    log: tuple[Mapping[str, str], ...] = ()
    measurements: Mapping[str, MeasurementDecision] = field(default_factory=dict)

    @property
    def allReviewed(self) -> bool:
        """Whether every section has been accepted or rejected."""
        return bool(self.sections) and all(section.isReviewed for section in self.sections.values())


def newDocument(report: Report) -> Document:
    """Return the content of a new review of a report. Every section is a draft."""
    sections = {section.region: SectionReview(State.DRAFT, section.draft) for section in report.sections}
    document = Document(report, sections, impression="")
    return replace(document, impression=draftImpression(document))


def reviewedReport(document: Document) -> Report:
    """Return the report after what was decided about measurements."""
    return measurementReview.afterDecisions(document.report, document.measurements)


def withEvidence(document: Document, evidence: Evidence, regions: Collection[str]) -> Document:
    """Return the document after the volume was measured again because regions were corrected."""
    report = measurementReview.measuredAgain(document.report, evidence, regions)
    return followed(reviewedReport(document), replace(document, report=report))


def withStatistics(document: Document, statistics: Statistics) -> Document:
    """Return the document with other volumes and mean densities of regions."""
    sections = (replace(section, **statistics.get(section.region, {})) for section in document.report.sections)
    return replace(document, report=replace(document.report, sections=tuple(sections)))


def followed(before: Report, document: Document) -> Document:
    """Return a document in which the texts that nobody has edited follow measurements that have changed.

    A section that was accepted with other measurements must be accepted again.

    Args:
        before: the report before the change.
        document: the document with the change.
    """
    sections = dict(document.sections)
    for section in reviewedReport(document).sections:
        earlier, review = before.section(section.region), sections[section.region]
        isDraft = review.text == earlier.draft
        if section.measured == earlier.measured or (section.model_text_hidden and not isDraft):
            continue
        state = review.state
        if state == State.ACCEPTED:
            state = State.DRAFT if isDraft else State.EDITED
        sections[section.region] = SectionReview(state, section.draft if isDraft else review.text)
    return replace(document, sections=sections)


def withSection(document: Document, region: str, section: SectionReview) -> Document:
    """Return the document with another review of a section."""
    return replace(document, sections={**document.sections, region: section})


def withRegenerated(document: Document, section: Section) -> Document:
    """Return the document with a regenerated section. The old section is appended to ``replaced``."""
    report, region = document.report, section.region
    stored = next(old for old in json.loads(report.to_json())["sections"] if old["region"] == region)
    review = document.sections[region]
    replaced = {"section": stored, "state": review.state.value, "text": review.text}
    sections = tuple(section if old.region == region else old for old in report.sections)
    document = replace(document, report=replace(report, sections=sections), replaced=(*document.replaced, replaced))
    return withSection(document, region, SectionReview(State.DRAFT, reviewedReport(document).section(region).draft))


def logged(document: Document, action: str, region: str) -> Document:
    """Return the document with another change in its log."""
    time = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    return replace(document, log=(*document.log, {"time": time, "action": action, "region": region}))


def draftImpression(document: Document) -> str:
    """Return the sentences that report findings in sections that have not been rejected."""
    from reg2rg.report import draft_impression

    report = reviewedReport(document)
    kept = [
        (section.region, document.sections[section.region].text)
        for section in report.sections
        if document.sections[section.region].state != State.REJECTED
    ]
    measured = [sentence for section in report.sections for sentence in section.measured]
    return draft_impression(kept, measured)

"""Changes to the review of a report. Each returns another report; a signed report cannot be changed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from reg2rg.errors import InputError
from reg2rg.measurements import Evidence, remeasured
from reg2rg.report.after_review import Sections, after_decisions, with_evidence
from reg2rg.report.content import drafted_impression, reported_changes
from reg2rg.report.report import Report
from reg2rg.report.review import (
    Change,
    MeasurementDecision,
    ReplacedSection,
    Review,
    ReviewState,
    SectionReview,
    now,
)
from reg2rg.report.section import Section
from reg2rg.runtime.dataclass_io import to_plain

Statistics = Mapping[str, Mapping[str, Any]]
"""Region -> its ``volume_ml`` and ``mean_hu``, as in its section."""


def begin_review(report: Report) -> Report:
    """Return a report with a new review, in which every section is a draft. A report under review is returned as is."""
    if report.review is not None:
        return report
    reviews = {section.region: SectionReview(ReviewState.DRAFT, section.draft) for section in report.sections}
    impression = drafted_impression(report.sections, reviews, reported_changes(report))
    return replace(report, review=Review(reviews, impression))


def decided_report(report: Report) -> Report:
    """Return the report after what was decided about measurements. The texts remain as the engine wrote them."""
    if report.review is None:
        return report
    sections, evidence = after_decisions(report.sections, report.evidence, report.review.measurements)
    return replace(report, sections=sections, evidence=evidence)


def with_section_review(report: Report, region: str, review: SectionReview) -> Report:
    """Return a report with another review of one section."""
    return _with_review(report, sections={**_review(report).sections, region: review})


def with_section(report: Report, section: Section) -> Report:
    """Return a report with a regenerated section, which is a draft. The old section is kept in ``Review.replaced``."""
    review, old = _review(report), report.section(section.region)
    old_review = review.sections[section.region]
    replaced = ReplacedSection(to_plain(old), old_review.state, old_review.text)
    sections = tuple(section if each is old else each for each in report.sections)
    report = _with_review(replace(report, sections=sections), replaced=(*review.replaced, replaced))
    draft = decided_report(report).section(section.region).draft
    return with_section_review(report, section.region, SectionReview(ReviewState.DRAFT, draft))


def with_decision(report: Report, key: str, decision: MeasurementDecision) -> Report:
    """Return a report with another decision about a measurement, or without a change since the prior CT.

    Args:
        report: the report.
        key: key of the measurement (``Measurement.key``) or change (``IntervalChange.key``).
        decision: what was decided about it.
    """
    decisions = {**_review(report).measurements, key: decision}
    return _followed(decided_report(report).sections, _with_review(report, measurements=decisions))


def with_new_evidence(report: Report, evidence: Evidence, regions: Collection[str]) -> Report:
    """Return a report after its volume was measured again because regions were corrected.

    Args:
        report: the report.
        evidence: what was measured now.
        regions: the regions that were corrected.
    """
    _review(report)
    before, old = decided_report(report).sections, report.evidence
    if old is not None:
        evidence = remeasured(old, evidence, regions)
    sections = with_evidence(report.sections, old, evidence)
    return _followed(before, replace(report, sections=sections, evidence=evidence))


def with_statistics(report: Report, statistics: Statistics) -> Report:
    """Return a report with other volumes and mean densities of regions."""
    _review(report)
    sections = (replace(section, **statistics.get(section.region, {})) for section in report.sections)
    return replace(report, sections=tuple(sections))


def with_impression(report: Report, text: str) -> Report:
    """Return a report with an impression that the reviewer wrote."""
    log = _review(report).log
    if log and log[-1].action == "impression":  # the text is stored while the reviewer types
        log = log[:-1]
    changed = _with_review(report, impression=text, impression_edited=True, log=log)
    return logged(changed, "impression", "", text)


def with_drafted_impression(report: Report) -> Report:
    """Return a report whose impression follows from its sections, unless the reviewer has edited it."""
    review = _review(report)
    if review.impression_edited:
        return report
    sections = decided_report(report).sections
    return _with_review(report, impression=drafted_impression(sections, review.sections, reported_changes(report)))


def logged(report: Report, action: str, region: str, text: str = "") -> Report:
    """Return a report with another change in the log of its review.

    Args:
        report: the report.
        action: what was done.
        region: region of the section; empty for the report as a whole.
        text: the new text, if a text was edited.
    """
    return _with_review(report, log=(*_review(report).log, Change(now(), action, region, text)))


def _review(report: Report) -> Review:
    """Return the review of a report that can be changed."""
    if report.review is None:
        raise InputError("The report is not under review; call begin_review first.")
    if report.review.signature is not None:
        words = f"by {report.review.signature.reviewer!r} on {report.review.signature.time_words}"
        raise InputError(f"The report was signed {words} and cannot be changed; write an addendum instead.")
    return report.review


def _with_review(report: Report, **changes: Any) -> Report:
    return replace(report, review=replace(_review(report), **changes))


def _followed(before: Sections, report: Report) -> Report:
    """Return a report in which the texts that nobody has edited follow measurements that have changed.

    A section that was accepted or edited with other measurements must be reviewed again.

    Args:
        before: the sections before the change, after the decisions about measurements.
        report: the report with the change.
    """
    earlier = {section.region: section for section in before}
    reviews = dict(_review(report).sections)
    for section in decided_report(report).sections:
        old, review = earlier[section.region], reviews[section.region]
        is_draft = review.text == old.draft
        if section.measured == old.measured or (section.measured_only and not is_draft):
            continue
        rejected = review.state is ReviewState.REJECTED
        state = ReviewState.REJECTED if rejected else ReviewState.DRAFT
        reviews[section.region] = SectionReview(state, section.draft if is_draft else review.text)
    return _with_review(report, sections=reviews)

"""A stored report for tests of its review, and the steps of a reviewer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from reg2rg.report import OutOfDistribution, Report, ReviewState, SectionReview, parse_report, sign
from reg2rg.report.review_changes import begin_review, with_section_review

STORED = Path(__file__).resolve().parent.parent / "Data" / "reports"

REVIEWER = "Dr. Ана Müller"


def stored_report(*, out_of_distribution: bool = False) -> Report:
    """Return a report of lung and heart with findings and measurements, as a run of the engine wrote it.

    Args:
        out_of_distribution: whether its volume is unlike the training data, so that the model's text is hidden.
    """
    report = parse_report((STORED / "schema_7.json").read_text(encoding="utf-8"))
    if not out_of_distribution:
        return report
    sections = tuple(dataclasses.replace(section, model_text_hidden=True) for section in report.sections)
    return dataclasses.replace(report, sections=sections, out_of_distribution=OutOfDistribution(3.0, 1.2))


def reviewed_report(report: Report, **texts: str | None) -> Report:
    """Return a report after a review: edited where a text is given, rejected where it is None, else accepted.

    Args:
        report: the report.
        texts: region -> the reviewer's text, or None to reject the section.
    """
    report = begin_review(report)
    for section in report.sections:
        text = texts.get(section.region, section.draft)
        state = ReviewState.ACCEPTED if section.region not in texts else ReviewState.EDITED
        if text is None:
            state, text = ReviewState.REJECTED, section.draft
        report = with_section_review(report, section.region, SectionReview(state, text))
    return report


def signed_report(report: Report, **texts: str | None) -> Report:
    """Return a report that was reviewed and signed; the arguments are those of ``reviewed_report``."""
    return sign(reviewed_report(report, **texts), REVIEWER)

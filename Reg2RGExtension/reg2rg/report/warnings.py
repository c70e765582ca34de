"""What a reader must know before trusting a report or a section. Every front end shows the same sentences."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from reg2rg.about import DRAFT_LABEL, REVIEWED_LABEL, SIGNED_LABEL
from reg2rg.labeler import Status
from reg2rg.regions import REGION_NAMES, get_region
from reg2rg.report.prior import IntervalChange, PriorComparison
from reg2rg.report.provenance import OutOfDistribution
from reg2rg.report.review import Review
from reg2rg.report.section import Section

OUT_OF_DISTRIBUTION_WARNING = (
    "This volume is unlike the model's training data. The draft contains measurements only; the model's text is not "
    "shown."
)
UNRELIABLE_TEXT_WARNING = "This volume is unlike the model's training data. Its findings may be unreliable."
"""The warning of older reports, whose draft contains the model's text in any case."""

MODEL_TEXT_HIDDEN = "Model text, not shown: this volume is unlike the model's training data"
"""Heading under which the model's text and findings can be opened if they are not a part of the draft."""

MODEL_TEXT_WITHHELD = "Model text, not in the draft: its precision has not been demonstrated"
"""The same heading if only some of the text and findings are not a part of the draft."""


def report_label(review: Review | None) -> str:
    """Return the label that appears wherever a report is shown."""
    if review is not None and review.signature is not None:
        return SIGNED_LABEL
    return REVIEWED_LABEL if review is not None and review.all_reviewed else DRAFT_LABEL


def supported_warning(supported: Collection[str]) -> str:
    """Return the warning about a draft that leaves out unsupported findings.

    Args:
        supported: labels of the findings that it may state.
    """
    names = ", ".join(label.lower() for label in supported) or "no finding"
    return (
        f"In volumes like this one, the model's precision has been demonstrated only for: {names}. All other "
        "statements of the draft are measurements."
    )


def report_warnings(
    sections: Sequence[Section],
    out_of_distribution: OutOfDistribution | None,
    supported: Collection[str] | None = None,
    prior: PriorComparison | None = None,
) -> tuple[str, ...]:
    """Return the warnings that apply to the whole report, one sentence each.

    Args:
        sections: the sections of the report.
        out_of_distribution: how far the volume is from the training data; None if unknown.
        supported: labels of the findings that the draft may state; None for all.
        prior: the comparison with a prior CT; None if there is none.
    """
    about_prior = prior.warnings if prior is not None else ()
    if any(section.model_text_hidden for section in sections):
        return (OUT_OF_DISTRIBUTION_WARNING, *about_prior)
    if supported is not None:
        return (supported_warning(supported), *about_prior)
    detected = out_of_distribution is not None and out_of_distribution.detected
    return (UNRELIABLE_TEXT_WARNING, *about_prior) if detected else about_prior


def section_warnings(section: Section) -> tuple[str, ...]:
    """Return the warnings that apply to the draft of one section, one sentence each."""
    if section.model_text_hidden:
        return ()
    if section.withheld and not section.text:
        return _disagreement_messages(section)
    return model_text_warnings(section)


def change_warnings(section: Section, changes: Iterable[IntervalChange]) -> tuple[str, ...]:
    """Return the contradictions between a section's text and what changed since the prior CT, one sentence each.

    A finding of the prior CT that the model missed in this one is measured all the same.

    Args:
        section: the section.
        changes: what changed since the prior CT.
    """
    denied = {finding.label for finding in section.findings if finding.text_status is Status.ABSENT}
    return tuple(
        f"The text denies {change.finding.lower()}; the comparison with the prior CT measures one."
        for change in changes
        if change.region == section.region and change.finding in denied and change.value is not None
    )


def folded_text_warnings(section: Section) -> tuple[str, ...]:
    """Return the warnings that apply to what the model wrote outside the draft of one section, one sentence each."""
    if section.model_text_hidden:
        return model_text_warnings(section)
    return () if section.text else _text_warnings(section)


def model_text_warnings(section: Section) -> tuple[str, ...]:
    """Return the warnings that apply to the model's text in one section, one sentence each."""
    return tuple(dict.fromkeys([*_text_warnings(section), *_disagreement_messages(section)]))


def _disagreement_messages(section: Section) -> tuple[str, ...]:
    return tuple(dict.fromkeys(disagreement.message for disagreement in section.disagreements))


def _text_warnings(section: Section) -> tuple[str, ...]:
    warnings = []
    if section.recognized is None:
        warnings.append("The model named no region for this section.")
    elif not section.grounded:
        known = section.recognized in REGION_NAMES
        name = get_region(section.recognized).display_name if known else section.recognized
        warnings.append(f"The model identified this region as: {name}.")
    if not section.complete:
        warnings.append("The text was cut off at the token limit.")
    return tuple(warnings)

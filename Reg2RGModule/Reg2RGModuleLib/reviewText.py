"""The report under review as plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from Reg2RGModuleLib.reviewDocument import Document, State, reviewedReport

if TYPE_CHECKING:
    from reg2rg.report import Section


def asText(document: Document, withModelText: bool = False) -> str:
    """Return the whole report as plain text for the clipboard, including its label and all warnings.

    Args:
        document: the content of the review.
        withModelText: whether to append the model's text, marked as such, to sections that hide it.
    """
    from reg2rg.regions import get_region
    from reg2rg.report import section_warnings, technique_line

    report = reviewedReport(document)
    label = reviewedLabel() if document.allReviewed else report.disclaimer
    paragraphs = [label, *(f"[{warning}]" for warning in report.warnings)]
    if report.technique:
        paragraphs.append(_("Technique: {0}").format(technique_line(report.technique)))
    for section in report.sections:
        region, review = section.region, document.sections[section.region]
        if review.state == State.REJECTED:
            continue
        name = get_region(region).display_name
        heading = name if review.isReviewed else _("{0} [not reviewed]").format(name)
        lines = [f"{heading}: {review.text}"]
        if not section.model_text_hidden:
            lines += section.measured
        elif withModelText:
            lines += hiddenModelText(section)
        lines += [f"[{warning}]" for warning in section_warnings(section)]
        paragraphs.append("\n".join(lines))
    for region, reason in report.skipped_regions.items():
        name = get_region(region).display_name
        paragraphs.append(_("{0}: not described ({1})").format(name, reason))
    paragraphs += [_("Impression:") + "\n" + (document.impression or _("(none)")), label]
    return "\n\n".join(paragraphs) + "\n"


def hiddenModelText(section: Section) -> list[str]:
    """Return the model's text, findings and warnings of a section that hides them, below a heading that says so."""
    from reg2rg.report import MODEL_TEXT_HIDDEN, finding_line, model_text_warnings

    findings = [finding for finding in section.findings if finding.listed]
    return [
        f"[{MODEL_TEXT_HIDDEN}:]",
        section.text or _("no text"),
        *(f"- {finding_line(section.region, finding)}" for finding in findings),
        *(f"[{warning}]" for warning in model_text_warnings(section)),
    ]


def reviewedLabel() -> str:
    """Return the label that replaces the draft label once all sections are reviewed."""
    return _("All sections have been reviewed by a user. Research software, not for clinical use.")

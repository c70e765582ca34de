"""The report as plain text."""

from __future__ import annotations

import textwrap

from reg2rg.labeler import Status
from reg2rg.regions import get_region
from reg2rg.report import UNFAMILIAR, Report, Section, SectionFinding, finding_words

WIDTH = 100


def to_text(report: Report) -> str:
    """Sections in reading order under the draft label, with their findings and with what must be known before trust."""
    parts = [report.label, "CHEST CT REPORT"]
    parts += [f"[{warning}]" for warning in warnings_of_report(report)]
    parts += [_section(section) for section in report.sections]
    if report.without_section:
        lines = [f"- {get_region(name).display_name}: {reason}" for name, reason in report.without_section.items()]
        parts.append("\n".join(["NOT DESCRIBED", *lines]))
    provenance = report.provenance
    parts.append(
        f"Model {provenance.model} ({provenance.model_sha256[:12]}), regions by {provenance.segmenter}, "
        f"made {provenance.created}."
    )
    parts.append(report.label)
    return "\n\n".join(parts) + "\n"


def warnings_of_report(report: Report) -> list[str]:
    """What a reader must know before trusting any of the report, one sentence each."""
    unfamiliar = report.familiarity is not None and not report.familiarity.familiar
    return [f"{UNFAMILIAR} Its findings are less sure than they look."] if unfamiliar else []


def warnings_of(section: Section) -> list[str]:
    """What a reader must know before trusting a section, one sentence each."""
    warnings = []
    if section.recognised is None:
        warnings.append("The model wrote nothing about this region.")
    elif not section.grounded:
        warnings.append(f"The model took this region for: {section.recognised}.")
    if not section.complete:
        warnings.append("The text was cut off at the token limit.")
    return [*warnings, *section.disagreements]


def shown_findings(section: Section) -> list[SectionFinding]:
    """What is worth a line of its own: what the head or the user adds to the text, but for what all of them deny."""
    return [
        finding
        for finding in section.findings
        if finding.said is not None
        or finding.seen
        or (finding.probability is not None and finding.text is not Status.ABSENT)
    ]


def measured(section: Section) -> str:
    """What was measured in the section's region, and how well it is known, in a few words."""
    words = f"{section.volume_ml:.0f} ml, mean {section.mean_hu:.0f} HU"
    return words + ", outline approximate" if section.approximate else words


def _section(section: Section) -> str:
    lines = [f"{get_region(section.region).display_name.upper()} ({measured(section)})"]
    lines += textwrap.wrap(section.text, WIDTH)
    lines += [f"  - {finding_words(section.region, finding)}" for finding in shown_findings(section)]
    lines += [f"[{warning}]" for warning in warnings_of(section)]
    return "\n".join(lines)

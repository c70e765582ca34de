"""The report as plain text."""

from __future__ import annotations

import textwrap

from reg2rg.regions import get_region
from reg2rg.report import Report, Section

WIDTH = 100


def to_text(report: Report) -> str:
    """Sections in reading order under the draft label, with a warning where the model named another region."""
    parts = [report.label, "CHEST CT REPORT"]
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


def warnings_of(section: Section) -> list[str]:
    """What a reader must know before trusting a section, one sentence each."""
    warnings = []
    if section.recognised is None:
        warnings.append("The model wrote nothing about this region.")
    elif not section.grounded:
        warnings.append(f"The model took this region for: {section.recognised}.")
    if not section.complete:
        warnings.append("The text was cut off at the token limit.")
    return warnings


def measured(section: Section) -> str:
    """What was measured in the section's region, and how well it is known, in a few words."""
    words = f"{section.volume_ml:.0f} ml, mean {section.mean_hu:.0f} HU"
    return words + ", outline approximate" if section.approximate else words


def _section(section: Section) -> str:
    lines = [f"{get_region(section.region).display_name.upper()} ({measured(section)})"]
    lines += textwrap.wrap(section.text, WIDTH)
    lines += [f"[{warning}]" for warning in warnings_of(section)]
    return "\n".join(lines)

"""A report as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from reg2rg.regions import get_region
from reg2rg.report.provenance import Provenance
from reg2rg.report.section import Section
from reg2rg.report.warnings import section_warnings
from reg2rg.report.wording import finding_lines

LINE_WIDTH = 100


def report_text(
    sections: Sequence[Section],
    skipped_regions: Mapping[str, str],
    technique: Mapping[str, str],
    provenance: Provenance,
    warnings: Sequence[str],
    disclaimer: str,
) -> str:
    """Return the report as text: the disclaimer, the warnings, the sections in order, and how the report was made."""
    parts = [disclaimer, "CHEST CT REPORT"]
    parts += [f"[{warning}]" for warning in warnings]
    if technique:
        parts.append("\n".join(["TECHNIQUE", *textwrap.wrap(technique_line(technique), LINE_WIDTH)]))
    parts += [_section_text(section) for section in sections]
    if skipped_regions:
        lines = [f"- {get_region(name).display_name}: {reason}" for name, reason in skipped_regions.items()]
        parts.append("\n".join(["NOT DESCRIBED", *lines]))
    parts.append(f"Model {provenance.model_words}; regions from {provenance.segmenter}, created {provenance.created}.")
    parts.append(disclaimer)
    return "\n\n".join(parts) + "\n"


def technique_line(technique: Mapping[str, str]) -> str:
    """Return how the volume was acquired as one line.

    Args:
        technique: topic -> words.
    """
    return "; ".join(f"{topic}: {words}" for topic, words in technique.items()) + "."


def measurement_line(section: Section) -> str:
    """Return the region's volume and mean HU as a short phrase."""
    line = f"{section.volume_ml:.0f} mL, mean {section.mean_hu:.0f} HU"
    return f"{line}, region estimated" if section.approximate else line


def _section_text(section: Section) -> str:
    lines = [f"{get_region(section.region).display_name.upper()} ({measurement_line(section)})"]
    if not section.model_text_hidden:
        lines += textwrap.wrap(section.text, LINE_WIDTH)
    lines += [f"  - {line}" for line in finding_lines(section)]
    for sentence in section.measured:
        lines += textwrap.wrap(sentence, LINE_WIDTH, initial_indent="  = ", subsequent_indent="    ")
    lines += [f"[{warning}]" for warning in section_warnings(section)]
    return "\n".join(lines)

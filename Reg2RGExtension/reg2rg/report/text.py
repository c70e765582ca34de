"""A report as plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from reg2rg.regions import get_region
from reg2rg.report.provenance import Provenance
from reg2rg.report.section import Section
from reg2rg.report.warnings import section_warnings
from reg2rg.report.wording import finding_line

LINE_WIDTH = 100


def report_text(
    sections: Sequence[Section],
    skipped_regions: Mapping[str, str],
    provenance: Provenance,
    warnings: Sequence[str],
    disclaimer: str,
) -> str:
    """Return the report as text: the disclaimer, the warnings, the sections in order, and how the report was made."""
    parts = [disclaimer, "CHEST CT REPORT"]
    parts += [f"[{warning}]" for warning in warnings]
    parts += [_section_text(section) for section in sections]
    if skipped_regions:
        lines = [f"- {get_region(name).display_name}: {reason}" for name, reason in skipped_regions.items()]
        parts.append("\n".join(["NOT DESCRIBED", *lines]))
    parts.append(f"Model {provenance.model_words}; regions from {provenance.segmenter}, created {provenance.created}.")
    parts.append(disclaimer)
    return "\n\n".join(parts) + "\n"


def measurement_line(section: Section) -> str:
    """Return the region's volume and mean HU as a short phrase."""
    line = f"{section.volume_ml:.0f} mL, mean {section.mean_hu:.0f} HU"
    return f"{line}, region estimated" if section.approximate else line


def _section_text(section: Section) -> str:
    lines = [f"{get_region(section.region).display_name.upper()} ({measurement_line(section)})"]
    lines += textwrap.wrap(section.text, LINE_WIDTH)
    lines += [f"  - {finding_line(section.region, finding)}" for finding in section.listed_findings]
    lines += [f"[{warning}]" for warning in section_warnings(section)]
    return "\n".join(lines)

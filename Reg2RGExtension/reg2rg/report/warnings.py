"""What a reader must know before trusting a report or a section. Every front end shows the same sentences."""

from __future__ import annotations

from reg2rg.regions import REGION_NAMES, get_region
from reg2rg.report.provenance import OutOfDistribution
from reg2rg.report.section import Section

OUT_OF_DISTRIBUTION_WARNING = "This volume is unlike the model's training data. Its findings may be unreliable."


def report_warnings(out_of_distribution: OutOfDistribution | None) -> tuple[str, ...]:
    """Return the warnings that apply to the whole report, one sentence each."""
    detected = out_of_distribution is not None and out_of_distribution.detected
    return (OUT_OF_DISTRIBUTION_WARNING,) if detected else ()


def section_warnings(section: Section) -> tuple[str, ...]:
    """Return the warnings that apply to one section, one sentence each."""
    warnings = []
    if section.recognized is None:
        warnings.append("The model named no region for this section.")
    elif not section.grounded:
        known = section.recognized in REGION_NAMES
        name = get_region(section.recognized).display_name if known else section.recognized
        warnings.append(f"The model identified this region as: {name}.")
    if not section.complete:
        warnings.append("The text was cut off at the token limit.")
    return (*warnings, *section.disagreements)

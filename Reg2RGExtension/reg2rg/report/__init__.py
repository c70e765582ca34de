"""The report: sections in reading order, each tied to a region.

Files, in the order data flows:

    finding        a finding, from detection to display
    section        the part of a report that describes one region
    provenance     how a report was made, and how far its volume is from the training data
    wording        how findings are put into words
    merging        merge mentions, detected findings and corrections into the findings of a section
    comparisons    which measure says what about which finding
    size_disagreements, disagreements
                   contradictions between text, finding head and measurements
    warnings       what a reader must know first
    impression     draft an impression from the sections
    text, html     a report as plain text, and as HTML for notebooks
    report         the report itself
    build          build a report from generated text, detected findings and measurements
    serialization  report.json, including older schema versions

A report contains no patient data, not even the name of the file it was made from. Plain text and HTML live here rather
than in ``exports`` because they need nothing but the report.
"""

from reg2rg.report.build import ReportBuilder
from reg2rg.report.disagreements import disagreements
from reg2rg.report.finding import DETECTION_THRESHOLD, Finding, Location, segment_id
from reg2rg.report.impression import draft_impression
from reg2rg.report.provenance import Geometry, OutOfDistribution, Provenance
from reg2rg.report.report import (
    FINDINGS_FILE,
    PREVIEW_FILE,
    REGIONS_FILE,
    REPORT_FILE,
    REPORT_FILES,
    SCHEMA_VERSION,
    STRUCTURES_FILE,
    TEXT_FILE,
    Report,
)
from reg2rg.report.section import Disagreement, Section, Sentence
from reg2rg.report.serialization import load_report, parse_report
from reg2rg.report.text import measurement_line, technique_line
from reg2rg.report.warnings import (
    MODEL_TEXT_HIDDEN,
    OUT_OF_DISTRIBUTION_WARNING,
    model_text_warnings,
    report_warnings,
    section_warnings,
)
from reg2rg.report.wording import (
    SIZE_TOLERANCE,
    finding_line,
    finding_lines,
    location_words,
    outline_words,
    probability_words,
)

__all__ = [
    "DETECTION_THRESHOLD",
    "FINDINGS_FILE",
    "MODEL_TEXT_HIDDEN",
    "OUT_OF_DISTRIBUTION_WARNING",
    "PREVIEW_FILE",
    "REGIONS_FILE",
    "REPORT_FILE",
    "REPORT_FILES",
    "SCHEMA_VERSION",
    "SIZE_TOLERANCE",
    "STRUCTURES_FILE",
    "TEXT_FILE",
    "Disagreement",
    "Finding",
    "Geometry",
    "Location",
    "OutOfDistribution",
    "Provenance",
    "Report",
    "ReportBuilder",
    "Section",
    "Sentence",
    "disagreements",
    "draft_impression",
    "finding_line",
    "finding_lines",
    "load_report",
    "location_words",
    "outline_words",
    "measurement_line",
    "model_text_warnings",
    "parse_report",
    "probability_words",
    "report_warnings",
    "section_warnings",
    "segment_id",
    "technique_line",
]

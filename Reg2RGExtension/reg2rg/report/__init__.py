"""The report: sections in reading order, each tied to a region.

Files, in the order data flows:

    finding        a finding, from detection to display
    section        the part of a report that describes one region
    provenance     how a report was made, and how far its volume is from the training data
    prior          what changed since a prior CT
    review         what a reviewer decided, and who signed
    wording        how findings are put into words
    merging        merge mentions, detected findings and corrections into the findings of a section
    linking        the findings that each sentence mentions
    comparisons    which measure says what about which finding
    size_disagreements, disagreements
                   contradictions between text, finding head and measurements
    withholding    the sentences that a draft leaves out because their precision was not shown
    warnings       what a reader must know first
    impression     draft an impression from the sections
    after_review   sections and measurements after what the reviewer decided
    seal           the hash by which a change of a signed report is noticed
    content        what a reader gets: the one view that is shown and exported
    text, html     the content as plain text, and as HTML for notebooks
    report         the report itself
    build          build a report from generated text, detected findings and measurements
    review_changes changes to the review of a report
    serialization  report.json, including older schema versions
    reviewed_findings
                   what a reviewed report says about findings, for models to learn from
    report_folders the reports in folders, and which of them were amended
    sign_off       sign a reviewed report, and amend a signed one

A report contains no patient data, not even the name of the file it was made from. Plain text and HTML live here rather
than in ``exports`` because they need nothing but the report.
"""

from reg2rg.report.build import ReportBuilder
from reg2rg.report.content import (
    Content,
    ContentSection,
    ContentSentence,
    ModelText,
    Target,
    folded_text,
    report_content,
    reported_changes,
)
from reg2rg.report.disagreements import disagreements
from reg2rg.report.finding import DETECTION_THRESHOLD, Finding, Location, segment_id
from reg2rg.report.impression import draft_impression
from reg2rg.report.prior import ChangeKind, IntervalChange, PriorComparison
from reg2rg.report.provenance import Geometry, OutOfDistribution, Provenance
from reg2rg.report.report import (
    FINDINGS_FILE,
    PREVIEW_FILE,
    PRIOR_TRANSFORM_FILE,
    REGIONS_FILE,
    REPORT_FILE,
    REPORT_FILES,
    SCHEMA_VERSION,
    STRUCTURES_FILE,
    TEXT_FILE,
    Report,
)
from reg2rg.report.review import (
    Change,
    MeasurementDecision,
    ReplacedSection,
    Review,
    ReviewState,
    SectionReview,
    Signature,
)
from reg2rg.report.section import Disagreement, Section, Sentence
from reg2rg.report.serialization import load_report, parse_report
from reg2rg.report.sign_off import addendum, sign
from reg2rg.report.text import content_text
from reg2rg.report.warnings import (
    MODEL_TEXT_HIDDEN,
    MODEL_TEXT_WITHHELD,
    OUT_OF_DISTRIBUTION_WARNING,
    change_warnings,
    report_warnings,
    section_warnings,
    supported_warning,
)
from reg2rg.report.wording import (
    SIZE_TOLERANCE,
    finding_line,
    finding_lines,
    location_words,
    measurement_line,
    outline_words,
    probability_words,
    technique_line,
)

__all__ = [
    "DETECTION_THRESHOLD",
    "FINDINGS_FILE",
    "MODEL_TEXT_HIDDEN",
    "MODEL_TEXT_WITHHELD",
    "OUT_OF_DISTRIBUTION_WARNING",
    "PREVIEW_FILE",
    "PRIOR_TRANSFORM_FILE",
    "REGIONS_FILE",
    "REPORT_FILE",
    "REPORT_FILES",
    "SCHEMA_VERSION",
    "SIZE_TOLERANCE",
    "STRUCTURES_FILE",
    "TEXT_FILE",
    "Change",
    "ChangeKind",
    "Content",
    "ContentSection",
    "ContentSentence",
    "Disagreement",
    "Finding",
    "Geometry",
    "IntervalChange",
    "Location",
    "MeasurementDecision",
    "ModelText",
    "OutOfDistribution",
    "PriorComparison",
    "Provenance",
    "ReplacedSection",
    "Report",
    "ReportBuilder",
    "Review",
    "ReviewState",
    "Section",
    "SectionReview",
    "Sentence",
    "Signature",
    "Target",
    "addendum",
    "content_text",
    "disagreements",
    "draft_impression",
    "finding_line",
    "finding_lines",
    "folded_text",
    "load_report",
    "location_words",
    "measurement_line",
    "outline_words",
    "parse_report",
    "probability_words",
    "report_content",
    "report_warnings",
    "reported_changes",
    "change_warnings",
    "section_warnings",
    "supported_warning",
    "segment_id",
    "sign",
    "technique_line",
]

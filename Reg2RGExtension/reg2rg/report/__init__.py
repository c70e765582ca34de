"""The report: sections in reading order, each tied to a region; JSON is its one stored form.

    schema      what a report holds
    stored      that, to plain types and back, older versions too
    findings    what text and finding head say of a region, joined
    build       a report from what was written, seen and measured
    wording     probabilities, places and disagreements in words

It holds no patient data, not even the name of the file it was made from.
"""

from reg2rg.report.build import build_report, build_section
from reg2rg.report.findings import Seen, segment_id
from reg2rg.report.schema import (
    Familiarity,
    Geometry,
    Location,
    Provenance,
    Report,
    Section,
    SectionFinding,
    Sentence,
    State,
    plain,
)
from reg2rg.report.serialization import SCHEMA_VERSION
from reg2rg.report.wording import UNFAMILIAR, finding_words, probability_words

__all__ = [
    "SCHEMA_VERSION",
    "UNFAMILIAR",
    "Familiarity",
    "Geometry",
    "Location",
    "Provenance",
    "Report",
    "Section",
    "SectionFinding",
    "Seen",
    "Sentence",
    "State",
    "build_report",
    "build_section",
    "finding_words",
    "plain",
    "probability_words",
    "segment_id",
]

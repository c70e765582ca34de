"""Metrics of what reports claim.

clinical_efficacy         findings, as in the published tables
region_recognition        the region named in each slot, as in the published tables
published_recognition     the same, recovered from the published evaluation's printed lists
location_accuracy         side and level of findings
contradictions            findings both asserted and denied
text_lengths              words per text
template_collapse         diversity, bias toward normal, recall of rare findings
"""

from reg2rg.evaluation.report_metrics.clinical_efficacy import precision_recall_f1
from reg2rg.evaluation.report_metrics.template_collapse import (
    FREQUENCY_BANDS,
    diversity,
    frequency_range,
    is_normal_by_wording,
    labels_by_frequency,
)

__all__ = [
    "FREQUENCY_BANDS",
    "diversity",
    "frequency_range",
    "is_normal_by_wording",
    "labels_by_frequency",
    "precision_recall_f1",
]

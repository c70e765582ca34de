"""Findings read out of report text, with negation, uncertainty, side, level and size: CT-RATE's 18 and nine more.

The words of the 18 stand in terms.tsv, which says in its head how to add some, those of the nine in further_terms.tsv.
"""

from reg2rg.labeler.base import Labeler, RuleLabeler
from reg2rg.labeler.mention import ALL_LABELS, FURTHER_LABELS, LABELS, Mention, Status, side_and_level
from reg2rg.labeler.rules import extract_mentions
from reg2rg.labeler.sentences import split_sentences

__all__ = [
    "ALL_LABELS",
    "FURTHER_LABELS",
    "LABELS",
    "Mention",
    "Labeler",
    "RuleLabeler",
    "Status",
    "extract_mentions",
    "side_and_level",
    "split_sentences",
]

"""Read findings out of report text: CT-RATE's 18 labels and nine more, each with status, side, level, and size.

Files:

    mention      the labels, and what a sentence says about one of them
    possible     which of these findings each region can have
    sentences    split text into sections and sentences; the engine's only sentence splitter
    clauses      split a sentence into clauses, so that a negation in one does not affect the next
    lexicon      the terms and cues of terms.tsv and further_terms.tsv as compiled patterns
    location     sides, levels, and sizes in a clause, and the terms they belong to
    rules        the rule-based reading of a text, sentence by sentence
    vessels      diameters that a text gives for the great vessels
    base         the Labeler protocol, and the rules as a Labeler
    radbert      the published classifier as a Labeler; imports torch

The comment at the top of terms.tsv explains how to add a term. docs/labeler.md lists conventions and accuracy.
"""

from reg2rg.labeler.base import Labeler, RuleLabeler
from reg2rg.labeler.lexicon import LabelTraits, label_traits
from reg2rg.labeler.mention import ALL_LABELS, FURTHER_LABELS, LABELS, Mention, Status, side_and_level
from reg2rg.labeler.possible import POSSIBLE_REGIONS, possible_labels
from reg2rg.labeler.rules import extract_mentions
from reg2rg.labeler.sentences import split_sentences
from reg2rg.labeler.vessels import VesselDiameter, vessel_diameters

__all__ = [
    "ALL_LABELS",
    "FURTHER_LABELS",
    "LABELS",
    "POSSIBLE_REGIONS",
    "LabelTraits",
    "Labeler",
    "Mention",
    "RuleLabeler",
    "Status",
    "VesselDiameter",
    "extract_mentions",
    "label_traits",
    "possible_labels",
    "side_and_level",
    "split_sentences",
    "vessel_diameters",
]

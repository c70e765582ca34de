"""Labels of texts: what every reader of reports gives, so that evaluation can say which reader made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from reg2rg.labeler.lexicon import tables
from reg2rg.labeler.mention import LABELS, Status
from reg2rg.labeler.rules import extract_mentions


class Labeler(Protocol):
    """Tells which of LABELS a text finds.

    Attributes:
        name: the reader and its version; stands in every result that its labels make.
    """

    name: str

    def label(self, texts: Sequence[str], region: str | None = None) -> np.ndarray:
        """(N, 18) bool in the order of LABELS; ``region`` is the one whose sections the texts are, None for reports."""
        ...


class RuleLabeler:
    """The rule-based reader: a label is positive if a sentence asserts it or leaves it open; denied ones are not.

    So counted, the released reference texts have as many positive cases per label as the published classifier found;
    where only assertions count, lymph nodes that are named without being called enlarged make the difference
    (docs/labeler.md). Of all other labels at most five cases in 1,564 depend on it.
    """

    def __init__(self) -> None:
        self.name = f"rules-{tables().published.digest[:8]}"

    def label(self, texts: Sequence[str], region: str | None = None) -> np.ndarray:
        """See Labeler."""
        result = np.zeros((len(texts), len(LABELS)), dtype=bool)
        for row, text in enumerate(texts):
            for finding in extract_mentions(text, region):
                if finding.label in LABELS and finding.status is not Status.ABSENT:
                    result[row, LABELS.index(finding.label)] = True
        return result

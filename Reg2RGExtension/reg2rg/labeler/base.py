"""Labelers, which assign the 18 published labels to texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from reg2rg.labeler.lexicon import load_lexicons
from reg2rg.labeler.mention import LABELS, Status
from reg2rg.labeler.rules import extract_mentions


class Labeler(Protocol):
    """Assigns LABELS to texts.

    Attributes:
        name: kind and version of the labeler, stated in every result that depends on its labels.
    """

    name: str

    def label(self, texts: Sequence[str], region: str | None = None) -> np.ndarray:
        """Label texts.

        Args:
            texts: N texts.
            region: region that the texts describe; None for whole reports.

        Returns:
            Boolean array of shape (N, 18), with columns in the order of LABELS.
        """
        ...


class RuleLabeler:
    """Rule-based Labeler. A label is positive if a sentence asserts it or leaves it open.

    Counted this way, the released reference texts have about as many positive cases per label as the published
    classifier found. Only lymphadenopathy depends on it, because of lymph nodes that are mentioned without being called
    enlarged; for every other label at most five of 1,564 cases change (docs/labeler.md).

    Attributes:
        name: "rules-" and a digest of terms.tsv.
    """

    def __init__(self) -> None:
        self.name = f"rules-{load_lexicons().published.digest[:8]}"

    def label(self, texts: Sequence[str], region: str | None = None) -> np.ndarray:
        """Label texts; see Labeler.label."""
        labels = np.zeros((len(texts), len(LABELS)), dtype=bool)
        for row, text in enumerate(texts):
            for mention in extract_mentions(text, region):
                if mention.label in LABELS and mention.status is not Status.ABSENT:
                    labels[row, LABELS.index(mention.label)] = True
        return labels

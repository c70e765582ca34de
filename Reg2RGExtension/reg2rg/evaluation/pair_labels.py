"""Labels and mentions of findings, extracted from both texts of every pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from reg2rg.evaluation.inputs.predictions import TextPair
from reg2rg.labeler import LABELS, Labeler, Mention, RuleLabeler, extract_mentions
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress


@dataclass(frozen=True)
class PairLabels:
    """Labels and mentions extracted from pairs of texts, in the order of the pairs.

    Attributes:
        labeler: Name of the labeler that produced the labels.
        mention_labeler: Name of the rules that extracted the mentions.
        reference_labels: Labels of the references in the order of LABELS, (pairs, 18) bool.
        prediction_labels: Labels of the predictions, in the same form.
        reference_mentions: Mentions of LABELS in each reference. They always come from the rules, for any labeler.
        prediction_mentions: Mentions of LABELS in each prediction, in the same form.
    """

    labeler: str
    mention_labeler: str
    reference_labels: np.ndarray
    prediction_labels: np.ndarray
    reference_mentions: tuple[tuple[Mention, ...], ...]
    prediction_mentions: tuple[tuple[Mention, ...], ...]


def label_pairs(
    pairs: Sequence[TextPair], labeler: Labeler, progress: ProgressCallback = ignore_progress
) -> PairLabels:
    """Extract labels and mentions from references and predictions.

    Args:
        pairs: The paired texts.
        labeler: Produces the labels. Identical texts of a region are labeled once.
        progress: Called with the fraction done.
    """
    labels = np.zeros((2, len(pairs), len(LABELS)), bool)
    mentions: list[list[tuple[Mention, ...]]] = [[()] * len(pairs), [()] * len(pairs)]
    regions = list(dict.fromkeys(pair.region for pair in pairs))
    for number, region in enumerate(regions):
        indices = [index for index, pair in enumerate(pairs) if pair.region == region]
        texts = [pairs[index].reference for index in indices], [pairs[index].prediction for index in indices]
        for side in range(2):
            labels[side, indices] = _label_distinct(texts[side], partial(labeler.label, region=region))
            for index, text in zip(indices, texts[side], strict=True):
                mentions[side][index] = _published_mentions(text, region)
            progress((number + (side + 1) / 2) / len(regions), "Extracting findings")
    return PairLabels(
        labeler=labeler.name,
        mention_labeler=RuleLabeler().name,
        reference_labels=labels[0],
        prediction_labels=labels[1],
        reference_mentions=tuple(mentions[0]),
        prediction_mentions=tuple(mentions[1]),
    )


def _published_mentions(text: str, region: str | None) -> tuple[Mention, ...]:
    """Return the mentions of the 18 published labels."""
    return tuple(mention for mention in extract_mentions(text, region) if mention.label in LABELS)


def _label_distinct(texts: Sequence[str], label: Callable[[Sequence[str]], np.ndarray]) -> np.ndarray:
    """Label texts, calling ``label`` only on distinct ones."""
    distinct = list(dict.fromkeys(texts))
    row_of = {text: row for row, text in enumerate(distinct)}
    return label(distinct)[[row_of[text] for text in texts]]


def labels_by_case(labels: np.ndarray, owners: np.ndarray, cases: int) -> np.ndarray:
    """Combine the labels of texts into those of their cases.

    Args:
        labels: Labels of the texts, (texts, labels) bool.
        owners: Case index of each text.
        cases: Number of cases.

    Returns:
        Whether any text of the case has the label, (cases, labels) bool.
    """
    merged = np.zeros((cases, labels.shape[1]), bool)
    np.logical_or.at(merged, owners, labels)
    return merged


def mentions_by_case(
    mentions: Sequence[tuple[Mention, ...]], owners: np.ndarray, cases: int
) -> list[tuple[Mention, ...]]:
    """Combine the mentions of texts into those of their cases."""
    merged: list[tuple[Mention, ...]] = [()] * cases
    for owner, found in zip(owners, mentions, strict=True):
        merged[owner] += found
    return merged

"""CIDEr-D (Vedantam et al., CVPR 2015) with one reference per text, as in the published tables.

Tokens are separated by whitespace and case-sensitive. N-grams of orders 1 to 4, sigma 6, scaled by 10. Document
frequencies come from the references that are scored together.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from reg2rg.evaluation.text_metrics.bleu import ORDERS, ngrams

SIGMA = 6.0


def cider(references: Sequence[str], predictions: Sequence[str]) -> np.ndarray:
    """Compute CIDEr of each prediction, (texts,).

    For a single text it is 0, because with one document every n-gram has an inverse document frequency of 0.
    """
    counted = [_counts(text) for text in references]
    documents = Counter(gram for orders in counted for order in orders for gram in order)
    total = math.log(max(1, len(references)))
    weight = defaultdict(lambda: total, {gram: total - math.log(found) for gram, found in documents.items()})
    pairs = zip(counted, map(_counts, predictions), strict=True)
    return np.array([_similarity(expected, written, weight) for expected, written in pairs])


def _counts(text: str) -> list[Counter[tuple[str, ...]]]:
    words = text.split()
    return [ngrams(words, order) for order in range(1, ORDERS + 1)]


def _similarity(
    expected: Sequence[Counter[tuple[str, ...]]],
    written: Sequence[Counter[tuple[str, ...]]],
    weight: Mapping[tuple[str, ...], float],
) -> float:
    difference = written[1].total() - expected[1].total()  # in bigrams, as the original code measures length
    cosines = [_cosine(*pair, weight) for pair in zip(expected, written, strict=True)]
    return 10 * math.exp(-(difference**2) / (2 * SIGMA**2)) * sum(cosines) / ORDERS


def _cosine(
    expected: Counter[tuple[str, ...]], written: Counter[tuple[str, ...]], weight: Mapping[tuple[str, ...], float]
) -> float:
    """Return the cosine of the weighted counts, with the prediction's counts clipped to the reference's."""
    norms = [
        math.sqrt(sum((count * weight[gram]) ** 2 for gram, count in text.items())) for text in (expected, written)
    ]
    product = sum(
        min(count, expected[gram]) * expected[gram] * weight[gram] ** 2
        for gram, count in written.items()
        if gram in expected
    )
    return product / (norms[0] * norms[1]) if all(norms) else 0.0

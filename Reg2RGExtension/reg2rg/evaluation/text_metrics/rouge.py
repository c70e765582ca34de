"""ROUGE-1, ROUGE-2 and ROUGE-L as in the published tables: F-measures of the rouge-score package, unstemmed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from rouge_score.rouge_scorer import RougeScorer

VARIANTS = ("rouge1", "rouge2", "rougeL")
RESAMPLES, SEED = 1000, 42


@cache
def _scorer() -> RougeScorer:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(VARIANTS, use_stemmer=False)


def rouge(reference: str, prediction: str) -> list[float]:
    """Compute the F-measures of ROUGE-1, ROUGE-2 and ROUGE-L for one text."""
    scores = _scorer().score(reference, prediction)
    return [scores[variant].fmeasure for variant in VARIANTS]


def overall_rouge(scores: np.ndarray) -> np.ndarray:
    """Compute the Overall_ROUGE of the published tables.

    It is the median of the means of 1,000 resamples, drawn by NumPy's legacy generator with seed 42, one variant after
    the other.

    Args:
        scores: F-measures of the texts, (texts, 3).

    Returns:
        One value per variant, (3,).
    """
    rng = np.random.RandomState(SEED)
    texts = len(scores)
    medians = []
    for column in np.asarray(scores, float).T:
        means = [column[rng.randint(0, texts, texts)].mean() for _ in range(RESAMPLES)]
        medians.append(np.percentile(means, 50))
    return np.array(medians)

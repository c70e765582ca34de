"""ROUGE-1, ROUGE-2 and ROUGE-L as F measures of the rouge-score package, unstemmed (reference C.2)."""

from __future__ import annotations

from functools import cache

import numpy as np

KINDS = ("rouge1", "rouge2", "rougeL")
RESAMPLES, SEED = 1000, 42


@cache
def _scorer():
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(KINDS, use_stemmer=False)


def rouge(reference: str, prediction: str) -> list[float]:
    """F measures of ROUGE-1, ROUGE-2 and ROUGE-L of one text."""
    scores = _scorer().score(reference, prediction)
    return [scores[kind].fmeasure for kind in KINDS]


def overall_rouge(scores: np.ndarray) -> np.ndarray:
    """What the published tables call Overall_ROUGE, (3,), of scores (texts, 3).

    The median of the means of 1,000 resamples, drawn by NumPy's old generator from seed 42, one kind after the other.
    """
    generator = np.random.RandomState(SEED)
    texts = len(scores)
    medians = []
    for column in np.asarray(scores, float).T:
        means = [column[generator.randint(0, texts, texts)].mean() for _ in range(RESAMPLES)]
        medians.append(np.percentile(means, 50))
    return np.array(medians)

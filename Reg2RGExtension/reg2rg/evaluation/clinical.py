"""Clinical efficacy: whether a text finds what its reference finds, from labels (reference C.2, D.1).

As in the published tables a precision, recall or F1 that is not defined is 0.
"""

from __future__ import annotations

import numpy as np

from reg2rg.findings import LABELS

_L = len(LABELS)

Rates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Precision, recall and F1."""


def label_sums(reference: np.ndarray, prediction: np.ndarray, owners: np.ndarray, cases: int) -> np.ndarray:
    """What each case adds, (cases, 3 x 18 + 1): true positives, false positives, false negatives by label, and texts.

    Args:
        reference, prediction: (texts, 18) bool.
        owners: the case of each text.
    """
    kinds = [reference & prediction, ~reference & prediction, reference & ~prediction, np.ones((len(owners), 1), bool)]
    sums = np.zeros((cases, 3 * _L + 1))
    np.add.at(sums, owners, np.concatenate(kinds, axis=1))
    return sums


def by_label(sums: np.ndarray) -> Rates:
    """Each (..., 18)."""
    tp, fp, fn = sums[..., :_L], sums[..., _L : 2 * _L], sums[..., 2 * _L : 3 * _L]
    return rates_of(tp, fp, fn)


def micro(sums: np.ndarray) -> Rates:
    """From the counts of all labels together, as in the paper's Table II."""
    tp, fp, fn = (sums[..., kind * _L : (kind + 1) * _L].sum(axis=-1) for kind in range(3))
    return rates_of(tp, fp, fn)


def macro(sums: np.ndarray) -> Rates:
    """Mean over labels."""
    return tuple(rate.mean(axis=-1) for rate in by_label(sums))


def weighted(sums: np.ndarray) -> Rates:
    """Mean over labels, weighted by how often the reference has them."""
    support = sums[..., :_L] + sums[..., 2 * _L : 3 * _L]
    total = support.sum(axis=-1)
    return tuple(_divide((rate * support).sum(axis=-1), total) for rate in by_label(sums))


def samples(sums: np.ndarray) -> np.ndarray:
    """Precision, recall and F1 of each text over its labels, (texts, 3); ``sums`` are those of single texts."""
    return np.stack(micro(sums), axis=-1)


def crg(sums: np.ndarray) -> np.ndarray:
    """CRG score (arXiv 2505.17167): 1 if all is right, 1/3 if nothing is found and nothing invented.

    With T labels of which A are positive, w = (T - A) / 2A weighs a hit and a miss, 1 a false alarm.
    NaN where A is 0.
    """
    tp, fp, fn = (sums[..., kind * _L : (kind + 1) * _L].sum(axis=-1) for kind in range(3))
    positive = tp + fn
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = (sums[..., -1] * _L - positive) / (2 * positive)
        score = weight * tp - weight * fn - fp
        return np.where(positive > 0, weight * positive / (2 * weight * positive - score), np.nan)


def rates_of(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> Rates:
    """Precision, recall and F1 of counts, 0 where undefined."""
    return _divide(tp, tp + fp), _divide(tp, tp + fn), _divide(2 * tp, 2 * tp + fp + fn)


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)

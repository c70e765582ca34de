"""Clinical efficacy: whether a text finds what its reference finds, from labels (reference C.2, D.1).

As in the published tables a precision, recall or F1 that is not defined is 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reg2rg.evaluation.bootstrap import Statistic, mean_statistic
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.pair_labels import PairLabels, labels_by_case
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.labeler import LABELS

_L = len(LABELS)

Rates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Precision, recall and F1."""


def label_counts(reference: np.ndarray, prediction: np.ndarray, owners: np.ndarray, cases: int) -> np.ndarray:
    """What each case adds, (cases, 3 x 18 + 1): true positives, false positives, false negatives by label, and texts.

    Args:
        reference, prediction: (texts, 18) bool.
        owners: the case of each text.
    """
    kinds = [reference & prediction, ~reference & prediction, reference & ~prediction, np.ones((len(owners), 1), bool)]
    sums = np.zeros((cases, 3 * _L + 1))
    np.add.at(sums, owners, np.concatenate(kinds, axis=1))
    return sums


def per_label(sums: np.ndarray) -> Rates:
    """Each (..., 18)."""
    tp, fp, fn = sums[..., :_L], sums[..., _L : 2 * _L], sums[..., 2 * _L : 3 * _L]
    return precision_recall_f1(tp, fp, fn)


def micro(sums: np.ndarray) -> Rates:
    """From the counts of all labels together, as in the paper's Table II."""
    tp, fp, fn = (sums[..., kind * _L : (kind + 1) * _L].sum(axis=-1) for kind in range(3))
    return precision_recall_f1(tp, fp, fn)


def macro(sums: np.ndarray) -> Rates:
    """Mean over labels."""
    return tuple(rate.mean(axis=-1) for rate in per_label(sums))


def weighted(sums: np.ndarray) -> Rates:
    """Mean over labels, weighted by how often the reference has them."""
    support = sums[..., :_L] + sums[..., 2 * _L : 3 * _L]
    total = support.sum(axis=-1)
    return tuple(_divide((rate * support).sum(axis=-1), total) for rate in per_label(sums))


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


def precision_recall_f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> Rates:
    """Precision, recall and F1 of counts, 0 where undefined."""
    return _divide(tp, tp + fp), _divide(tp, tp + fn), _divide(2 * tp, 2 * tp + fp + fn)


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)


AVERAGES: dict[str, Callable[[np.ndarray], Rates]] = {"micro": micro, "macro": macro, "weighted": weighted}
_KINDS = ("precision", "recall", "F1")


def case_labels(corpus: Corpus, pair_labels: PairLabels) -> tuple[np.ndarray, np.ndarray]:
    """Labels of reference and prediction, (cases, 18) each: those of any of a case's texts."""
    return tuple(
        labels_by_case(labels, corpus.owners, len(corpus.cases))
        for labels in (pair_labels.reference_labels, pair_labels.prediction_labels)
    )


def case_counts(corpus: Corpus, pair_labels: PairLabels) -> np.ndarray:
    """``clinical.label_sums`` of whole cases."""
    return label_counts(*case_labels(corpus, pair_labels), np.arange(len(corpus.cases)), len(corpus.cases))


def averages_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Micro, macro, weighted and sample averages over the labels of whole cases."""
    sums = case_counts(corpus, pair_labels)
    rows = [
        (name, *(corpus.interval(_rate(average, kind, sums)) for kind in range(3)))
        for name, average in AVERAGES.items()
    ]
    each = samples(sums)
    cases = np.arange(len(corpus.cases))
    means = (corpus.interval(mean_statistic(each[:, kind], cases, len(cases))) for kind in range(3))
    rows.append(("samples", *means))
    caption = (
        f"18 labels of {len(corpus.cases):,} cases; a label of any section counts for its case. 95% intervals from "
        "resampled cases. The paper's Table II shows the micro average. What is not defined is 0."
    )
    return Table("clinical", "Clinical efficacy", caption, ("average", *_KINDS), tuple(rows), pair_labels.reader)


def labels_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Each label of whole cases."""
    reference, prediction = case_labels(corpus, pair_labels)
    sums = case_counts(corpus, pair_labels)
    precision, recall, _ = per_label(sums.sum(axis=0))
    rows = [
        (
            label,
            int(reference[:, index].sum()),
            int(prediction[:, index].sum()),
            float(precision[index]),
            float(recall[index]),
            corpus.interval(Statistic(sums, lambda total, index=index: per_label(total)[2][..., index])),
        )
        for index, label in enumerate(LABELS)
    ]
    caption = "Cases whose reference or prediction has the label; precision, recall and F1 by case."
    columns = ("label", "in references", "in predictions", *_KINDS)
    return Table("labels", "Clinical efficacy by label", caption, columns, tuple(rows), pair_labels.reader)


def regions_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """The sections of each region by themselves, then whole cases."""
    rows = [
        _region_row(corpus, name, label_counts(*_chosen(pair_labels, chosen), corpus.owners[chosen], len(corpus.cases)))
        for name, chosen in corpus.groups.items()
        if corpus.pairs[chosen[0]].region is not None and len(chosen) < len(corpus.pairs)
    ]
    rows.append(_region_row(corpus, "whole cases", case_counts(corpus, pair_labels)))
    caption = (
        "Labels of the sections of each region; support is how many the references have. CRG is 1 if all is right and "
        "1/3 if nothing is found and nothing invented."
    )
    columns = ("sections of", "n", "support", "micro P", "micro R", "micro F1", "macro F1", "CRG")
    return Table("clinical_regions", "Clinical efficacy by region", caption, columns, tuple(rows), pair_labels.reader)


def _region_row(corpus: Corpus, name: str, sums: np.ndarray) -> tuple[Cell, ...]:
    total = sums.sum(axis=0)
    count = len(LABELS)
    support = int(total[:count].sum() + total[2 * count : 3 * count].sum())
    precision, recall, _ = (float(value) for value in micro(total))
    f1 = corpus.interval(_rate(micro, 2, sums))
    return (
        name,
        int(total[-1]),
        support,
        precision,
        recall,
        f1,
        float(macro(total)[2]),
        corpus.interval(Statistic(sums, crg)),
    )


def _chosen(pair_labels: PairLabels, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return pair_labels.reference_labels[chosen], pair_labels.prediction_labels[chosen]


def _rate(average: Callable[[np.ndarray], Rates], kind: int, sums: np.ndarray) -> Statistic:
    return Statistic(sums, lambda total: average(total)[kind])

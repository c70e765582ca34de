"""Clinical efficacy: precision, recall and F1 of the findings in predictions, and the CRG score.

As in the published tables, an undefined precision, recall or F1 is 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reg2rg.evaluation.bootstrap import Statistic, mean_statistic
from reg2rg.evaluation.corpus import Corpus
from reg2rg.evaluation.pair_labels import PairLabels, labels_by_case
from reg2rg.evaluation.tables import Cell, Table
from reg2rg.labeler import LABELS

Rates = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Precision, recall and F1."""

RATE_NAMES = ("precision", "recall", "F1")
_L = len(LABELS)


def precision_recall_f1(tp: np.ndarray, fp: np.ndarray, fn: np.ndarray) -> Rates:
    """Compute precision, recall and F1 from counts of the same shape; 0 where undefined."""
    return _divide(tp, tp + fp), _divide(tp, tp + fn), _divide(2 * tp, 2 * tp + fp + fn)


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros_like(part, dtype=float), where=whole > 0)


def label_counts(reference: np.ndarray, prediction: np.ndarray, owners: np.ndarray, cases: int) -> np.ndarray:
    """Count hits and errors of each case.

    Args:
        reference: Labels of the references, (texts, 18) bool.
        prediction: Labels of the predictions, (texts, 18) bool.
        owners: Case index of each text.
        cases: Number of cases.

    Returns:
        True positives, false positives and false negatives by label, then the number of texts, (cases, 3 x 18 + 1).
    """
    kinds = [reference & prediction, ~reference & prediction, reference & ~prediction, np.ones((len(owners), 1), bool)]
    sums = np.zeros((cases, 3 * _L + 1))
    np.add.at(sums, owners, np.concatenate(kinds, axis=1))
    return sums


def case_labels(corpus: Corpus, pair_labels: PairLabels) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of the references and predictions of whole cases, (cases, 18) each."""
    cases = len(corpus.cases)
    return (
        labels_by_case(pair_labels.reference_labels, corpus.owners, cases),
        labels_by_case(pair_labels.prediction_labels, corpus.owners, cases),
    )


def case_counts(corpus: Corpus, pair_labels: PairLabels) -> np.ndarray:
    """Return ``label_counts`` of whole cases."""
    reference, prediction = case_labels(corpus, pair_labels)
    return label_counts(reference, prediction, np.arange(len(corpus.cases)), len(corpus.cases))


def per_label(counts: np.ndarray) -> Rates:
    """Compute the rates of each label, (..., 18), from ``label_counts``."""
    tp, fp, fn = counts[..., :_L], counts[..., _L : 2 * _L], counts[..., 2 * _L : 3 * _L]
    return precision_recall_f1(tp, fp, fn)


def micro(counts: np.ndarray) -> Rates:
    """Compute the rates from the counts of all labels together, as in Table II of the Reg2RG paper."""
    return precision_recall_f1(*_totals(counts))


def macro(counts: np.ndarray) -> Rates:
    """Compute the mean rates over labels."""
    precision, recall, f1 = per_label(counts)
    return precision.mean(axis=-1), recall.mean(axis=-1), f1.mean(axis=-1)


def weighted(counts: np.ndarray) -> Rates:
    """Compute the mean rates over labels, weighted by their support in the references."""
    support = counts[..., :_L] + counts[..., 2 * _L : 3 * _L]
    total = support.sum(axis=-1)
    precision, recall, f1 = (_divide((rate * support).sum(axis=-1), total) for rate in per_label(counts))
    return precision, recall, f1


def samples(counts: np.ndarray) -> np.ndarray:
    """Compute the rates of each text over its labels.

    Args:
        counts: ``label_counts`` of single texts, (texts, 3 x 18 + 1).

    Returns:
        Precision, recall and F1, (texts, 3).
    """
    return np.stack(micro(counts), axis=-1)


def crg(counts: np.ndarray) -> np.ndarray:
    """Compute the CRG score (arXiv 2505.17167) from ``label_counts``.

    With T labels in total and A of them positive, w = (T - A) / 2A is the weight of a hit and of a miss; a false alarm
    has weight 1. The score is 1 if all labels are correct and 1/3 if the prediction contains no finding at all. It is
    NaN where A is 0.
    """
    tp, fp, fn = _totals(counts)
    positive = tp + fn
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = (counts[..., -1] * _L - positive) / (2 * positive)
        score = weight * tp - weight * fn - fp
        return np.where(positive > 0, weight * positive / (2 * weight * positive - score), np.nan)


def _totals(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true positives, false positives and false negatives of all labels together."""
    tp, fp, fn = (counts[..., kind * _L : (kind + 1) * _L].sum(axis=-1) for kind in range(3))
    return tp, fp, fn


AVERAGES: dict[str, Callable[[np.ndarray], Rates]] = {"micro": micro, "macro": macro, "weighted": weighted}


def averages_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Return micro, macro, weighted and sample averages over the labels of whole cases."""
    counts = case_counts(corpus, pair_labels)
    rows: list[tuple[Cell, ...]] = [
        (name, *(corpus.interval(_rate_statistic(average, kind, counts)) for kind in range(3)))
        for name, average in AVERAGES.items()
    ]
    by_case = samples(counts)
    cases = np.arange(len(corpus.cases))
    means = (corpus.interval(mean_statistic(by_case[:, kind], cases, len(cases))) for kind in range(3))
    rows.append(("samples", *means))
    description = (
        f"18 labels over {len(corpus.cases):,} cases; a case has every label found in any of its sections. 95% "
        "intervals from bootstrap resampling of cases. Table II of the Reg2RG paper reports the micro average. "
        "Undefined rates are 0."
    )
    return Table(
        "clinical", "Clinical efficacy", description, ("average", *RATE_NAMES), tuple(rows), pair_labels.labeler
    )


def labels_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Return the rates of each label over whole cases."""
    reference, prediction = case_labels(corpus, pair_labels)
    counts = case_counts(corpus, pair_labels)
    precision, recall, _ = per_label(counts.sum(axis=0))
    rows = [
        (
            label,
            int(reference[:, index].sum()),
            int(prediction[:, index].sum()),
            float(precision[index]),
            float(recall[index]),
            corpus.interval(_label_f1_statistic(index, counts)),
        )
        for index, label in enumerate(LABELS)
    ]
    description = "Number of cases whose reference or prediction has the label; precision, recall and F1 over cases."
    columns = ("label", "in references", "in predictions", *RATE_NAMES)
    return Table("labels", "Clinical efficacy by label", description, columns, tuple(rows), pair_labels.labeler)


def regions_table(corpus: Corpus, pair_labels: PairLabels) -> Table:
    """Return the rates of each region's sections, then those of whole cases."""
    rows = []
    for name, group in corpus.groups.items():
        if corpus.pairs[group[0]].region is not None and len(group) < len(corpus.pairs):
            reference, prediction = pair_labels.reference_labels[group], pair_labels.prediction_labels[group]
            counts = label_counts(reference, prediction, corpus.owners[group], len(corpus.cases))
            rows.append(_region_row(corpus, name, counts))
    rows.append(_region_row(corpus, "whole cases", case_counts(corpus, pair_labels)))
    description = (
        "Labels in the sections of each region. Support: labels in the references. CRG is 1 if all labels are correct "
        "and 1/3 if the predictions contain no finding at all."
    )
    columns = ("region", "n", "support", "micro P", "micro R", "micro F1", "macro F1", "CRG")
    return Table(
        "clinical_regions", "Clinical efficacy by region", description, columns, tuple(rows), pair_labels.labeler
    )


def _region_row(corpus: Corpus, name: str, counts: np.ndarray) -> tuple[Cell, ...]:
    total = counts.sum(axis=0)
    tp, _, fn = _totals(total)
    precision, recall, _ = micro(total)
    return (
        name,
        int(total[-1]),
        int(tp + fn),
        float(precision),
        float(recall),
        corpus.interval(_rate_statistic(micro, 2, counts)),
        float(macro(total)[2]),
        corpus.interval(Statistic(counts, crg)),
    )


def _label_f1_statistic(index: int, counts: np.ndarray) -> Statistic:
    """Return the F1 of one label as a statistic of the cases."""
    return Statistic(counts, lambda total: per_label(total)[2][..., index])


def _rate_statistic(average: Callable[[np.ndarray], Rates], kind: int, counts: np.ndarray) -> Statistic:
    """Return one averaged rate (0: precision, 1: recall, 2: F1) as a statistic of the cases."""
    return Statistic(counts, lambda total: average(total)[kind])

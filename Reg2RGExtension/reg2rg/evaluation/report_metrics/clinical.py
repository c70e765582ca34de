"""Clinical efficacy: whether a text finds what its reference finds, from labels (reference C.2, D.1).

As in the published tables a precision, recall or F1 that is not defined is 0.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reg2rg.evaluation.bootstrap import Statistic, mean_statistic
from reg2rg.evaluation.dataset import Frame
from reg2rg.evaluation.labels import Readings, any_by_case
from reg2rg.evaluation.output.tables import Cell, Table
from reg2rg.labeler import LABELS

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


AVERAGES: dict[str, Callable[[np.ndarray], Rates]] = {"micro": micro, "macro": macro, "weighted": weighted}
_KINDS = ("precision", "recall", "F1")


def case_labels(frame: Frame, readings: Readings) -> tuple[np.ndarray, np.ndarray]:
    """Labels of reference and prediction, (cases, 18) each: those of any of a case's texts."""
    return tuple(
        any_by_case(labels, frame.owners, len(frame.cases))
        for labels in (readings.reference_labels, readings.prediction_labels)
    )


def case_sums(frame: Frame, readings: Readings) -> np.ndarray:
    """``clinical.label_sums`` of whole cases."""
    return label_sums(*case_labels(frame, readings), np.arange(len(frame.cases)), len(frame.cases))


def averages_table(frame: Frame, readings: Readings) -> Table:
    """Micro, macro, weighted and sample averages over the labels of whole cases."""
    sums = case_sums(frame, readings)
    rows = [
        (name, *(frame.interval(_rate(average, kind, sums)) for kind in range(3))) for name, average in AVERAGES.items()
    ]
    each = samples(sums)
    cases = np.arange(len(frame.cases))
    means = (frame.interval(mean_statistic(each[:, kind], cases, len(cases))) for kind in range(3))
    rows.append(("samples", *means))
    caption = (
        f"18 labels of {len(frame.cases):,} cases; a label of any section counts for its case. 95% intervals from "
        "resampled cases. The paper's Table II shows the micro average. What is not defined is 0."
    )
    return Table("clinical", "Clinical efficacy", caption, ("average", *_KINDS), tuple(rows), readings.reader)


def labels_table(frame: Frame, readings: Readings) -> Table:
    """Each label of whole cases."""
    reference, prediction = case_labels(frame, readings)
    sums = case_sums(frame, readings)
    precision, recall, _ = by_label(sums.sum(axis=0))
    rows = [
        (
            label,
            int(reference[:, index].sum()),
            int(prediction[:, index].sum()),
            float(precision[index]),
            float(recall[index]),
            frame.interval(Statistic(sums, lambda total, index=index: by_label(total)[2][..., index])),
        )
        for index, label in enumerate(LABELS)
    ]
    caption = "Cases whose reference or prediction has the label; precision, recall and F1 by case."
    columns = ("label", "in references", "in predictions", *_KINDS)
    return Table("labels", "Clinical efficacy by label", caption, columns, tuple(rows), readings.reader)


def regions_table(frame: Frame, readings: Readings) -> Table:
    """The sections of each region by themselves, then whole cases."""
    rows = [
        _region_row(frame, name, label_sums(*_chosen(readings, chosen), frame.owners[chosen], len(frame.cases)))
        for name, chosen in frame.groups.items()
        if frame.pairs[chosen[0]].region is not None and len(chosen) < len(frame.pairs)
    ]
    rows.append(_region_row(frame, "whole cases", case_sums(frame, readings)))
    caption = (
        "Labels of the sections of each region; support is how many the references have. CRG is 1 if all is right and "
        "1/3 if nothing is found and nothing invented."
    )
    columns = ("sections of", "n", "support", "micro P", "micro R", "micro F1", "macro F1", "CRG")
    return Table("clinical_regions", "Clinical efficacy by region", caption, columns, tuple(rows), readings.reader)


def _region_row(frame: Frame, name: str, sums: np.ndarray) -> tuple[Cell, ...]:
    total = sums.sum(axis=0)
    count = len(LABELS)
    support = int(total[:count].sum() + total[2 * count : 3 * count].sum())
    precision, recall, _ = (float(value) for value in micro(total))
    f1 = frame.interval(_rate(micro, 2, sums))
    return (
        name,
        int(total[-1]),
        support,
        precision,
        recall,
        f1,
        float(macro(total)[2]),
        frame.interval(Statistic(sums, crg)),
    )


def _chosen(readings: Readings, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return readings.reference_labels[chosen], readings.prediction_labels[chosen]


def _rate(average: Callable[[np.ndarray], Rates], kind: int, sums: np.ndarray) -> Statistic:
    return Statistic(sums, lambda total: average(total)[kind])

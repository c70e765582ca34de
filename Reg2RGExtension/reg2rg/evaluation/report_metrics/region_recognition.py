"""Region recognition (Reg2RG paper, Table III): whether each slot is given the name of the right region.

As published, accuracy is computed per case over the reference's slots; a slot without a name, or with a name that is
not one of the ten regions, counts as missed. Rates are plain fractions, 0 where undefined. The published code adds 1e-5
to denominators, but the published numbers agree to the last digit without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from reg2rg.evaluation.inputs.predictions import Slots
from reg2rg.evaluation.report_metrics.clinical_efficacy import RATE_NAMES, Rates, precision_recall_f1
from reg2rg.evaluation.tables import Cell, Spread, Table
from reg2rg.regions import REGION_NAMES

OTHER_NAME = "no region"
"""Column of the confusion matrix for slots without a name or with an unknown one."""

LOOKALIKES = ("lung", "pleura")
"""Excluded from the published means because their masks are nearly identical."""

_N = len(REGION_NAMES)


@dataclass(frozen=True)
class Recognition:
    """Counts of recognized slots.

    Attributes:
        tp: True positives by region, (10,).
        fp: False positives by region, (10,).
        fn: False negatives by region, (10,).
        confusion: Slots by true region and predicted region, (10, 11). The last column counts slots without the name
            of a region.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    confusion: np.ndarray

    @property
    def rates(self) -> Rates:
        """Precision, recall and F1, (10,) each."""
        return precision_recall_f1(self.tp, self.fp, self.fn)


def count_recognition(cases: Iterable[Slots]) -> Recognition:
    """Count the slots of all cases by true and predicted region."""
    confusion = np.zeros((_N, _N + 1), int)
    for case in cases:
        for slot, region in region_slots(case).items():
            confusion[REGION_NAMES.index(region), _column(case.predicted.get(slot))] += 1
    named = confusion[:, :_N]
    tp = np.diagonal(named)
    return Recognition(tp, named.sum(axis=0) - tp, confusion.sum(axis=1) - tp, confusion)


def region_slots(case: Slots) -> dict[int, str]:
    """Return the reference's slots whose name is one of the ten regions."""
    return {slot: region for slot, region in case.expected.items() if region in REGION_NAMES}


def slot_accuracy(case: Slots) -> float:
    """Return the share of a case's slots that have the right name; NaN without slots."""
    expected = region_slots(case)
    if not expected:
        return float("nan")
    return float(np.mean([case.predicted.get(slot) == region for slot, region in expected.items()]))


def _column(name: str | None) -> int:
    return REGION_NAMES.index(name) if name in REGION_NAMES else _N


def accuracy_description(slots: Mapping[str, Slots]) -> str:
    """Describe the mean and standard deviation over cases of the slot accuracy, as published.

    Args:
        slots: Slots by case name.
    """
    values = np.array([slot_accuracy(case) for case in slots.values()])
    values = values[np.isfinite(values)]
    if not values.size:
        return "No case has slots for the ten regions."
    unknown = sum(len(case.expected) - len(region_slots(case)) for case in slots.values())
    ignored = f" {unknown:,} slots with unknown region names are not counted." if unknown else ""
    return (
        f"Mean accuracy over {values.size:,} cases {values.mean():.4f}, standard deviation {values.std():.4f}.{ignored}"
    )


def published_description(file: str, unattributed: int) -> str:
    """Describe counts that were recovered from the published lists.

    Args:
        file: Name of the file with the lists.
        unattributed: Missed slots whose predicted name is unknown.
    """
    return (
        f"Computed from the lists of false positives and false negatives in {file}, since the texts have no slots. If "
        "a case misses both lung and pleura and names both, they are assumed to be swapped. "
        f'{unattributed} missed slots whose predicted name cannot be determined are counted as "{OTHER_NAME}".'
    )


def recognition_table(recognition: Recognition, description: str) -> Table:
    """Return the rates of each region and the published means.

    Args:
        recognition: The counts.
        description: Where the counts come from.
    """
    rates = np.stack(recognition.rates, axis=1)
    rows: list[tuple[Cell, ...]] = [
        (name, int(recognition.tp[i]), int(recognition.fp[i]), int(recognition.fn[i]), *map(float, rates[i]))
        for i, name in enumerate(REGION_NAMES)
        if recognition.tp[i] + recognition.fp[i] + recognition.fn[i]
    ]
    averaged = [i for i, name in enumerate(REGION_NAMES) if name not in LOOKALIKES and recognition.confusion[i].any()]
    if averaged:
        means = [Spread(float(column[averaged].mean()), float(column[averaged].std())) for column in rates.T]
        rows.append(("mean without lung and pleura", None, None, None, *means))
    correct, slots = int(recognition.tp.sum()), int((recognition.tp + recognition.fn).sum())
    share = correct / max(slots, 1)
    text = f"{correct:,} of {slots:,} slots ({share:.4f}) have the right region name. {description}"
    columns = ("region", "true positives", "false positives", "false negatives", *RATE_NAMES)
    return Table("recognition", "Region recognition", text, columns, tuple(rows))


def confusion_table(recognition: Recognition, description: str) -> Table:
    """Return the confusion matrix: a row per true region, a column per predicted region.

    Args:
        recognition: The counts.
        description: Where the counts come from.
    """
    present = [i for i in range(_N) if recognition.confusion[i].any()]
    rows: list[tuple[Cell, ...]] = [(REGION_NAMES[i], *map(int, recognition.confusion[i])) for i in present]
    errors = recognition.confusion.copy()
    errors[np.diag_indices(_N)] = 0
    true, predicted = np.unravel_index(errors.argmax(), errors.shape)
    names = (*REGION_NAMES, OTHER_NAME)
    summary = "No region was confused with another."
    if errors.any():
        count, slots = errors[true, predicted], recognition.confusion[true].sum()
        summary = (
            f"Most frequent error: {names[true]} predicted as {names[predicted]}, {count:,} of {slots:,} slots "
            f"({count / slots:.0%})."
        )
    title = "Region confusion matrix"
    return Table("confusion", title, f"{summary} {description}", ("true region", *names), tuple(rows))

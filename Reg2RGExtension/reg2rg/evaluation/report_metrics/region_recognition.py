"""Region recognition (paper, Table III): whether each slot was given the right region's name, and whose name it got.

As published (reference C.2): accuracy per case over the reference's slots; a slot without a name, or with a name of
none of the ten regions, is missed. Plain fractions, 0 where undefined: the published code adds 1e-5 to denominators,
yet the published numbers agree to the last digit without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from reg2rg.evaluation.inputs.predictions import Slots
from reg2rg.evaluation.report_metrics.clinical_efficacy import Rates, precision_recall_f1
from reg2rg.evaluation.tables import Spread, Table
from reg2rg.regions import REGION_NAMES

NO_NAME = "none of the ten"
LOOKALIKES = ("lung", "pleura")
"""Left out of the published means: their masks are nearly the same."""


@dataclass(frozen=True)
class Recognition:
    """How slots were recognised.

    Attributes:
        tp, fp, fn: true positives, false positives, false negatives by region, (10,).
        swaps: (10, 11) counts of slots by true region and the one named; the last column is for names of none.
    """

    tp: np.ndarray
    fp: np.ndarray
    fn: np.ndarray
    swaps: np.ndarray

    @property
    def rates(self) -> Rates:
        """Precision, recall and F1, each (10,)."""
        return precision_recall_f1(self.tp, self.fp, self.fn)


def count_recognition(cases: Iterable[Slots]) -> Recognition:
    """Count the slots of cases."""
    swaps = np.zeros((len(REGION_NAMES), len(REGION_NAMES) + 1), int)
    for case in cases:
        for slot, region in known_slots(case).items():
            swaps[REGION_NAMES.index(region), _column(case.written.get(slot))] += 1
    named = swaps[:, : len(REGION_NAMES)]
    tp = np.diagonal(named)
    return Recognition(tp, named.sum(axis=0) - tp, swaps.sum(axis=1) - tp, swaps)


def known_slots(case: Slots) -> dict[int, str]:
    """The reference's slots of the ten regions."""
    return {slot: region for slot, region in case.expected.items() if region in REGION_NAMES}


def accuracy(case: Slots) -> float:
    """Share of the reference's slots that were given the right name; NaN without slots."""
    expected = known_slots(case)
    return float(np.mean([case.written.get(slot) == region for slot, region in expected.items()] or [np.nan]))


def _column(name: str | None) -> int:
    return REGION_NAMES.index(name) if name in REGION_NAMES else len(REGION_NAMES)


def recognition_table(recognition: Recognition, source: str) -> Table:
    """Precision, recall and F1 of each region and the published means."""
    rates = np.stack(recognition.rates, axis=1)
    rows = [
        (name, int(recognition.tp[i]), int(recognition.fp[i]), int(recognition.fn[i]), *map(float, rates[i]))
        for i, name in enumerate(REGION_NAMES)
        if recognition.tp[i] + recognition.fp[i] + recognition.fn[i]
    ]
    counted = [i for i, name in enumerate(REGION_NAMES) if name not in LOOKALIKES and recognition.swaps[i].any()]
    if counted:
        means = [Spread(float(column[counted].mean()), float(column[counted].std())) for column in rates.T]
        rows.append(("mean without lung and pleura", None, None, None, *means))
    right, slots = int(recognition.tp.sum()), int((recognition.tp + recognition.fn).sum())
    caption = f"{right:,} of {slots:,} slots ({right / max(slots, 1):.4f}) were given their region's name. {source}"
    columns = ("region", "right", "named wrongly", "missed", "precision", "recall", "F1")
    return Table("recognition", "Region recognition", caption, columns, tuple(rows))


def confusion_table(recognition: Recognition, source: str) -> Table:
    """Rows: what the slot was; columns: what it was taken for, with how many if none or another."""
    present = [i for i in range(len(REGION_NAMES)) if recognition.swaps[i].any()]
    rows = [(REGION_NAMES[i], *map(int, recognition.swaps[i])) for i in present]
    off = recognition.swaps.copy()
    off[np.diag_indices(len(REGION_NAMES))] = 0
    true, other = np.unravel_index(off.argmax(), off.shape)
    names = (*REGION_NAMES, NO_NAME)
    seen = f"No slot was taken for another. {source}"
    if off.any():
        share = off[true, other] / recognition.swaps[true].sum()
        seen = (
            f"The most frequent swap: {names[true]} taken for {names[other]}, {off[true, other]:,} of "
            f"{recognition.swaps[true].sum():,} slots ({share:.0%}). {source}"
        )
    return Table("swaps", "What regions were taken for", seen, ("region", *names), tuple(rows))


def accuracy_caption(slots: Mapping[str, Slots]) -> str:
    """Mean and deviation over cases of the share of slots recognised, as published."""
    values = np.array([accuracy(case) for case in slots.values()])
    values = values[np.isfinite(values)]
    if not values.size:
        return "No case has slots of the ten regions."
    unknown = sum(len(case.expected) - len(known_slots(case)) for case in slots.values())
    left_out = f" {unknown:,} slots of none of the ten regions are not counted." if unknown else ""
    return (
        f"Mean accuracy of {values.size:,} cases {values.mean():.4f}, standard deviation {values.std():.4f}.{left_out}"
    )


def published_caption(file: str, unattributed: int) -> str:
    """Where the numbers come from if not from texts."""
    return (
        f"From the lists of false positives and negatives in {file}, since the texts tell no slots. Where a case "
        f"misses and names both lung and pleura, they are taken to be swapped with each other; {unattributed} missed "
        "slots whose wrong name the lists do not tell stand under none."
    )

"""Tables of region recognition: each region, and which region was taken for which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from reg2rg.evaluation.predictions import Slots
from reg2rg.evaluation.recognition import LOOK_ALIKE, NO_NAME, Recognition, accuracy, known_slots
from reg2rg.evaluation.tables import Spread, Table
from reg2rg.regions import REGION_NAMES


def recognition_table(recognition: Recognition, source: str) -> Table:
    """Precision, recall and F1 of each region and the published means."""
    rates = np.stack(recognition.rates, axis=1)
    rows = [
        (name, int(recognition.tp[i]), int(recognition.fp[i]), int(recognition.fn[i]), *map(float, rates[i]))
        for i, name in enumerate(REGION_NAMES)
        if recognition.tp[i] + recognition.fp[i] + recognition.fn[i]
    ]
    counted = [i for i, name in enumerate(REGION_NAMES) if name not in LOOK_ALIKE and recognition.swaps[i].any()]
    if counted:
        means = [Spread(float(column[counted].mean()), float(column[counted].std())) for column in rates.T]
        rows.append(("mean without lung and pleura", None, None, None, *means))
    right, slots = int(recognition.tp.sum()), int((recognition.tp + recognition.fn).sum())
    caption = f"{right:,} of {slots:,} slots ({right / max(slots, 1):.4f}) were given their region's name. {source}"
    columns = ("region", "right", "named wrongly", "missed", "precision", "recall", "F1")
    return Table("recognition", "Region recognition", caption, columns, tuple(rows))


def swaps_table(recognition: Recognition, source: str) -> Table:
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


def printed_caption(file: str, untold: int) -> str:
    """Where the numbers come from if not from texts."""
    return (
        f"From the lists of false positives and negatives in {file}, since the texts tell no slots. Where a case "
        f"misses and names both lung and pleura, they are taken to be swapped with each other; {untold} missed slots "
        "whose wrong name the lists do not tell stand under none."
    )

"""Region recognition (paper, Table III): whether each slot was given the right region's name, and whose name it got.

As published (reference C.2): accuracy per case over the reference's slots; a slot without a name, or with a name of
none of the ten regions, is missed. Plain fractions, 0 where undefined: the published code adds 1e-5 to denominators,
yet the published numbers agree to the last digit without it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from reg2rg.evaluation.clinical import Rates, rates_of
from reg2rg.evaluation.predictions import Slots
from reg2rg.regions import REGION_NAMES

NO_NAME = "none of the ten"
LOOK_ALIKE = ("lung", "pleura")
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
        return rates_of(self.tp, self.fp, self.fn)


def recognise(cases: Iterable[Slots]) -> Recognition:
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

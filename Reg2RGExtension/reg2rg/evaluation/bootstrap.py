"""How sure a number is, and whether two systems differ: resampling of cases.

Cases are resampled, never sections: sections of one patient are alike. Every statistic here is a function of sums over
cases (a mean is a sum over a count, an F1 comes from counts), so that a resample is one product of matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reg2rg.evaluation.tables import Interval

RESAMPLES = 1000
PERMUTATIONS = 5000


@dataclass(frozen=True)
class Statistic:
    """A number that depends on cases only through sums.

    Attributes:
        sums: what each case adds, (cases, k).
        value: of sums (..., k), (...,); NaN where there is nothing to measure.
    """

    sums: np.ndarray
    value: Callable[[np.ndarray], np.ndarray]

    @property
    def point(self) -> float:
        """The number itself."""
        return float(self.value(self.sums.sum(axis=0)))


def mean_statistic(values: Sequence[float], owners: Sequence[int], cases: int) -> Statistic:
    """The mean of values, each of which belongs to the case of that index."""
    sums = np.zeros((cases, 2))
    np.add.at(sums, np.asarray(owners, int), np.stack([np.asarray(values, float), np.ones(len(values))], axis=1))
    return Statistic(sums, ratio)


def ratio(sums: np.ndarray) -> np.ndarray:
    """First sum over second, NaN where that is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


class Bootstrap:
    """The same resamples for every number of an evaluation."""

    def __init__(self, cases: int, seed: int) -> None:
        self._generator = np.random.default_rng(seed)
        self._weights = self._generator.multinomial(cases, np.full(cases, 1 / cases), RESAMPLES).astype(float)
        self._swapped = (self._generator.random((PERMUTATIONS, cases)) < 0.5).astype(np.float32)

    def interval(self, statistic: Statistic) -> Interval:
        """95% percentile interval. Resamples in which there is nothing to measure do not count."""
        return self._interval(statistic.point, statistic.value(self._weights @ statistic.sums))

    def difference(self, first: Statistic, second: Statistic) -> tuple[Interval, float]:
        """``first`` minus ``second`` on the same cases, and its p-value.

        The interval comes from resamples of the cases, the two-sided p from swapping the two systems' results of
        random cases (approximate randomisation): how often does a difference of this size arise by chance?
        """
        drawn = first.value(self._weights @ first.sums) - second.value(self._weights @ second.sums)
        point = first.point - second.point
        moved = self._swapped @ (second.sums - first.sums)
        swapped = first.value(first.sums.sum(axis=0) + moved) - second.value(second.sums.sum(axis=0) - moved)
        as_large = np.count_nonzero(np.abs(swapped) >= abs(point) - 1e-9)
        return self._interval(point, drawn), (1 + as_large) / (1 + PERMUTATIONS)

    @staticmethod
    def _interval(point: float, drawn: np.ndarray) -> Interval:
        drawn = drawn[np.isfinite(drawn)]
        if np.isnan(point) or not drawn.size:
            return Interval(point, float("nan"), float("nan"))
        low, high = np.percentile(drawn, [2.5, 97.5])
        return Interval(point, float(low), float(high))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm, 1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = largest
    return corrected

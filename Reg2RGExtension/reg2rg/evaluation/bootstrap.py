"""Confidence intervals and significance tests by resampling cases.

Cases are resampled, not sections, because the sections of one patient are not independent. Every statistic is a
function of sums over cases (a mean is a sum divided by a count; F1 is computed from counts), so all resamples are
computed with one matrix product.
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
    """A number that depends on the cases only through sums over the cases.

    Attributes:
        sums: Contribution of each case, (cases, k).
        value: Function from sums (..., k) to values (...,); NaN where there is nothing to measure.
    """

    sums: np.ndarray
    value: Callable[[np.ndarray], np.ndarray]

    @property
    def point(self) -> float:
        """The value over all cases."""
        return float(self.value(self.sums.sum(axis=0)))


def mean_statistic(values: Sequence[float] | np.ndarray, owners: Sequence[int] | np.ndarray, cases: int) -> Statistic:
    """Return the mean of values as a statistic of the cases.

    Args:
        values: Values to average.
        owners: Case index of each value.
        cases: Number of cases.
    """
    sums = np.zeros((cases, 2))
    np.add.at(sums, np.asarray(owners, int), np.stack([np.asarray(values, float), np.ones(len(values))], axis=1))
    return Statistic(sums, ratio)


def ratio(sums: np.ndarray) -> np.ndarray:
    """Divide the first sum by the second; NaN where the second is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


class Bootstrap:
    """Resamples of the cases, shared by all numbers of an evaluation."""

    def __init__(self, cases: int, seed: int) -> None:
        """Draw the resamples and permutations.

        Args:
            cases: Number of cases.
            seed: Random seed.
        """
        self._rng = np.random.default_rng(seed)
        self._weights = self._rng.multinomial(cases, np.full(cases, 1 / cases), RESAMPLES).astype(float)
        self._swapped = (self._rng.random((PERMUTATIONS, cases)) < 0.5).astype(np.float32)

    def interval(self, statistic: Statistic) -> Interval:
        """Return a statistic with its 95% percentile interval.

        Resamples in which there is nothing to measure are ignored.
        """
        return self._interval(statistic.point, statistic.value(self._weights @ statistic.sums))

    def difference(self, first: Statistic, second: Statistic) -> tuple[Interval, float]:
        """Return ``first`` minus ``second`` over the same cases, and the two-sided p-value.

        The interval comes from resampling cases. The p-value comes from approximate randomization: the results of the
        two systems are swapped for random cases, and p is the frequency of a difference at least as large as observed.
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
    """Adjust p-values for multiple testing (Holm, Scand J Stat 1979), keeping their order."""
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = largest
    return adjusted

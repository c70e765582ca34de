"""The texts of an evaluation, grouped as its tables show them, with resamples of their cases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from reg2rg.evaluation.bootstrap import Bootstrap, Statistic, mean_statistic
from reg2rg.evaluation.inputs.predictions import Level, TextPair
from reg2rg.evaluation.tables import Interval
from reg2rg.regions import REGION_NAMES

ALL = {Level.REPORT: "all reports", Level.REGION: "all sections"}


class Corpus:
    """Pairs and who they belong to.

    Attributes:
        pairs: the texts.
        cases: names of the cases, in order.
        owners: (pairs,) index of each pair's case.
    """

    def __init__(self, pairs: Sequence[TextPair], level: Level, seed: int) -> None:
        self.pairs = tuple(pairs)
        self.level = level
        self.cases = tuple(dict.fromkeys(pair.case for pair in pairs))
        index = {name: number for number, name in enumerate(self.cases)}
        self.owners = np.array([index[pair.case] for pair in pairs])
        self._seed = seed

    @cached_property
    def bootstrap(self) -> Bootstrap:
        """Resamples of the cases."""
        return Bootstrap(len(self.cases), self._seed)

    @property
    def groups(self) -> dict[str, np.ndarray]:
        """Name -> indices of pairs: each region that has any, in the published order, then all."""
        regions = np.array([pair.region or "" for pair in self.pairs])
        groups = {name: np.flatnonzero(regions == name) for name in REGION_NAMES if name in regions}
        return {**groups, ALL[self.level]: np.arange(len(self.pairs))}

    def mean(self, values: np.ndarray, chosen: np.ndarray) -> Interval:
        """Mean of the values (pairs,) of the chosen pairs."""
        return self.interval(mean_statistic(values[chosen], self.owners[chosen], len(self.cases)))

    def interval(self, statistic: Statistic) -> Interval:
        """A statistic of the cases with its interval."""
        return self.bootstrap.interval(statistic)

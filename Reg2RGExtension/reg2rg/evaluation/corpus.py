"""The paired texts of an evaluation, grouped by region, with bootstrap resamples of their cases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from reg2rg.evaluation.bootstrap import Bootstrap, Statistic, mean_statistic
from reg2rg.evaluation.inputs.predictions import Level, TextPair
from reg2rg.evaluation.tables import Interval
from reg2rg.regions import REGION_NAMES

ALL_TEXTS = {Level.REPORT: "all reports", Level.REGION: "all sections"}
"""Name of the group that contains every text."""


class Corpus:
    """Pairs of texts and the cases they belong to.

    Attributes:
        pairs: The paired texts.
        level: Whether a text is a whole report or the section of one region.
        cases: Names of the cases, in order of first appearance.
        owners: Case index of each pair, (pairs,).
    """

    def __init__(self, pairs: Sequence[TextPair], level: Level, seed: int) -> None:
        """Index the pairs by case.

        Args:
            pairs: The paired texts.
            level: Whether a text is a whole report or the section of one region.
            seed: Random seed of the bootstrap.
        """
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
        """Group name -> indices of its pairs: each region present, in published order, then all texts."""
        regions = np.array([pair.region or "" for pair in self.pairs])
        groups = {name: np.flatnonzero(regions == name) for name in REGION_NAMES if name in regions}
        return {**groups, ALL_TEXTS[self.level]: np.arange(len(self.pairs))}

    def texts(self, group: np.ndarray) -> tuple[list[str], list[str]]:
        """Return the references and the predictions of a group of pairs, given by their indices."""
        pairs = [self.pairs[index] for index in group]
        return [pair.reference for pair in pairs], [pair.prediction for pair in pairs]

    def mean(self, values: np.ndarray, group: np.ndarray) -> Interval:
        """Return the mean over a group of pairs with its interval.

        Args:
            values: One value per pair of the corpus, (pairs,).
            group: Indices of the pairs to average.
        """
        return self.interval(mean_statistic(values[group], self.owners[group], len(self.cases)))

    def interval(self, statistic: Statistic) -> Interval:
        """Return a statistic of the cases with its interval."""
        return self.bootstrap.interval(statistic)

"""Whether a volume is like those a model was trained on, by what its vision tokens look like.

For each region the mean of its vision tokens is compared with those of the training cases: its Mahalanobis distance
along their main directions, and what lies outside of these. Both are 1 on average for a training case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle, islice

import torch
from torch import Tensor, nn

from reg2rg.regions import REGION_NAMES

VALIDATION_CASES = 128
"""Whose distances are kept, so that a limit can be had for any selection of regions."""

UNKNOWN = 65504.0
"""A distance that none exceeds, the largest half: nothing is unfamiliar before the check was fitted."""


@dataclass(frozen=True)
class Familiarity:
    """How far a volume is from the training cases.

    Attributes:
        distance: about 1 for a training case.
        limit: what 99 of 100 validation cases stay below.
    """

    distance: float
    limit: float

    @property
    def familiar(self) -> bool:
        return self.distance <= self.limit


class OODDetector(nn.Module):
    """Statistics of the training cases, ``directions`` main directions a region, and distances of validation cases."""

    def __init__(self, dim: int, directions: int) -> None:
        super().__init__()
        regions = len(REGION_NAMES)
        self.centres = _stored(torch.zeros(regions, dim))
        self.directions = _stored(torch.zeros(regions, directions, dim))
        self.spreads = _stored(torch.ones(regions, directions))
        self.residuals = _stored(torch.ones(regions))
        self.usual = _stored(torch.full((VALIDATION_CASES, regions), UNKNOWN))

    def forward(self, means: Mapping[str, Tensor]) -> Familiarity:
        """The volume whose regions' tokens have these means (dim).

        Compared with the same regions of the validation cases: a report of one region has a limit of its own.
        """
        indices = [REGION_NAMES.index(name) for name in means]
        distances = [self._distance(index, mean.float()) for index, mean in zip(indices, means.values(), strict=True)]
        usual = self.usual[:, indices].float().nanmean(dim=1)
        usual = usual[~usual.isnan()]
        limit = float(usual.quantile(0.99)) if len(usual) else UNKNOWN
        return Familiarity(float(torch.stack(distances).mean()), limit)

    @torch.no_grad()
    def fit(self, training: list[Mapping[str, Tensor]], validation: list[Mapping[str, Tensor]]) -> None:
        """Take the statistics of training cases and the distances of validation cases, each once or more often."""
        for index, name in enumerate(REGION_NAMES):
            known = [case[name].float() for case in training if name in case]
            if len(known) <= self.directions.shape[1]:
                continue  # too few to know what is usual: such a region counts as it was initialised, hardly at all
            means = torch.stack(known)
            centre = means.mean(dim=0)
            _, spreads, directions = torch.linalg.svd(means - centre, full_matrices=False)
            count = self.directions.shape[1]
            self.centres[index], self.directions[index] = centre, directions[:count]
            self.spreads[index] = spreads[:count] / len(means) ** 0.5
            outside = (means - centre) - (means - centre) @ directions[:count].T @ directions[:count]
            self.residuals[index] = outside.square().sum(dim=1).mean().sqrt()
        for row, case in enumerate(islice(cycle(validation), VALIDATION_CASES)):
            for index, name in enumerate(REGION_NAMES):
                self.usual[row, index] = self._distance(index, case[name].float()) if name in case else torch.nan

    def _distance(self, region: int, mean: Tensor) -> Tensor:
        offset = mean - self.centres[region]
        along = self.directions[region] @ offset
        outside = (offset - along @ self.directions[region]).norm() / self.residuals[region].clamp(min=1e-4)
        inside = (along / self.spreads[region].clamp(min=1e-4)).square().mean().sqrt()
        return ((inside.square() + outside.square()) / 2).sqrt()


def _stored(values: Tensor) -> nn.Parameter:
    """Saved and loaded with the weights, never trained."""
    return nn.Parameter(values, requires_grad=False)

"""Out-of-distribution detector, which uses vision tokens to measure how far a volume is from the training data.

The training data consists of one or more kinds of volumes, such as phantoms and CTs. A volume is compared with each
kind, and belongs to the nearest one.

For each region, the mean of the volume's vision tokens is compared with the means of the training cases. The distance
combines the Mahalanobis distance along the principal directions of the training means with the residual outside them.
The region that is farthest, compared with validation cases, decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice

import torch
from torch import Tensor, nn

from reg2rg.regions import REGION_NAMES
from reg2rg.report import OutOfDistribution

NUM_VALIDATION_CASES = 128
"""Number of validation cases whose distances are stored, so that a limit can be computed for any set of regions."""

UNFITTED_DISTANCE = 65504.0
"""Validation distance before fitting: the largest float16, so that no volume is flagged."""

_LIMIT_QUANTILE = 0.95


class OODDetector(nn.Module):
    """Statistics of the vision tokens of each kind of training volumes.

    Attributes:
        names: names of the kinds.
        kinds: their statistics, in the same order.
    """

    def __init__(self, dim: int, directions: int, names: Sequence[str] = ("",)) -> None:
        """Initialize the statistics of an unfitted detector.

        Args:
            dim: width of the vision tokens.
            directions: number of principal directions per region.
            names: names of the kinds.
        """
        super().__init__()
        self.names = tuple(names)
        self.kinds = nn.ModuleList(KindStatistics(dim, directions) for _ in names)

    def forward(self, means: Mapping[str, Tensor]) -> OutOfDistribution:
        """Measure the distance of a volume from the nearest kind of training volumes.

        Args:
            means: region name -> mean (dim,) of the region's vision tokens.
        """
        measured = [(*kind(means), name) for kind, name in zip(self.kinds, self.names, strict=True)]
        distance, limit, name = min(measured, key=lambda each: each[0] / each[1])
        return OutOfDistribution(distance, limit, name)

    def fit(
        self, kind: int, training: Sequence[Mapping[str, Tensor]], validation: Sequence[Mapping[str, Tensor]]
    ) -> None:
        """Fit the statistics of one kind; see :meth:`KindStatistics.fit`."""
        statistics = self.kinds[kind]
        assert isinstance(statistics, KindStatistics)
        statistics.fit(training, validation)


class KindStatistics(nn.Module):
    """Statistics of the vision tokens of one kind of training volumes, R regions each.

    The statistics are buffers: they are saved with the weights and fitted, but not trained.

    Attributes:
        means: (R, dim) mean of the training means.
        directions: (R, directions, dim) principal directions.
        stds: (R, directions) standard deviations along them.
        residuals: (R,) root mean square of the distance outside them.
        validation_distances: (NUM_VALIDATION_CASES, R); NaN where a case lacks the region.
    """

    means: Tensor
    directions: Tensor
    stds: Tensor
    residuals: Tensor
    validation_distances: Tensor

    def __init__(self, dim: int, directions: int) -> None:
        """Initialize unfitted statistics.

        Args:
            dim: width of the vision tokens.
            directions: number of principal directions per region.
        """
        super().__init__()
        regions = len(REGION_NAMES)
        self.register_buffer("means", torch.zeros(regions, dim))
        self.register_buffer("directions", torch.zeros(regions, directions, dim))
        self.register_buffer("stds", torch.ones(regions, directions))
        self.register_buffer("residuals", torch.ones(regions))
        self.register_buffer("validation_distances", torch.full((NUM_VALIDATION_CASES, regions), UNFITTED_DISTANCE))

    def forward(self, means: Mapping[str, Tensor]) -> tuple[float, float]:
        """Measure the distance of a volume from the training volumes.

        The region that is farthest counts, because most regions of an unusual volume may look as usual.

        Args:
            means: region name -> mean (dim,) of the region's vision tokens.

        Returns:
            The largest distance of the given regions, each relative to the median of the validation cases; and the
            limit that 95% of the validation cases stay below over the same regions.
        """
        indices = [REGION_NAMES.index(name) for name in means]
        distances = [self._distance(index, mean) for index, mean in zip(indices, means.values(), strict=True)]
        reference = self.validation_distances[:, indices].float()
        typical = reference.nanmedian(dim=0).values
        known = ~typical.isnan()
        if not known.any():
            return 0.0, 1.0
        largest = (reference / typical)[:, known].nan_to_num(nan=-torch.inf).amax(dim=1)
        limit = float(largest[largest.isfinite()].quantile(_LIMIT_QUANTILE))
        return float((torch.stack(distances) / typical)[known].max()), limit

    @torch.no_grad()
    def fit(self, training: Sequence[Mapping[str, Tensor]], validation: Sequence[Mapping[str, Tensor]]) -> None:
        """Fit the statistics.

        A region with no more training cases than directions keeps its initial statistics.

        Args:
            training: for each training volume, region name -> mean (dim,) of the region's vision tokens.
            validation: the same for validation cases. They are repeated if there are fewer than NUM_VALIDATION_CASES.
        """
        count = self.directions.shape[1]
        for index, name in enumerate(REGION_NAMES):
            known = [case[name].float() for case in training if name in case]
            if len(known) <= count:
                continue
            samples = torch.stack(known)
            mean = samples.mean(dim=0)
            offsets = samples - mean
            _, singular_values, directions = torch.linalg.svd(offsets, full_matrices=False)
            self.means[index], self.directions[index] = mean, directions[:count]
            self.stds[index] = singular_values[:count] / len(samples) ** 0.5
            outside = offsets - offsets @ directions[:count].T @ directions[:count]
            self.residuals[index] = outside.square().sum(dim=1).mean().sqrt()
        for row, case in enumerate(islice(cycle(validation), NUM_VALIDATION_CASES)):
            for index, name in enumerate(REGION_NAMES):
                distance = self._distance(index, case[name]) if name in case else torch.nan
                self.validation_distances[row, index] = distance

    def _distance(self, region: int, mean: Tensor) -> Tensor:
        offset = mean.to(self.means) - self.means[region]
        along = self.directions[region] @ offset
        outside = (offset - along @ self.directions[region]).norm() / self.residuals[region].clamp(min=1e-4)
        inside = (along / self.stds[region].clamp(min=1e-4)).square().mean().sqrt()
        return ((inside.square() + outside.square()) / 2).sqrt()

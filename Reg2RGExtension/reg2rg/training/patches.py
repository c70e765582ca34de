"""Windows of regions around their findings: what a small finding looks like is learned many times faster from them.

A lung nodule is ten voxels in half a million; a step over whole regions spends nearly all its time on the others.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

import numpy as np

from reg2rg.models.config import Size
from reg2rg.training.samples import RegionSample, TrainingCase

ELSEWHERE_SHARE = 0.35
"""Of the regions, from how many a window anywhere is taken, too: it shows what a finding does not look like."""


def finding_windows(cases: Sequence[TrainingCase], size: Size, chance: random.Random) -> list[RegionSample]:
    """A window of at most ``size`` voxels around each finding, and some elsewhere, of regions with finding masks."""
    samples = (sample for case in cases for sample in case.regions if sample.cells is not None)
    return [window(sample, cell, size, chance) for sample in samples for cell in _centres(sample, chance)]


def window(sample: RegionSample, cell: Sequence[int], size: Size, chance: random.Random) -> RegionSample:
    """A window of a region with a cell of its finding map somewhere in it.

    It asserts the findings that lie in it, and nothing of side, level and size, which a window does not show.
    """
    grid = sample.cells.shape
    voxels = [texture // cells for texture, cells in zip(sample.texture.shape, grid, strict=True)]
    spans, texture_spans = [], []
    for at, cells, per_cell, wanted in zip(cell, grid, voxels, size, strict=True):
        length = min(wanted // per_cell, cells)
        start = min(max(at - chance.randrange(length), 0), cells - length)
        spans.append(slice(start, start + length))
        texture_spans.append(slice(start * per_cell, (start + length) * per_cell))
    cells = sample.cells[tuple(spans)]
    labels = np.where(np.isnan(sample.labels), sample.labels, 0)
    labels[np.unique(cells[cells > 0]) - 1] = 1
    unknown = np.full_like(sample.sides, -1)
    return dataclasses.replace(
        sample,
        texture=sample.texture[tuple(texture_spans)],
        labels=labels,
        sides=unknown,
        levels=unknown,
        sizes=np.full_like(sample.sizes, np.nan),
        cells=cells,
    )


def _centres(sample: RegionSample, chance: random.Random) -> Iterator[tuple[int, ...]]:
    """A cell of each finding, and sometimes any cell."""
    for label in np.unique(sample.cells[sample.cells > 0]):
        yield tuple(chance.choice(np.argwhere(sample.cells == label)))
    if chance.random() < ELSEWHERE_SHARE:
        yield tuple(chance.randrange(n) for n in sample.cells.shape)

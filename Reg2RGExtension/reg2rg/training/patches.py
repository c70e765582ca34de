"""Patches around findings, which teach a model what small findings look like much faster than whole regions do.

A lung nodule is ten voxels in half a million. A step over whole regions spends nearly all of its time on other voxels.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence

import numpy as np

from reg2rg.models.config import Size
from reg2rg.training.samples import IGNORED_CELL, RegionSample, TrainingCase

RANDOM_PATCH_SHARE = 0.35
"""Share of regions that get an additional patch at a random place, which shows what a finding does not look like."""


def finding_patches(cases: Sequence[TrainingCase], size: Size, rng: random.Random) -> list[RegionSample]:
    """Extract a patch around each finding, and some at random places, from regions that have finding masks.

    Args:
        cases: the cases.
        size: maximum size of a patch in voxels.
        rng: source of randomness.

    Returns:
        The patches.
    """
    patches = []
    for case in cases:
        for sample in case.regions:
            if sample.cells is not None:
                patches += [extract_patch(sample, cell, size, rng) for cell in _patch_cells(sample.cells, rng)]
    return patches


def extract_patch(sample: RegionSample, cell: Sequence[int], size: Size, rng: random.Random) -> RegionSample:
    """Extract a patch that contains a given cell of a region's finding map, at a random place within the patch.

    Args:
        sample: a region with finding masks.
        cell: index of the cell.
        size: maximum size of the patch in voxels.
        rng: source of randomness.

    Returns:
        The patch. It asserts the findings inside it. Side, level and size are unknown, because a patch does not show
        them.
    """
    if sample.cells is None:
        raise ValueError("The region has no finding masks.")
    grid = sample.cells.shape
    voxels_per_cell = [texture // cells for texture, cells in zip(sample.texture.shape, grid, strict=True)]
    cell_slices, texture_slices = [], []
    for index, cells_in_all, voxels, wanted in zip(cell, grid, voxels_per_cell, size, strict=True):
        length = min(wanted // voxels, cells_in_all)
        start = min(max(index - rng.randrange(length), 0), cells_in_all - length)
        cell_slices.append(slice(start, start + length))
        texture_slices.append(slice(start * voxels, (start + length) * voxels))
    cells = sample.cells[tuple(cell_slices)]
    labels = np.where(np.isnan(sample.labels), sample.labels, 0)
    labels[_labels_in(cells)] = 1
    unknown = np.full_like(sample.sides, -1)
    return dataclasses.replace(
        sample,
        texture=sample.texture[tuple(texture_slices)],
        labels=labels,
        sides=unknown,
        levels=unknown,
        sizes=np.full_like(sample.sizes, np.nan),
        cells=cells,
    )


def _patch_cells(cells: np.ndarray, rng: random.Random) -> Iterator[tuple[int, ...]]:
    """Yield a random cell of each finding and, for some regions, any cell."""
    for label in _labels_in(cells):
        yield tuple(rng.choice(np.argwhere(cells == 1 + label)))
    if rng.random() < RANDOM_PATCH_SHARE:
        yield tuple(rng.randrange(n) for n in cells.shape)


def _labels_in(cells: np.ndarray) -> np.ndarray:
    """Return the indices of the labels that have cells."""
    values = np.unique(cells)
    return values[(values > 0) & (values != IGNORED_CELL)] - 1

"""Finding maps on the volume's grid: only the voxels that matter are ever computed."""

from __future__ import annotations

import numpy as np

from reg2rg.segmentation.masks import Box


def voxels_around(cells: Box, grid: tuple[int, ...], shape: tuple[int, ...]) -> Box:
    """The part of a crop of ``shape`` voxels whose values depend on the given cells of a ``grid`` over it."""
    spans = []
    for span, count, length in zip(cells, grid, shape, strict=True):
        first, end = (span.start - 0.5) * length / count, (span.stop + 0.5) * length / count
        spans.append(slice(max(0, int(first)), min(length, int(np.ceil(end)))))
    return tuple(spans)


def above(values: np.ndarray, level: float, shape: tuple[int, ...], part: Box) -> np.ndarray:
    """Where a map (z, y, x) reaches a level, on ``part`` of the ``shape`` voxels it lies over; boolean, linear between
    the centres of its cells, like Crop.to_volume."""
    z, y, x = (_weights(*lengths) for lengths in zip(values.shape, shape, part, strict=True))
    result = np.empty([len(weights) for weights in (z, y, x)], bool)
    rows = np.einsum("yj,ijk,xk->iyx", y, values, x, optimize=True)
    for index, weights in enumerate(z):
        lower, upper = np.flatnonzero(weights)[[0, -1]]
        plane = weights[lower] * rows[lower]
        if upper != lower:
            plane += weights[upper] * rows[upper]
        np.greater_equal(plane, level, out=result[index])
    return result


def _weights(count: int, length: int, span: slice) -> np.ndarray:
    """What each of ``count`` cells gives to each voxel of a span of the ``length`` voxels over them, (span, count)."""
    place = ((np.arange(span.start, span.stop) + 0.5) * count / length - 0.5).clip(0, count - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(count))).astype(np.float32)

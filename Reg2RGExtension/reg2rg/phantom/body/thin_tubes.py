"""Many thin tubes at once: vessels and bronchi whose volume is spread over the voxels they cross."""

from __future__ import annotations

from itertools import product

import numpy as np

from reg2rg.phantom.body.canvas import Canvas

_THICK_VOXELS = 0.55
"""Radius, in voxels, above which a tube is drawn as a solid shape."""


def thin_tube_coverage(canvas: Canvas, starts: np.ndarray, ends: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Compute the coverage of straight tubes.

    Tubes thicker than a voxel are drawn one by one. All others are sampled along their length, and the volume of each
    sample is distributed trilinearly to the eight voxels around it.

    Args:
        canvas: the grid.
        starts: (N, 3) in mm.
        ends: (N, 3) in mm.
        radii: (N,) in mm.

    Returns:
        Covered fraction of each voxel, float32 (z, y, x).
    """
    voxel_width = float(np.prod(canvas.spacing)) ** (1 / 3)
    thick = radii > _THICK_VOXELS * voxel_width
    coverage = _spread_volume(canvas, starts[~thick], ends[~thick], radii[~thick], 0.6 * min(canvas.spacing))
    for start, end, radius in zip(starts[thick], ends[thick], radii[thick], strict=True):
        shape = canvas.segment(start, end, radius, radius)
        part = coverage[shape.box]
        np.maximum(part, shape.coverage, out=part)
    return coverage


def _spread_volume(
    canvas: Canvas, starts: np.ndarray, ends: np.ndarray, radii: np.ndarray, step_mm: float
) -> np.ndarray:
    """Distribute the tubes' volume, sampled every ``step_mm``, to the voxels around each sample, (z, y, x)."""
    lengths = np.linalg.norm(ends - starts, axis=1)
    counts = np.maximum(np.ceil(lengths / step_mm), 1).astype(int)
    tube_of_sample = np.repeat(np.arange(len(counts)), counts)
    first_sample = np.cumsum(counts) - counts
    fraction = (np.arange(len(tube_of_sample)) - first_sample[tube_of_sample] + 0.5) / counts[tube_of_sample]
    points = starts[tube_of_sample] + fraction[:, None] * (ends - starts)[tube_of_sample]
    volume = (np.pi * radii**2 * lengths / counts)[tube_of_sample] / np.prod(canvas.spacing)
    position = (points - canvas.origin) / canvas.spacing
    size = np.array(canvas.shape[::-1])
    inside = np.all((position > 0) & (position < size - 1), axis=1)
    position, volume = position[inside], volume[inside]
    base = np.floor(position).astype(np.int64)
    fraction = position - base
    flat_index = (base[:, 2] * size[1] + base[:, 1]) * size[0] + base[:, 0]
    total = np.zeros(int(size.prod()), np.float32)
    for corner in product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, fraction, 1 - fraction), axis=1) * volume
        offset = (corner[2] * size[1] + corner[1]) * size[0] + corner[0]
        np.add.at(total, flat_index + offset, weight.astype(np.float32))
    return np.minimum(total.reshape(canvas.shape), 1)

"""Many thin tubes at once: vessels and bronchi thinner than a voxel, as mass spread over the voxels they pass."""

from __future__ import annotations

from itertools import product

import numpy as np

from reg2rg.phantom.body.canvas import Canvas, Shape


def thread_coverage(canvas: Canvas, starts: np.ndarray, ends: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Coverage (z, y, x) of straight tubes; starts and ends are (N, 3) in mm, radii (N,).

    Tubes thicker than a voxel are drawn as such. The others are sampled along their length; each sample's volume goes
    to the eight voxels around it.
    """
    width = float(np.prod(canvas.spacing)) ** (1 / 3)
    thick = radii > 0.55 * width
    coverage = _spread(canvas, starts[~thick], ends[~thick], radii[~thick], 0.6 * min(canvas.spacing))
    for start, end, radius in zip(starts[thick], ends[thick], radii[thick], strict=True):
        shape: Shape = canvas.segment(start, end, radius, radius)
        part = coverage[shape.box]
        np.maximum(part, shape.coverage, out=part)
    return coverage


def _spread(canvas: Canvas, starts: np.ndarray, ends: np.ndarray, radii: np.ndarray, step: float) -> np.ndarray:
    lengths = np.linalg.norm(ends - starts, axis=1)
    counts = np.maximum(np.ceil(lengths / step), 1).astype(int)
    which = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    share = (np.arange(len(which)) - first[which] + 0.5) / counts[which]
    points = starts[which] + share[:, None] * (ends - starts)[which]
    volume = (np.pi * radii**2 * lengths / counts)[which] / np.prod(canvas.spacing)
    place = (points - canvas.origin) / canvas.spacing
    size = np.array(canvas.shape[::-1])
    inside = np.all((place > 0) & (place < size - 1), axis=1)
    place, volume = place[inside], volume[inside]
    base = np.floor(place).astype(np.int64)
    share = place - base
    flat = (base[:, 2] * size[1] + base[:, 1]) * size[0] + base[:, 0]
    total = np.zeros(int(size.prod()), np.float32)
    for corner in product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, share, 1 - share), axis=1) * volume
        offset = (corner[2] * size[1] + corner[1]) * size[0] + corner[0]
        np.add.at(total, flat + offset, weight.astype(np.float32))
    return np.minimum(total.reshape(canvas.shape), 1)

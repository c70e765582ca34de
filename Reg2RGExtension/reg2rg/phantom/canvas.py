"""A voxel grid to paint soft-edged shapes on, each evaluated in its own bounding box."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import SimpleITK as sitk

Point = Sequence[float]
"""x, y, z in mm, LPS: x grows to the patient's left, y to posterior, z to superior."""


@dataclass(frozen=True)
class Shape:
    """A part of the grid and how much of each of its voxels (z, y, x) is covered, 0 to 1."""

    box: tuple[slice, slice, slice]
    coverage: np.ndarray

    def within(self, coverage: np.ndarray) -> Shape:
        """This shape cut by another coverage, given on the whole grid."""
        return Shape(self.box, self.coverage * coverage[self.box])


class Canvas:
    """HU on a grid aligned with LPS axes.

    Attributes:
        hu: float32 (z, y, x).
        x, y, z: voxel centres in mm, shaped to broadcast against ``hu``.
    """

    def __init__(self, size: Sequence[int], spacing: Sequence[float], origin: Point) -> None:
        self.spacing = tuple(float(s) for s in spacing)
        self.origin = tuple(float(o) for o in origin)
        axes = [
            np.float32(o) + np.float32(s) * np.arange(n, dtype=np.float32)
            for n, s, o in zip(size, spacing, origin, strict=True)
        ]
        self.x, self.y, self.z = axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]
        self.hu = np.full(tuple(size)[::-1], -1000, np.float32)
        self._softness = 1 / float(np.mean(spacing))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        return self.hu.shape

    def box(self, lowest: Point, highest: Point) -> tuple[slice, slice, slice]:
        """Slices (z, y, x) of the voxels between two corners, one voxel wider on each side."""
        start = np.floor(np.subtract(lowest, self.origin) / self.spacing) - 1
        stop = np.ceil(np.subtract(highest, self.origin) / self.spacing) + 2
        count = self.shape[::-1]
        edges = np.clip((start, np.maximum(start, stop)), 0, count).astype(int)
        return tuple(slice(first, last) for first, last in edges.T[::-1].tolist())

    def soften(self, distance: np.ndarray) -> np.ndarray:
        """Coverage of voxels at a signed distance (mm, negative inside) from a surface."""
        return np.clip(np.float32(0.5) - distance * np.float32(self._softness), 0, 1)

    def ellipsoid(self, centre: Point, radii: Point, turn: np.ndarray | None = None) -> Shape:
        """An ellipsoid; ``turn`` holds its unit axes as rows (x, y, z), the grid's axes if None."""
        reach = radii if turn is None else np.sqrt(((np.asarray(turn) * np.asarray(radii)[:, None]) ** 2).sum(axis=0))
        box = self.box(np.subtract(centre, reach), np.add(centre, reach))
        offsets = self._offsets(box, centre)
        if turn is not None:
            offsets = [sum(np.float32(w) * o for w, o in zip(axis, offsets, strict=True)) for axis in turn]
        scaled = [offset / np.float32(radius) for offset, radius in zip(offsets, radii, strict=True)]
        rho = np.sqrt(sum(s * s for s in scaled))
        slope = np.sqrt(sum((s / np.float32(radius)) ** 2 for s, radius in zip(scaled, radii, strict=True)))
        return Shape(box, self.soften(rho * (rho - 1) / np.maximum(slope, np.float32(1e-6))))

    def tube(self, points: Sequence[Point], radii: Sequence[float] | float) -> Shape:
        """A round tube through the points, its radius changing linearly between them."""
        points = np.asarray(points, float)
        radii = np.broadcast_to(np.asarray(radii, float), len(points))
        whole = self.box(points.min(axis=0) - radii.max(), points.max(axis=0) + radii.max())
        coverage = np.zeros([s.stop - s.start for s in whole], np.float32)
        for (start, first), (end, last) in pairwise(zip(points, radii, strict=True)):
            part = self._segment(start, end, first, last)
            inner = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part.box, whole, strict=True))
            np.maximum(coverage[inner], part.coverage, out=coverage[inner])
        return Shape(whole, coverage)

    def _segment(self, start: np.ndarray, end: np.ndarray, first: float, last: float) -> Shape:
        reach = max(first, last)
        box = self.box(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
        ox, oy, oz = self._offsets(box, start)
        along = (end - start).astype(np.float32)
        share = np.clip((ox * along[0] + oy * along[1] + oz * along[2]) / max(float(along @ along), 1e-6), 0, 1)
        squared = (ox - share * along[0]) ** 2 + (oy - share * along[1]) ** 2 + (oz - share * along[2]) ** 2
        return Shape(box, self.soften(np.sqrt(squared) - (np.float32(first) + share * np.float32(last - first))))

    def _offsets(self, box: tuple[slice, slice, slice], centre: Point) -> list[np.ndarray]:
        axes = (self.x[:, :, box[2]], self.y[:, box[1]], self.z[box[0]])
        return [axis - np.float32(c) for axis, c in zip(axes, centre, strict=True)]

    def everywhere(self, distance: np.ndarray) -> Shape:
        """The shape whose surface is where a distance given on the whole grid is zero."""
        return Shape((slice(None),) * 3, np.broadcast_to(self.soften(distance), self.shape))

    def paint(self, shape: Shape, hu: float | np.ndarray) -> None:
        """Blend HU into the covered voxels by their coverage."""
        target = self.hu[shape.box]
        target += shape.coverage * (np.asarray(hu, np.float32) - target)

    def mask(self, *shapes: Shape) -> np.ndarray:
        """Voxels at least half covered by one of the shapes, as a boolean array (z, y, x)."""
        mask = np.zeros(self.shape, bool)
        for shape in shapes:
            mask[shape.box] |= shape.coverage >= 0.5
        return mask

    def index(self, point: Point) -> tuple[int, int, int]:
        """Voxel (z, y, x) nearest to a point; the nearest edge voxel for points outside."""
        nearest = [
            int(np.clip(round((p - o) / s), 0, n - 1))
            for p, o, s, n in zip(point, self.origin, self.spacing, self.shape[::-1], strict=True)
        ]
        return tuple(nearest[::-1])

    def image(self, array: np.ndarray) -> sitk.Image:
        """An array (z, y, x) as an image on this grid."""
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        return image

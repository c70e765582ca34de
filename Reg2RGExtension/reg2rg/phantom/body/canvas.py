"""A voxel grid to paint shapes on, each evaluated in its own bounding box and mixed in by its share of a voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import SimpleITK as sitk

from reg2rg.segmentation.masks import Box

Point = Sequence[float]
"""x, y, z in mm, LPS: x grows to the patient's left, y to posterior, z to superior."""

_THIN = 0.6
"""Radius, in voxels, below which a shape is drawn this thick and paler instead, so that its mass stays right."""


@dataclass(frozen=True)
class Shape:
    """A part of the grid and how much of each of its voxels (z, y, x) is covered, 0 to 1."""

    box: Box
    coverage: np.ndarray

    def within(self, coverage: np.ndarray) -> Shape:
        """This shape cut by another coverage or mask, given on the whole grid."""
        return Shape(self.box, self.coverage * coverage[self.box])

    def times(self, coverage: np.ndarray | float) -> Shape:
        """This shape cut by another coverage, given on its own box."""
        return Shape(self.box, self.coverage * coverage)


class Canvas:
    """HU on a grid aligned with LPS axes.

    Attributes:
        hu: float32 (z, y, x).
        x, y, z: voxel centres in mm, shaped to broadcast against ``hu``.
        spacing, origin: mm along x, y, z.
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

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        return self.hu.shape

    @property
    def in_plane(self) -> float:
        """Width of a voxel in the axial plane, mm."""
        return (self.spacing[0] + self.spacing[1]) / 2

    def box(self, lowest: Point, highest: Point) -> Box:
        """Slices (z, y, x) of the voxels between two corners, one voxel wider on each side."""
        start = np.floor(np.subtract(lowest, self.origin) / self.spacing) - 1
        stop = np.ceil(np.subtract(highest, self.origin) / self.spacing) + 2
        count = self.shape[::-1]
        edges = np.clip((start, np.maximum(start, stop)), 0, count).astype(int)
        return tuple(slice(first, last) for first, last in edges.T[::-1].tolist())

    def axes(self, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Voxel centres x, y, z of a box."""
        return self.x[:, :, box[2]], self.y[:, box[1]], self.z[box[0]]

    def soften(self, distance: np.ndarray, width: float | None = None) -> np.ndarray:
        """Coverage of voxels at a signed distance (mm, negative inside) from a surface.

        ``width`` (mm) is the voxel's extent across the surface; that in the axial plane if not given.
        """
        coverage = distance * np.float32(-1 / (width or self.in_plane))
        coverage += np.float32(0.5)
        return np.clip(coverage, 0, 1, out=coverage)

    def ellipsoid(self, centre: Point, radii: Point | float, turn: np.ndarray | None = None) -> Shape:
        """An ellipsoid; ``turn`` holds its unit axes as rows (x, y, z), the grid's axes if None."""
        true = np.broadcast_to(np.asarray(radii, float), 3)
        extent = np.sqrt(((np.eye(3) if turn is None else np.asarray(turn)) ** 2) @ np.square(self.spacing))
        drawn = np.maximum(true, _THIN * extent)
        amount = float(np.prod(true / drawn))
        soft = (drawn - extent**2 / (12 * drawn)).astype(np.float32)  # the soft edge adds mass outside
        reach = drawn + extent
        if turn is not None:
            reach = np.sqrt(((np.asarray(turn) * reach[:, None]) ** 2).sum(axis=0))
        box = self.box(np.subtract(centre, reach), np.add(centre, reach))
        offsets = self._offsets(box, centre)
        if turn is not None:
            offsets = [sum(np.float32(w) * o for w, o in zip(axis, offsets, strict=True)) for axis in turn]
        squares = [np.square(offset / radius) for offset, radius in zip(offsets, soft, strict=True)]
        rho = np.sqrt(squares[0] + squares[1] + squares[2])
        a, b, c = (s * np.float32((e / r) ** 2) for s, e, r in zip(squares, extent, soft, strict=True))
        across = np.sqrt(a + b + c)  # the voxel's extent along the surface normal, times the slope of rho
        coverage = np.clip(np.float32(0.5) - rho * (rho - 1) / np.maximum(across, np.float32(1e-6)), 0, 1)
        return Shape(box, coverage * np.float32(amount))

    def tube(self, points: Sequence[Point], radii: Sequence[float] | float) -> Shape:
        """A round tube through the points, its radius changing linearly between them."""
        points = np.asarray(points, float)
        radii = np.broadcast_to(np.asarray(radii, float), len(points))
        margin = max(radii.max(), max(self.spacing)) + max(self.spacing)
        whole = self.box(points.min(axis=0) - margin, points.max(axis=0) + margin)
        coverage = np.zeros([s.stop - s.start for s in whole], np.float32)
        for (start, first), (end, last) in pairwise(zip(points, radii, strict=True)):
            part = self.segment(start, end, first, last)
            inner = tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part.box, whole, strict=True))
            np.maximum(coverage[inner], part.coverage, out=coverage[inner])
        return Shape(whole, coverage)

    def segment(self, start: np.ndarray, end: np.ndarray, first: float, last: float) -> Shape:
        """A straight tube with round ends, of radius ``first`` at its start and ``last`` at its end."""
        width = self.width_across(end - start)
        radii = np.array([first, last])
        drawn = np.maximum(radii, _THIN * width)
        amount = float(np.mean((radii / drawn) ** 2))
        soft = np.sqrt(drawn**2 - width**2 / 12)
        reach = float(drawn.max()) + max(self.spacing) / 2
        box = self.box(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
        ox, oy, oz = self._offsets(box, start)
        along = (end - start).astype(np.float32)
        share = np.clip((ox * along[0] + oy * along[1] + oz * along[2]) / max(float(along @ along), 1e-6), 0, 1)
        squared = (ox - share * along[0]) ** 2 + (oy - share * along[1]) ** 2 + (oz - share * along[2]) ** 2
        distance = np.sqrt(squared) - (np.float32(soft[0]) + share * np.float32(soft[1] - soft[0]))
        return Shape(box, self.soften(distance, width) * np.float32(amount))

    def width_across(self, along: np.ndarray) -> float:
        """Mean extent of a voxel across a direction, mm."""
        unit = np.square(along) / max(float(np.dot(along, along)), 1e-12)
        return float(np.sqrt(np.square(self.spacing) @ (1 - unit) / 2))

    def _offsets(self, box: Box, centre: Point) -> list[np.ndarray]:
        return [axis - np.float32(c) for axis, c in zip(self.axes(box), centre, strict=True)]

    def whole(self, coverage: np.ndarray) -> Shape:
        """A coverage given on the whole grid as a shape."""
        return Shape((slice(None),) * 3, np.broadcast_to(coverage, self.shape))

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

    def spot(self, *shapes: Shape) -> np.ndarray:
        """Like ``mask``, but shapes smaller than a voxel have those they cover most."""
        mask = np.zeros(self.shape, bool)
        for shape in shapes:
            most = shape.coverage.max(initial=0)
            if most > 0:
                mask[shape.box] |= shape.coverage >= min(0.5, 0.6 * float(most))
        return mask

    def image(self, array: np.ndarray) -> sitk.Image:
        """An array (z, y, x) as an image on this grid."""
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        return image

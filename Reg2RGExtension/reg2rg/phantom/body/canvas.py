"""A voxel grid to paint shapes on.

Each shape is evaluated inside its own bounding box and blended in according to how much of each voxel it covers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import SimpleITK as sitk

from reg2rg.volumes.geometry import Box

Point = Sequence[float] | np.ndarray
"""x, y, z in mm, LPS: x grows toward the patient's left, y toward the back, z toward the head."""

_MIN_RADIUS_VOXELS = 0.6
"""Smallest radius drawn, in voxels. Thinner shapes are drawn this thick but paler, which preserves their mass."""


@dataclass(frozen=True)
class Shape:
    """A shape on a canvas.

    Attributes:
        box: the part of the grid that contains the shape, slices (z, y, x).
        coverage: covered fraction of each voxel of the box, 0 to 1, (z, y, x).
    """

    box: Box
    coverage: np.ndarray

    def within(self, coverage: np.ndarray) -> Shape:
        """Return this shape multiplied by a coverage or mask of the whole grid, (z, y, x)."""
        return Shape(self.box, self.coverage * coverage[self.box])

    def times(self, coverage: np.ndarray | float) -> Shape:
        """Return this shape multiplied by a number or by a coverage of its own box, (z, y, x)."""
        return Shape(self.box, self.coverage * coverage)


class Canvas:
    """An image in HU on a grid aligned with the LPS axes, filled with air.

    Attributes:
        hu: float32 (z, y, x).
        shape: number of voxels along z, y, x.
        x, y, z: voxel centers in mm, shaped to broadcast against ``hu``.
        spacing: voxel size along x, y, z in mm.
        origin: center of the first voxel, x, y, z in mm.
    """

    def __init__(self, size: Sequence[int], spacing: Point, origin: Point) -> None:
        """Create an empty canvas.

        Args:
            size: number of voxels along x, y, z.
            spacing: voxel size along x, y, z in mm.
            origin: center of the first voxel, x, y, z in mm.
        """
        self.spacing = tuple(float(s) for s in spacing)
        self.origin = tuple(float(o) for o in origin)
        axes = [
            np.float32(o) + np.float32(s) * np.arange(n, dtype=np.float32)
            for n, s, o in zip(size, spacing, origin, strict=True)
        ]
        self.x, self.y, self.z = axes[0][None, None, :], axes[1][None, :, None], axes[2][:, None, None]
        columns, rows, slices = size
        self.shape = (slices, rows, columns)
        self.hu = np.full(self.shape, -1000, np.float32)

    @property
    def in_plane(self) -> float:
        """Voxel width in the axial plane in mm, averaged over x and y."""
        return (self.spacing[0] + self.spacing[1]) / 2

    def box(self, lowest: Point, highest: Point) -> Box:
        """Return the slices (z, y, x) of the voxels between two corners (mm), with a margin of one voxel."""
        start = np.floor(np.subtract(lowest, self.origin) / self.spacing) - 1
        stop = np.ceil(np.subtract(highest, self.origin) / self.spacing) + 2
        edges = np.clip((start, np.maximum(start, stop)), 0, self.shape[::-1]).astype(int)
        (x_start, y_start, z_start), (x_stop, y_stop, z_stop) = edges.tolist()
        return slice(z_start, z_stop), slice(y_start, y_stop), slice(x_start, x_stop)

    def voxel_centers(self, box: Box) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the x, y and z (mm) of a box's voxels, shaped to broadcast against (z, y, x)."""
        return self.x[:, :, box[2]], self.y[:, box[1]], self.z[box[0]]

    def coverage(self, distance: np.ndarray, width: float | None = None) -> np.ndarray:
        """Convert signed distances from a surface to voxel coverage.

        Args:
            distance: distance of each voxel center from the surface in mm, negative inside.
            width: extent of a voxel across the surface in mm; by default its width in the axial plane.

        Returns:
            Covered fraction of each voxel, 0 to 1, with the shape of ``distance``.
        """
        coverage = distance * np.float32(-1 / (width or self.in_plane))
        coverage += np.float32(0.5)
        return np.clip(coverage, 0, 1, out=coverage)

    def ellipsoid(self, center: Point, radii: Point | float, axes: np.ndarray | None = None) -> Shape:
        """Return an ellipsoid.

        Args:
            center: x, y, z in mm.
            radii: half axes in mm, or the radius of a ball.
            axes: unit vectors (x, y, z) of the half axes, one per row, (3, 3); by default the grid's axes.
        """
        true = np.broadcast_to(np.asarray(radii, float), 3)
        extent = np.sqrt(((np.eye(3) if axes is None else np.asarray(axes)) ** 2) @ np.square(self.spacing))
        drawn = np.maximum(true, _MIN_RADIUS_VOXELS * extent)
        amount = float(np.prod(true / drawn))
        soft = (drawn - extent**2 / (12 * drawn)).astype(np.float32)  # the soft edge adds mass outside
        reach = drawn + extent
        if axes is not None:
            reach = np.sqrt(((np.asarray(axes) * reach[:, None]) ** 2).sum(axis=0))
        box = self.box(np.subtract(center, reach), np.add(center, reach))
        offsets = self._offsets(box, center)
        if axes is not None:
            ox, oy, oz = offsets
            offsets = [np.float32(a) * ox + np.float32(b) * oy + np.float32(c) * oz for a, b, c in axes]
        squares = [np.square(offset / radius) for offset, radius in zip(offsets, soft, strict=True)]
        rho = np.sqrt(squares[0] + squares[1] + squares[2])
        a, b, c = (s * np.float32((e / r) ** 2) for s, e, r in zip(squares, extent, soft, strict=True))
        across = np.sqrt(a + b + c)  # the voxel's extent along the surface normal, times the slope of rho
        coverage = np.clip(np.float32(0.5) - rho * (rho - 1) / np.maximum(across, np.float32(1e-6)), 0, 1)
        return Shape(box, coverage * np.float32(amount))

    def tube(self, points: Sequence[Point] | np.ndarray, radii: Sequence[float] | np.ndarray | float) -> Shape:
        """Return a round tube through points.

        Args:
            points: the tube's center line, (N, 3) in mm.
            radii: one radius per point in mm, interpolated linearly in between, or one for all.
        """
        points = np.asarray(points, float)
        radii = np.broadcast_to(np.asarray(radii, float), len(points))
        margin = max(radii.max(), max(self.spacing)) + max(self.spacing)
        whole = self.box(points.min(axis=0) - margin, points.max(axis=0) + margin)
        coverage = np.zeros([s.stop - s.start for s in whole], np.float32)
        for (start, first), (end, last) in pairwise(zip(points, radii, strict=True)):
            part = self.segment(start, end, first, last)
            inner = coverage[relative_box(part.box, whole)]
            np.maximum(inner, part.coverage, out=inner)
        return Shape(whole, coverage)

    def segment(self, start: np.ndarray, end: np.ndarray, first: float, last: float) -> Shape:
        """Return a straight tube with round ends.

        Args:
            start: x, y, z in mm.
            end: x, y, z in mm.
            first: radius at the start in mm.
            last: radius at the end in mm.
        """
        width = self._width_across(end - start)
        radii = np.array([first, last])
        drawn = np.maximum(radii, _MIN_RADIUS_VOXELS * width)
        amount = float(np.mean((radii / drawn) ** 2))
        soft = np.sqrt(drawn**2 - width**2 / 12)
        reach = float(drawn.max()) + max(self.spacing) / 2
        box = self.box(np.minimum(start, end) - reach, np.maximum(start, end) + reach)
        ox, oy, oz = self._offsets(box, start)
        along = (end - start).astype(np.float32)
        share = np.clip((ox * along[0] + oy * along[1] + oz * along[2]) / max(float(along @ along), 1e-6), 0, 1)
        squared = (ox - share * along[0]) ** 2 + (oy - share * along[1]) ** 2 + (oz - share * along[2]) ** 2
        distance = np.sqrt(squared) - (np.float32(soft[0]) + share * np.float32(soft[1] - soft[0]))
        return Shape(box, self.coverage(distance, width) * np.float32(amount))

    def _width_across(self, along: np.ndarray) -> float:
        """Return the mean extent (mm) of a voxel perpendicular to a direction."""
        unit = np.square(along) / max(float(np.dot(along, along)), 1e-12)
        return float(np.sqrt(np.square(self.spacing) @ (1 - unit) / 2))

    def _offsets(self, box: Box, center: Point) -> list[np.ndarray]:
        """Return the x, y and z distances (mm) of a box's voxels from a point."""
        return [axis - np.float32(c) for axis, c in zip(self.voxel_centers(box), center, strict=True)]

    def whole_grid(self, coverage: np.ndarray) -> Shape:
        """Return a shape whose box is the whole grid; its coverage may broadcast against (z, y, x)."""
        return Shape((slice(None), slice(None), slice(None)), np.broadcast_to(coverage, self.shape))

    def paint(self, shape: Shape, hu: float | np.ndarray) -> None:
        """Blend HU into the voxels a shape covers, weighted by its coverage."""
        target = self.hu[shape.box]
        target += shape.coverage * (np.asarray(hu, np.float32) - target)

    def mask(self, *shapes: Shape) -> np.ndarray:
        """Return the voxels at least half covered by any of the shapes, boolean (z, y, x)."""
        mask = np.zeros(self.shape, bool)
        for shape in shapes:
            mask[shape.box] |= shape.coverage >= 0.5
        return mask

    def mask_including_small(self, *shapes: Shape) -> np.ndarray:
        """Return a mask like ``mask`` in which shapes smaller than a voxel keep the voxels they cover most."""
        mask = np.zeros(self.shape, bool)
        for shape in shapes:
            most = shape.coverage.max(initial=0)
            if most > 0:
                mask[shape.box] |= shape.coverage >= min(0.5, 0.6 * float(most))
        return mask

    def image(self, array: np.ndarray) -> sitk.Image:
        """Return an array (z, y, x) as an image on this grid."""
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        return image


def relative_box(part: Box, whole: Box) -> tuple[slice, ...]:
    """Return the slices (z, y, x) of a box within a larger box that contains it."""
    return tuple(slice(p.start - w.start, p.stop - w.start) for p, w in zip(part, whole, strict=True))

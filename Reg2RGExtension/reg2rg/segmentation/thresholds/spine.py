"""The course of the spine, located by the spinal canal. Arrays are in z, y, x order (LPS)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import components, middle_column
from reg2rg.volumes.geometry import Spacing

RING_HU = 150
"""The bone around the spinal canal is above this value, and its content below."""

CANAL_MM2 = (80.0, 700.0)
"""Smallest and largest cross-section of the spinal canal."""

MIDLINE_MM = 50.0
"""Largest distance of the spine from the middle of the body."""

FEWEST_SLICES = 4
"""The canal must be seen in at least so many slices."""

SMOOTHING_MM = 60.0
"""Extent of the median along z that removes holes taken for the canal by mistake."""

BODY_DEPTH_MM = 40.0
"""Distance from the middle of the canal to the front of the vertebral body."""

BEFORE_BACK_MM = 12.0
"""Distance of the spinal canal from the back of the lungs."""


_IN_PLANE = np.pad(ndimage.generate_binary_structure(2, 1)[None], ((1, 1), (0, 0), (0, 0)))
"""Neighbors of a voxel in its axial slice."""


@dataclass(frozen=True)
class Spine:
    """Course of the spine.

    Attributes:
        x: index of the midline in each axial slice.
        canal_y: index of the middle of the spinal canal in each axial slice.
        spacing: voxel size of the grid.
    """

    x: np.ndarray
    canal_y: np.ndarray
    spacing: Spacing

    def lateral_mm(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the distance from the midline in mm, positive to the patient's left; shape (z, 1, x)."""
        return ((np.arange(shape[2]) - self.x[:, None]) * self.spacing[2])[:, None, :]

    def depth_mm(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return the distance in mm behind the front of the vertebral bodies, negative before it; shape (z, y, 1)."""
        return ((np.arange(shape[1]) - self.canal_y[:, None]) * self.spacing[1] + BODY_DEPTH_MM)[:, :, None]

    def zone(self, shape: tuple[int, ...], half_width_mm: float, front_mm: float = 0.0) -> np.ndarray:
        """Return everything near the midline and behind the front of the vertebral bodies.

        Args:
            shape: shape of the volume.
            half_width_mm: largest distance from the midline.
            front_mm: how far behind the front of the vertebral bodies the zone begins.
        """
        return (np.abs(self.lateral_mm(shape)) <= half_width_mm) & (self.depth_mm(shape) >= front_mm)


def search_area(body: np.ndarray, spacing: Spacing) -> tuple[slice, slice]:
    """Return the rows and columns in which the spinal canal is looked for, given the mask of a body."""
    middle, rows = middle_column(body), np.flatnonzero(body.any(axis=(0, 2)))
    margin = int(MIDLINE_MM / spacing[2])
    return slice((rows[0] + rows[-1]) // 2, None), slice(max(0, round(middle) - margin), round(middle) + margin + 1)


def find_spine(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> Spine | None:
    """Find the spine.

    Args:
        hu: volume in HU, of which only the search area is read.
        body: boolean mask of the body.
        spacing: voxel size.

    Returns:
        The course of the spine, or None if the spinal canal is not seen.
    """
    rows, columns = search_area(body, spacing)
    slices = np.flatnonzero(body.any(axis=(1, 2)))
    ring = ndimage.binary_closing(hu[slices, rows, columns] > RING_HU, _IN_PLANE)
    labels, sizes = components(ndimage.binary_fill_holes(ring, _IN_PLANE) & ~ring, _IN_PLANE)
    areas = sizes * spacing[1] * spacing[2]
    holes = 1 + np.flatnonzero((areas >= CANAL_MM2[0]) & (areas <= CANAL_MM2[1]))
    centers = ndimage.center_of_mass(labels > 0, labels, holes)
    # The last one in each slice: vertebral bodies with little bone inside lie before the canal.
    found = {int(z): (slices[int(z)], y + rows.start, x + columns.start) for z, y, x in sorted(centers)}
    if len(found) < FEWEST_SLICES:
        return None
    heights, *courses = np.asarray(list(found.values()), float).T
    canal_y, x = (_smooth(heights, course, len(hu), spacing) for course in courses)
    return Spine(x, canal_y, spacing)


def estimate_spine(lungs: np.ndarray, spacing: Spacing) -> Spine:
    """Estimate a straight spine where the canal is not seen: between the lungs, at their back.

    Args:
        lungs: boolean mask of both lungs.
        spacing: voxel size.
    """
    _, y, x = np.nonzero(lungs)
    middle, back = (x.min() + x.max()) / 2, np.percentile(y, 99) - BEFORE_BACK_MM / spacing[1]
    return Spine(np.full(len(lungs), middle), np.full(len(lungs), back), spacing)


def _smooth(heights: np.ndarray, course: np.ndarray, slices: int, spacing: Spacing) -> np.ndarray:
    """Value in each axial slice: median of the slices nearby, interpolated in between."""
    reach = SMOOTHING_MM / spacing[0] / 2
    medians = [np.median(course[np.abs(heights - height) <= reach]) for height in heights]
    return np.interp(np.arange(slices), heights, medians)

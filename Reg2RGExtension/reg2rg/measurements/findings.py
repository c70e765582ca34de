"""Diameters of a located finding: the long and the short axis of its outline in the axial plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from reg2rg.measurements.measurement import Line
from reg2rg.measurements.scan import Scan
from reg2rg.segmentation.structures import Part


@dataclass(frozen=True)
class Diameters:
    """Axes of an outline in the axial slice in which it is longest.

    Attributes:
        long_mm: longest diameter.
        short_mm: longest diameter perpendicular to the long axis.
        long_line: the long axis.
        short_line: the short axis.
    """

    long_mm: float
    short_mm: float
    long_line: Line
    short_line: Line

    @property
    def mean_mm(self) -> float:
        """Mean of both axes, by which nodules are compared (MacMahon et al., Radiology 2017;284:228)."""
        return (self.long_mm + self.short_mm) / 2


def axial_diameters(scan: Scan, part: Part) -> Diameters:
    """Measure the axes of a non-empty outline. Voxels count with their corners."""
    best: tuple[float, np.ndarray, int] | None = None
    for z in np.flatnonzero(part.mask.any(axis=(1, 2))).tolist():
        corners = _corners(part.mask[z], scan)
        length, _, _ = _extent(corners)
        if best is None or length > best[0]:
            best = (length, corners, z)
    assert best is not None, "the outline is empty"
    long_mm, corners, z = best
    _, start, end = _extent(corners)
    direction = (end - start) / max(long_mm, 1e-9)
    across = np.array([-direction[1], direction[0]])
    projections = corners @ across
    low, high = corners[projections.argmin()], corners[projections.argmax()]
    short_mm = float(projections.max() - projections.min())
    middle = (low + high) / 2
    ends = (middle - across * short_mm / 2, middle + across * short_mm / 2)
    return Diameters(long_mm, short_mm, _line(scan, part, z, start, end), _line(scan, part, z, *ends))


def _corners(plane: np.ndarray, scan: Scan) -> np.ndarray:
    """Return the corner points (N, 2) in mm (y, x) of a slice's convex hull."""
    rows_columns = np.argwhere(plane)
    offsets = np.array([[a, b] for a in (-0.5, 0.5) for b in (-0.5, 0.5)])
    points = (rows_columns[:, None] + offsets).reshape(-1, 2) * scan.spacing[1:]
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:
        return points


def _extent(points: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the greatest distance between two points, and both points."""
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    first, second = np.unravel_index(int(distances.argmax()), distances.shape)
    return float(distances[first, second]), points[first], points[second]


def _line(scan: Scan, part: Part, z: int, start: np.ndarray, end: np.ndarray) -> Line:
    offset = np.array([s.start for s in part.box], float)
    ends = [offset + (z, *(point / scan.spacing[1:])) for point in (start, end)]
    return scan.line(*ends)

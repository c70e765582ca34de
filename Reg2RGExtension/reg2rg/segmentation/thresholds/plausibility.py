"""Limits that a region found by thresholds must keep; otherwise it is not given, with the reason."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from reg2rg.segmentation.morphology import box_around
from reg2rg.volumes.geometry import Spacing

NOT_FOUND = "not found by thresholds"
"""Reason why a region without voxels is missing."""


@dataclass(frozen=True)
class Limits:
    """Limits of a region in an adult. They are wide: they exclude mistakes, not unusual patients.

    Attributes:
        ml: smallest and largest volume; a scan of a part of the chest may show little of lungs, bones and airways.
        extent_mm: smallest and largest extent along the body's axis and from side to side, if it is limited.
        solidity: smallest share of the convex hull that the region fills.
    """

    ml: tuple[float, float]
    extent_mm: tuple[float, float] | None = None
    solidity: float = 0.0


LIMITS = {
    "abdomen": Limits((150, 15000)),
    "bone": Limits((20, 5000)),
    "heart": Limits((250, 1500), (60, 190), 0.77),
    "lung": Limits((250, 12000)),
    "mediastinum": Limits((100, 3500)),
    "trachea and bronchie": Limits((5, 180)),
}

LUNG_HU = (-955, -450)
"""Range of the median of a lung; bowel gas is below, and fat or noise above."""


def implausible(name: str, mask: np.ndarray, hu: np.ndarray, spacing: Spacing) -> str | None:
    """Return the reason why a mask cannot be what it is meant to be, or None if it is plausible.

    Args:
        name: name of the region.
        mask: boolean mask of the region.
        hu: volume in HU.
        spacing: voxel size.
    """
    box = box_around(mask, 0, spacing)
    if box is None:
        return NOT_FOUND
    limits = LIMITS.get(name)
    if limits is None:
        return None
    mask, found = mask[box], "what thresholds found"
    ml = mask.sum() * np.prod(spacing) / 1000
    if not limits.ml[0] <= ml <= limits.ml[1]:
        return f"{found} has {ml:.0f} ml; expected {limits.ml[0]:g} to {limits.ml[1]:g} ml"
    if limits.extent_mm is not None:
        for axis in (0, 2):
            mm = np.ptp(np.flatnonzero(mask.any(axis=(1, 2 - axis)))) * spacing[axis]
            if not limits.extent_mm[0] <= mm <= limits.extent_mm[1]:
                return (
                    f"{found} extends over {mm:.0f} mm; expected {limits.extent_mm[0]:g} to {limits.extent_mm[1]:g} mm"
                )
    if limits.solidity and _solidity(mask) < limits.solidity:
        return f"{found} has an implausible shape: it fills {_solidity(mask):.0%} of its convex hull"
    if name == "lung":
        median = np.median(hu[box][mask])
        if not LUNG_HU[0] <= median <= LUNG_HU[1]:
            return f"{found} has a median of {median:.0f} HU; expected {LUNG_HU[0]} to {LUNG_HU[1]} HU"
    return None


def _solidity(mask: np.ndarray) -> float:
    """Share of its convex hull that a mask fills."""
    corners = np.argwhere(mask & ~ndimage.binary_erosion(mask))
    try:
        volume = ConvexHull(np.concatenate([corners - 0.5, corners + 0.5])).volume
    except (QhullError, ValueError):  # fewer than four points, or all in a plane
        return 0.0
    return float(mask.sum() / volume)

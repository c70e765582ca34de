"""Trachea and main bronchi, grown from the air in the neck and stopped before the mask leaks into the lungs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import components, dilated
from reg2rg.volumes.geometry import Spacing

LARGEST_ML = 110.0
"""Largest plausible volume of the airways; anything larger has leaked into the lungs."""

AREA_MM2 = (60.0, 900.0)
"""Smallest and largest cross-section of the trachea."""

TRACHEA_HU = -600
"""Air in the trachea is below this value."""

LARGEST_EXTENT_MM = 45.0
"""Largest extent of the trachea's cross-section along an axis."""

MIDLINE_MM = 35.0
"""Largest distance of the trachea from the midline of the body."""

SEARCH_MM = 80.0
"""How far below the top of the body to search for the trachea."""

LIMITS_HU = range(-700, -985, -15)
"""Thresholds tried in turn until the grown region no longer leaks."""


def find_airways(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Find the airways, including lumen and wall.

    Args:
        hu: volume in HU, z, y, x order (LPS).
        body: boolean mask of the body.
        spacing: voxel size.

    Returns:
        Boolean mask; empty if no trachea enters the volume from above.
    """
    seed = _find_seed(hu, body, spacing)
    empty = np.zeros_like(body)
    if seed is None:
        return empty
    voxel_ml = np.prod(spacing) / 1000
    for limit in LIMITS_HU:
        labels, _ = ndimage.label(body & (hu < limit))
        if not labels[seed]:
            return empty
        lumen = labels == labels[seed]
        if lumen.sum() * voxel_ml <= LARGEST_ML:
            # The threshold that excludes the lungs also excludes the blurred edge of the lumen.
            return dilated(lumen, max(spacing), spacing) & body
    return empty


def _find_seed(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> tuple[int, int, int] | None:
    """Return the darkest voxel of a round spot of air near the midline, in the highest slice that has one."""
    top = np.flatnonzero(body.any(axis=(1, 2)))[-1]
    middle = ndimage.center_of_mass(body)[2]
    for z in range(top, max(-1, top - int(SEARCH_MM / spacing[0])), -1):
        labels, sizes = components(body[z] & (hu[z] < TRACHEA_HU))
        for label in np.argsort(sizes)[::-1] + 1:
            area = sizes[label - 1] * spacing[1] * spacing[2]
            y, x = np.nonzero(labels == label)
            extent = max(np.ptp(y) * spacing[1], np.ptp(x) * spacing[2])
            central = abs(x.mean() - middle) * spacing[2] < MIDLINE_MM
            if AREA_MM2[0] <= area <= AREA_MM2[1] and extent < LARGEST_EXTENT_MM and central:
                darkest = hu[z][y, x].argmin()
                return int(z), int(y[darkest]), int(x[darkest])
    return None

"""Trachea and main bronchi: grown from the air of the neck, stopped before it leaks into the lungs."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import Spacing, components, dilated

LARGEST_ML = 110.0
AREA_MM2 = (60.0, 900.0)
LIMITS_HU = range(-700, -985, -15)


def find_airways(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Boolean mask of the airways' lumen and wall (z, y, x); empty if no trachea enters from above."""
    seed = _seed(hu, body, spacing)
    nothing = np.zeros_like(body)
    if seed is None:
        return nothing
    voxel_ml = np.prod(spacing) / 1000
    for limit in LIMITS_HU:
        labels, _ = ndimage.label(body & (hu < limit))
        if not labels[seed]:
            return nothing
        lumen = labels == labels[seed]
        if lumen.sum() * voxel_ml <= LARGEST_ML:
            # The limit that keeps lung out also leaves out the lumen's blurred edge.
            return dilated(lumen, max(spacing), spacing) & body
    return nothing


def _seed(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> tuple[int, int, int] | None:
    """Darkest voxel of a round spot of air near the midline in the highest slices that have one."""
    top = np.flatnonzero(body.any(axis=(1, 2)))[-1]
    middle = ndimage.center_of_mass(body)[2]
    for z in range(top, max(-1, top - int(80 / spacing[0])), -1):
        labels, sizes = components(body[z] & (hu[z] < -600))
        for label in np.argsort(sizes)[::-1] + 1:
            area = sizes[label - 1] * spacing[1] * spacing[2]
            y, x = np.nonzero(labels == label)
            extent = max(np.ptp(y) * spacing[1], np.ptp(x) * spacing[2])
            central = abs(x.mean() - middle) * spacing[2] < 35
            if AREA_MM2[0] <= area <= AREA_MM2[1] and extent < 45 and central:
                darkest = hu[z][y, x].argmin()
                return int(z), int(y[darkest]), int(x[darkest])
    return None

"""Trachea and main bronchi, grown from the air in the neck and stopped before the mask leaks into the lungs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import components, dilated, middle_column
from reg2rg.volumes.geometry import Spacing

LARGEST_ML = 110.0
"""Largest plausible volume of the airways; anything larger has leaked into the lungs."""

SMALLEST_ML = 5.0
"""Smallest volume of the airways; anything smaller is a pocket of air, or cannot be followed."""

STABLE_SHARE = 0.8
"""Share of the volume that remains at the next threshold; leaks into the lungs fall apart."""

AREA_MM2 = (60.0, 900.0)
"""Smallest and largest cross-section of the trachea."""

TRACHEA_HU = -600
"""Air in the trachea is below this value."""

LARGEST_EXTENT_MM = 45.0
"""Largest extent of the trachea's cross-section along an axis."""

MIDLINE_MM = 35.0
"""Largest distance of the trachea from the midline of the body."""

BRONCHI_MM = 9.0
"""The main bronchi run separately over at least this height."""

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
    for seed in _seeds(hu, body, spacing):
        lumen = _grow(hu, body, seed, spacing)
        if lumen.any():
            # The threshold that excludes the lungs also excludes the blurred edge of the lumen.
            return dilated(lumen, max(spacing), spacing) & body
    return np.zeros_like(body)


def find_carina(airways: np.ndarray, spacing: Spacing) -> int | None:
    """Find the index of the axial slice in which the trachea divides.

    Args:
        airways: boolean mask of the airways.
        spacing: voxel size.

    Returns:
        Index of the lowest slice of the trachea, or None if the volume does not show the trachea and both bronchi.
    """
    heights = np.flatnonzero(airways.any(axis=(1, 2)))[::-1]
    below = round(BRONCHI_MM / spacing[0])
    pieces = [components(airways[z])[1].size for z in heights]
    for i, z in enumerate(heights):
        divided = pieces[i : i + below]
        if i and len(divided) == below and min(divided) >= 2:
            return int(z) + 1
    return None


def _grow(hu: np.ndarray, body: np.ndarray, seed: tuple[int, int, int], spacing: Spacing) -> np.ndarray:
    """Air connected to the seed, at the highest threshold at which it does not leak; empty if it is no airway."""
    voxel_ml = np.prod(spacing) / 1000
    darker = _connected(hu, body, seed, LIMITS_HU[0])
    for limit in LIMITS_HU[1:]:
        lumen, darker = darker, _connected(hu, body, seed, limit)
        ml = lumen.sum() * voxel_ml
        if ml < SMALLEST_ML:
            break
        if ml <= LARGEST_ML and darker.sum() > STABLE_SHARE * lumen.sum():
            return lumen
    return np.zeros_like(body)


def _connected(hu: np.ndarray, body: np.ndarray, seed: tuple[int, int, int], limit: float) -> np.ndarray:
    """Voxels below a threshold that are connected to the seed."""
    labels, _ = ndimage.label(body & (hu < limit))
    return labels == labels[seed] if labels[seed] else np.zeros_like(body)


def _seeds(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> Iterator[tuple[int, int, int]]:
    """Darkest voxels of round spots of air near the midline, from the top down."""
    top = np.flatnonzero(body.any(axis=(1, 2)))[-1]
    middle = middle_column(body)
    for z in range(top, max(-1, top - int(SEARCH_MM / spacing[0])), -1):
        labels, sizes = components(body[z] & (hu[z] < TRACHEA_HU))
        for label in np.argsort(sizes)[::-1] + 1:
            area = sizes[label - 1] * spacing[1] * spacing[2]
            y, x = np.nonzero(labels == label)
            extent = max(np.ptp(y) * spacing[1], np.ptp(x) * spacing[2])
            central = abs(x.mean() - middle) * spacing[2] < MIDLINE_MM
            if AREA_MM2[0] <= area <= AREA_MM2[1] and extent < LARGEST_EXTENT_MM and central:
                darkest = hu[z][y, x].argmin()
                yield int(z), int(y[darkest]), int(x[darkest])

"""Left and right lungs: air in the body that is in neither the airways nor the stomach and bowel."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import closed, components, dilated, eroded, opened
from reg2rg.volumes.geometry import Spacing

LUNG_HU = -400
"""Lung is below this value."""

GAS_HU = -955
"""Gas in the stomach and bowel is below this value throughout; lung tissue is denser, even in emphysema."""

GAS_OPENING_MM = 6.0
"""Pockets of gas are thicker than twice this."""

GAS_ML = 15.0
"""Smallest volume of a pocket of gas."""

SMALLEST_ML = 80.0
"""Smallest volume of a connected part of a lung."""

CLOSING_MM = 5.0
"""Vessels narrower than twice this are included in the lung."""

SMALLER_LUNG_SHARE = 0.15
"""Smallest share of both lungs' volume that the smaller lung may have."""

EROSIONS_MM = (0, 3, 6, 9, 12, 15, 18)
"""Depths of erosion tried in turn until the lungs separate."""


def find_lungs(
    hu: np.ndarray, body: np.ndarray, airways: np.ndarray, spacing: Spacing
) -> tuple[np.ndarray, np.ndarray]:
    """Find the left and right lungs, including their vessels.

    Args:
        hu: volume in HU, z, y, x order (LPS).
        body: boolean mask of the body.
        airways: boolean mask of the airways.
        spacing: voxel size.

    Returns:
        Boolean masks of the left and the right lung; empty if there is no lung.
    """
    air = body & (hu < LUNG_HU) & ~airways & ~_gas(hu, body, spacing)
    lungs = _keep_large(air, SMALLEST_ML, spacing)
    left, right = _split(lungs, body, spacing)
    allowed = body & ~airways
    left = _smooth(left, allowed & ~right, spacing)
    return left, _smooth(right, allowed & ~left, spacing)


def _gas(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return pockets of gas, with the blurred rim that would connect them to a lung across a thin wall."""
    dark = body & (ndimage.median_filter(hu, size=3) < GAS_HU)
    pockets = _keep_large(opened(dark, GAS_OPENING_MM, spacing), GAS_ML, spacing)
    return dilated(pockets, 3 * max(spacing), spacing)


def _keep_large(mask: np.ndarray, ml: float, spacing: Spacing) -> np.ndarray:
    """Keep the connected components of a mask that have at least ``ml`` milliliters."""
    labels, sizes = components(mask)
    return np.isin(labels, 1 + np.flatnonzero(sizes * np.prod(spacing) / 1000 >= ml))


def _split(lungs: np.ndarray, body: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Split the lungs into left and right. Lungs that touch are eroded until they separate, then grown back."""
    left, right = np.zeros_like(lungs), np.zeros_like(lungs)
    if not lungs.any():
        return left, right
    middle = ndimage.center_of_mass(body)[2]
    cores = _cores(lungs, spacing)
    nearest = ndimage.distance_transform_edt(cores == 0, sampling=spacing, return_distances=False, return_indices=True)
    owner = np.where(lungs, cores[tuple(nearest)], 0)
    for label in range(1, cores.max() + 1):
        part = owner == label
        if part.any() and ndimage.center_of_mass(part)[2] > middle:  # x runs to the patient's left
            left |= part
        else:
            right |= part
    return left, right


def _cores(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return labels of the parts that remain after eroding the lungs just enough to separate left from right."""
    labels, sizes = components(lungs)
    for mm in EROSIONS_MM:
        parts, sizes = components(eroded(lungs, mm, spacing)) if mm else (labels, sizes)
        if (sizes > SMALLER_LUNG_SHARE * sizes.sum()).sum() >= 2:
            return parts
    return labels


def _smooth(lung: np.ndarray, allowed: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Smooth a lung mask: include vessels and fill holes."""
    if not lung.any():
        return lung
    return (ndimage.binary_fill_holes(closed(lung, CLOSING_MM, spacing)) & allowed) | lung

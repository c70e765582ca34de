"""Left and right lung: air inside the body that is neither airway nor gas of stomach and bowel."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import Spacing, closed, components, dilated, eroded, opened

LUNG_HU = -400
GAS_HU = -955
"""Gas of stomach and bowel is darker than this throughout; lung tissue is denser, even when emphysematous."""

GAS_OPENING_MM = 6.0
GAS_ML = 15.0

SMALLEST_ML = 80.0
CLOSING_MM = 5.0
SHARE = 0.15
"""Share of all lung that the smaller lung has at least."""


def find_lungs(
    hu: np.ndarray, body: np.ndarray, airways: np.ndarray, spacing: Spacing
) -> tuple[np.ndarray, np.ndarray]:
    """Boolean masks (z, y, x) of the left and the right lung, vessels included; empty where there is none."""
    air = body & (hu < LUNG_HU) & ~airways & ~_gas(hu, body, spacing)
    lungs = _at_least(air, SMALLEST_ML, spacing)
    left, right = _split(lungs, body, spacing)
    allowed = body & ~airways
    left = _smooth(left, allowed & ~right, spacing)
    return left, _smooth(right, allowed & ~left, spacing)


def _gas(hu: np.ndarray, body: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Pockets of gas, with the blurred rim that would join them to a lung behind a thin wall."""
    dark = body & (ndimage.median_filter(hu, size=3) < GAS_HU)
    pockets = _at_least(opened(dark, GAS_OPENING_MM, spacing), GAS_ML, spacing)
    return dilated(pockets, 3 * max(spacing), spacing)


def _at_least(mask: np.ndarray, ml: float, spacing: Spacing) -> np.ndarray:
    """The components of the mask that hold at least ``ml``."""
    labels, sizes = components(mask)
    return np.isin(labels, 1 + np.flatnonzero(sizes * np.prod(spacing) / 1000 >= ml))


def _split(lungs: np.ndarray, body: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Left and right of the lungs in LPS order. Lungs that touch are eroded until they part, then grown back."""
    nothing = np.zeros_like(lungs)
    if not lungs.any():
        return nothing, nothing
    middle = ndimage.center_of_mass(body)[2]
    cores = _cores(lungs, spacing)
    nearest = ndimage.distance_transform_edt(cores == 0, sampling=spacing, return_distances=False, return_indices=True)
    owner = np.where(lungs, cores[tuple(nearest)], 0)
    left, right = nothing.copy(), nothing.copy()
    for label in range(1, cores.max() + 1):
        part = owner == label
        side = left if part.any() and ndimage.center_of_mass(part)[2] > middle else right
        side |= part
    return left, right


def _cores(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Labels of the parts that remain when the lungs are eroded just enough to part left from right."""
    labels, sizes = components(lungs)
    for mm in (0, 3, 6, 9, 12, 15, 18):
        parts, sizes = components(eroded(lungs, mm, spacing)) if mm else (labels, sizes)
        if (sizes > SHARE * sizes.sum()).sum() >= 2:
            return parts
    return labels


def _smooth(lung: np.ndarray, allowed: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Close over vessels and fill holes."""
    if not lung.any():
        return lung
    return (ndimage.binary_fill_holes(closed(lung, CLOSING_MM, spacing)) & allowed) | lung

"""Where a place of one CT lies in another, by the vessels around it: more exact than the registration as a whole."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from reg2rg.prior.lesions import GRID_MM, cube

REACH_MM = 24.0
"""Distance from the place up to which the surroundings are compared."""

MAX_SHIFT_MM = 6.0
MIN_CORRELATION = 0.5
"""Least correlation of surroundings that are the same."""

AIR_HU, VESSEL_HU = -1000.0, -300.0
"""Densities beyond these limits do not tell lung from vessels."""

_STEPS = [np.array(step) for step in itertools.product((-1, 0, 1), repeat=3) if any(step)]


def shift_between(
    current: sitk.Image, prior: sitk.Image, transform: sitk.Transform, place: np.ndarray, excluded_mm: float
) -> np.ndarray | None:
    """Return by how much a registration is off at a place; None if the surroundings do not match.

    Args:
        current: current CT in HU.
        prior: prior CT in HU.
        transform: maps points (LPS, mm) of the current CT to the prior one.
        place: a point of the current CT (x, y, z; LPS, mm).
        excluded_mm: radius around it that is not compared, because the lesion there may have changed.

    Returns:
        The shift (x, y, z; LPS, mm) to add to a point of the current CT before the transform.
    """
    margin = round(MAX_SHIFT_MM / GRID_MM)
    here = cube(current, place, REACH_MM)[0].clip(AIR_HU, VESSEL_HU)
    there = cube(prior, place, REACH_MM + MAX_SHIFT_MM, transform=transform)[0].clip(AIR_HU, VESSEL_HU)
    axis = np.square(np.arange(here.shape[0]) - here.shape[0] // 2) * GRID_MM**2
    away = np.sqrt(axis[:, None, None] + axis[:, None] + axis)
    compared = (away > excluded_mm) & (away <= REACH_MM)
    if here[compared].std() == 0:
        return None

    def correlation(shift: np.ndarray) -> float:
        z, y, x = (slice(margin + step, margin + step + here.shape[0]) for step in shift)
        values = there[z, y, x][compared]
        return float(np.corrcoef(here[compared], values)[0, 1]) if values.std() > 0 else 0.0

    shift = np.zeros(3, int)
    best = correlation(shift)
    while True:
        nearby = [shift + step for step in _STEPS if np.abs(shift + step).max() <= margin]
        found, neighbor = max(((correlation(each), tuple(each)) for each in nearby), default=(0.0, (0, 0, 0)))
        if found <= best:
            break
        best, shift = found, np.array(neighbor)
    return shift[::-1] * GRID_MM if best >= MIN_CORRELATION else None

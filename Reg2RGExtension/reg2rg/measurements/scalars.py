"""Scalars: volume, mean density and measurements of a region as numbers of about -1 to 1, for a model to read."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements.evidence import Evidence
from reg2rg.measurements.measures import MEASURES
from reg2rg.measurements.region_statistics import region_statistics
from reg2rg.segmentation.masks import RegionMasks

VOLUME, MEAN_HU = "volume", "mean_hu"
"""Scalars of any region; all others are IDs of measures."""

SCALAR_NAMES = (VOLUME, MEAN_HU, *MEASURES)
"""All scalars that a model may be configured to read."""

RESERVED, GIVEN = 0.5, 1.0
"""How far a scalar is known if a condition is not met, and if none is violated; 0 if it was not measured."""

_DIVISORS = {"HU": 1000.0, "%": 100.0, "mm": 100.0, "mm²": 1000.0}
"""Unit -> divisor. Volumes are scaled logarithmically, because they span orders of magnitude."""

_LOGARITHMIC = {"mL": 4.0, "mm³": 5.0}
"""Unit -> decimal logarithm that is scaled to 1."""


def region_scalars(
    names: tuple[str, ...], region: str, volume: sitk.Image, masks: RegionMasks, evidence: Evidence
) -> np.ndarray:
    """Return the scalars of a region.

    Args:
        names: some of SCALAR_NAMES.
        region: name of the region; it has a mask.
        volume: image in HU.
        masks: the regions on the same grid.
        evidence: what was measured in the volume.

    Returns:
        float32 (len(names), 2): the scaled value, and how far it is known. Of several parts of the body, such as the
        right and the left lung, the largest value counts.
    """
    rows = np.zeros((len(names), 2), np.float32)
    for index, name in enumerate(names):
        if name in (VOLUME, MEAN_HU):
            rows[index] = _plain(name, region, volume, masks), GIVEN
            continue
        found = [m for m in evidence.of(region) if m.measure == name and m.value is not None]
        if found:
            largest = max(found, key=lambda m: m.value or 0.0)
            rows[index] = scaled(largest.value or 0.0, largest.unit), RESERVED if largest.reserved else GIVEN
    return rows


def scaled(value: float, unit: str) -> float:
    """Return a value scaled by its unit to about -1 to 1."""
    if unit in _LOGARITHMIC:
        return math.log10(1 + max(value, 0.0)) / _LOGARITHMIC[unit]
    return value / _DIVISORS.get(unit, 1.0)


def _plain(name: str, region: str, volume: sitk.Image, masks: RegionMasks) -> float:
    statistics = region_statistics(volume, masks, region)
    return scaled(statistics.volume_ml, "mL") if name == VOLUME else scaled(statistics.mean_hu, "HU")

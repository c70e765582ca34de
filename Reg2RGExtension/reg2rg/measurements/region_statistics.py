"""Volume and mean density of a region: what is known of every region, whatever else can be measured in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.segmentation.masks import RegionMasks
from reg2rg.volumes.checks import LOWEST_HU


@dataclass(frozen=True)
class RegionStatistics:
    """Volume and mean density of a region, as the report states them.

    Attributes:
        volume_ml: volume of the region's mask in mL.
        mean_hu: mean HU in the region's mask, padding excluded.
    """

    volume_ml: float
    mean_hu: float


def region_statistics(volume: sitk.Image, masks: RegionMasks, region: str) -> RegionStatistics:
    """Return volume and mean density of a region.

    Args:
        volume: image in HU.
        masks: the regions on the same grid.
        region: name of a region that has a mask.
    """
    box = masks.boxes[region]
    mask = masks.array(region, box)
    hu = sitk.GetArrayViewFromImage(volume)[box][mask]
    scanned = hu[hu > LOWEST_HU]
    volume_ml = mask.sum() * float(np.prod(volume.GetSpacing())) / 1000
    return RegionStatistics(round(volume_ml, 1), round(float(scanned.mean()), 1) if scanned.size else float(LOWEST_HU))

"""The region masks of a phantom, made from its anatomy."""

from __future__ import annotations

from itertools import product

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom.body import Anatomy
from reg2rg.regions import get_region
from reg2rg.segmentation.masks import RegionMasks


def region_masks(anatomy: Anatomy, volume: sitk.Image) -> RegionMasks:
    """All regions; the pleura is what fills its space and a layer around it and the lungs."""
    lung = anatomy.breathing
    space = anatomy.pleura | lung
    shell = _around(space, get_region("pleura").shell_mm, anatomy.canvas.spacing[::-1])
    arrays = {**anatomy.masks, "lung": lung, "pleura": anatomy.pleura | shell}
    missing = {} if anatomy.build.female else {"breast": "the phantom is male"}
    return RegionMasks.from_arrays(arrays, volume, segmenter="phantom", missing=missing)


def _around(mask: np.ndarray, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Voxels outside a mask (z, y, x) within a radius (mm) of it."""
    reach = [int(radius // s) for s in spacing]
    near = mask.copy()
    for shift in product(*(range(-r, r + 1) for r in reach)):
        if 0 < sum((n * s) ** 2 for n, s in zip(shift, spacing, strict=True)) <= radius**2:
            target, source = zip(*(_overlap(n) for n in shift), strict=True)
            near[target] |= mask[source]
    return near & ~mask


def _overlap(shift: int) -> tuple[slice, slice]:
    """Where an axis and its copy moved by ``shift`` have voxels in common, in both of them."""
    return slice(max(shift, 0), min(shift, 0) or None), slice(max(-shift, 0), min(-shift, 0) or None)

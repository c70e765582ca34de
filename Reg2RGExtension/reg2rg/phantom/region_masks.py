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
    rows = [mask]  # widened along x by 0, 1, ... voxels
    for shift in range(1, int(radius // spacing[2]) + 1):
        wider = rows[-1].copy()
        _add_moved(wider, mask, (0, 0, shift))
        _add_moved(wider, mask, (0, 0, -shift))
        rows.append(wider)
    near = np.zeros_like(mask)
    for dz, dy in product(*(range(-int(radius // s), int(radius // s) + 1) for s in spacing[:2])):
        left = radius**2 - (dz * spacing[0]) ** 2 - (dy * spacing[1]) ** 2
        if left >= 0:
            _add_moved(near, rows[int(left**0.5 // spacing[2])], (dz, dy, 0))
    return near & ~mask


def _add_moved(target: np.ndarray, source: np.ndarray, shifts: tuple[int, int, int]) -> None:
    """Add a mask moved by some voxels."""
    to = tuple(slice(max(n, 0), min(n, 0) or None) for n in shifts)
    of = tuple(slice(max(-n, 0), min(-n, 0) or None) for n in shifts)
    target[to] |= source[of]

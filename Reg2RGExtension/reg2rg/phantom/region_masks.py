"""Build the region masks of a phantom from its anatomy."""

from __future__ import annotations

from itertools import product

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom.body import Anatomy
from reg2rg.regions import get_region
from reg2rg.segmentation.masks import RegionMasks


def build_region_masks(anatomy: Anatomy, volume: sitk.Image) -> RegionMasks:
    """Build the masks of all regions.

    The pleura consists of whatever fills the pleural space and a shell around that space and the lungs.

    Args:
        anatomy: the painted chest.
        volume: the image that provides the grid of the masks.
    """
    lung = anatomy.aerated_lung
    pleural_space = anatomy.pleural_filling | lung
    shell_mm = get_region("pleura").shell_mm
    assert shell_mm is not None
    shell = _shell(pleural_space, shell_mm, anatomy.canvas.spacing[::-1])
    arrays = {**anatomy.masks, "lung": lung, "pleura": anatomy.pleural_filling | shell}
    missing = {} if anatomy.physique.female else {"breast": "the phantom is male"}
    return RegionMasks.from_arrays(arrays, volume, segmenter="phantom", missing=missing)


def _shell(mask: np.ndarray, radius: float, spacing: tuple[float, ...]) -> np.ndarray:
    """Return the voxels outside a mask (z, y, x) that lie within a radius (mm) of it; spacing is along z, y, x.

    For a radius of a few voxels this is much faster than the distance map of segmentation.morphology.
    """
    widened_along_x = [mask]  # by 0, 1, ... voxels
    for shift in range(1, int(radius // spacing[2]) + 1):
        wider = widened_along_x[-1].copy()
        _add_shifted(wider, mask, (0, 0, shift))
        _add_shifted(wider, mask, (0, 0, -shift))
        widened_along_x.append(wider)
    near = np.zeros_like(mask)
    for dz, dy in product(*(range(-int(radius // s), int(radius // s) + 1) for s in spacing[:2])):
        x_squared = radius**2 - (dz * spacing[0]) ** 2 - (dy * spacing[1]) ** 2
        if x_squared >= 0:
            _add_shifted(near, widened_along_x[int(x_squared**0.5 // spacing[2])], (dz, dy, 0))
    return near & ~mask


def _add_shifted(target: np.ndarray, source: np.ndarray, shifts: tuple[int, int, int]) -> None:
    """Add to a mask another mask, shifted by a number of voxels along z, y, x."""
    target_part = tuple(slice(max(n, 0), min(n, 0) or None) for n in shifts)
    source_part = tuple(slice(max(-n, 0), min(-n, 0) or None) for n in shifts)
    target[target_part] |= source[source_part]

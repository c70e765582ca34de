"""Morphological operations on boolean arrays in z, y, x order, with distances in mm."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.volumes.geometry import Spacing


def dilated(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return all voxels within ``mm`` of the mask."""
    return _near(mask, mm, spacing) if mask.any() else mask.copy()


def eroded(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return the mask's voxels farther than ``mm`` from its outside; space beyond the volume counts as inside."""
    return mask & ~_near(~mask, mm, spacing) if not mask.all() else mask.copy()


def opened(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return the mask without its parts thinner than twice ``mm``."""
    return dilated(eroded(mask, mm, spacing), mm, spacing) & mask


def closed(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return the mask with gaps narrower than twice ``mm`` filled."""
    return eroded(dilated(mask, mm, spacing), mm, spacing) | mask


def shell(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return a layer ``mm`` thick on the surface of the mask, half inside and half outside, at least one voxel each."""
    reach = max(mm / 2, *spacing)
    return dilated(mask, reach, spacing) & ~eroded(mask, reach, spacing)


def components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label the connected components of a mask.

    Args:
        mask: boolean array of any number of dimensions.

    Returns:
        Labels from 1, with 0 outside the mask, and the sizes in voxels: label n has size ``sizes[n - 1]``.
    """
    labels, _ = ndimage.label(mask)
    return labels, np.bincount(labels.ravel())[1:]


def largest(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected component; an empty mask stays empty."""
    labels, sizes = components(mask)
    return labels == 1 + int(sizes.argmax()) if sizes.size else np.zeros_like(mask)


def filled_slices(mask: np.ndarray) -> np.ndarray:
    """Return the mask with the holes of each axial slice filled."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def _near(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return all voxels within ``mm`` of a non-empty mask."""
    # A distance map costs the same for any radius, unlike dilation with a large ball.
    inside = ndimage.find_objects(mask.astype(np.uint8))[0]
    margin = [int(np.ceil(mm / s)) + 1 for s in spacing]
    box = tuple(slice(max(0, i.start - m), i.stop + m) for i, m in zip(inside, margin, strict=True))
    near = np.zeros_like(mask)
    near[box] = ndimage.distance_transform_edt(~mask[box], sampling=spacing) <= mm
    return near

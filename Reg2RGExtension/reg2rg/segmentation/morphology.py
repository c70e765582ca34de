"""Morphology in millimetres on boolean arrays (z, y, x)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

Spacing = tuple[float, float, float]
"""Voxel size in mm along z, y, x."""


def dilated(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """All within ``mm`` of the mask."""
    return _near(mask, mm, spacing) if mask.any() else mask.copy()


def eroded(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """All of the mask farther than ``mm`` from what is not mask; the volume's border counts as mask."""
    return mask & ~_near(~mask, mm, spacing) if not mask.all() else mask.copy()


def opened(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """The mask without what is thinner than twice ``mm``."""
    return dilated(eroded(mask, mm, spacing), mm, spacing) & mask


def closed(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """The mask with gaps narrower than twice ``mm`` filled."""
    return eroded(dilated(mask, mm, spacing), mm, spacing) | mask


def shell(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """A layer of thickness ``mm`` on the mask's surface, half of it outside, at least one voxel each way."""
    reach = max(mm / 2, *spacing)
    return dilated(mask, reach, spacing) & ~eroded(mask, reach, spacing)


def components(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the mask's connected components and their sizes in voxels; label n has size sizes[n - 1]."""
    labels, _ = ndimage.label(mask)
    return labels, np.bincount(labels.ravel())[1:]


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected component; nothing of nothing."""
    labels, sizes = components(mask)
    return labels == 1 + int(sizes.argmax()) if sizes.size else np.zeros_like(mask)


def filled_slices(mask: np.ndarray) -> np.ndarray:
    """The mask with the holes of each axial slice filled."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def _near(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    # A distance map costs the same for any radius, unlike dilation with a large ball.
    inside = ndimage.find_objects(mask.astype(np.uint8))[0]
    margin = [int(np.ceil(mm / s)) + 1 for s in spacing]
    box = tuple(slice(max(0, i.start - m), i.stop + m) for i, m in zip(inside, margin, strict=True))
    near = np.zeros_like(mask)
    near[box] = ndimage.distance_transform_edt(~mask[box], sampling=spacing) <= mm
    return near

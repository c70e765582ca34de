"""Morphological operations on boolean arrays in z, y, x order, with distances in mm."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from reg2rg.volumes.geometry import Spacing


def dilated(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return all voxels within ``mm`` of the mask."""
    box = box_around(mask, mm, spacing)
    near = np.zeros_like(mask)
    if box is not None:
        near[box] = _near(mask[box], mm, spacing)
    return near


def eroded(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return the voxels of the mask farther than ``mm`` from its outside; beyond the volume counts as inside."""
    box = box_around(mask, 0, spacing)
    if box is None or mask[box].all():
        return mask.copy()
    inner = np.zeros_like(mask)
    inner[box] = mask[box] & ~_near(~mask[box], mm, spacing)
    return inner


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


def components(mask: np.ndarray, structure: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Label the connected components of a mask.

    Args:
        mask: boolean array of any number of dimensions.
        structure: which neighbors of a voxel are connected to it; by default, those that share a face.

    Returns:
        Labels from 1, with 0 outside the mask, and the sizes in voxels: label n has size ``sizes[n - 1]``.
    """
    labels = np.zeros(mask.shape, np.uint16)
    axes = range(mask.ndim)
    found = [np.flatnonzero(mask.any(axis=tuple(other for other in axes if other != axis))) for axis in axes]
    if not found[0].size:
        return labels, np.zeros(0, np.int64)
    box = tuple(slice(indices[0], indices[-1] + 1) for indices in found)
    try:
        ndimage.label(mask[box], structure, output=labels[box])
    except RuntimeError:  # more components than labels
        labels = np.zeros(mask.shape, np.int32)
        ndimage.label(mask[box], structure, output=labels[box])
    return labels, np.bincount(labels[mask])[1:]  # of the whole array, it would need eight bytes per voxel


def largest(mask: np.ndarray) -> np.ndarray:
    """Return the largest connected component; an empty mask stays empty."""
    labels, sizes = components(mask)
    return labels == 1 + int(sizes.argmax()) if sizes.size else np.zeros_like(mask)


def middle_column(mask: np.ndarray) -> float:
    """Return the mean index along x of a mask's voxels, exactly as ``ndimage.center_of_mass`` but much faster."""
    counts = mask.sum(axis=(0, 1))
    return float((counts * np.arange(len(counts))).sum() / counts.sum())


def filled_slices(mask: np.ndarray) -> np.ndarray:
    """Return the mask with the holes of each axial slice filled."""
    return np.stack([ndimage.binary_fill_holes(plane) for plane in mask])


def filled_hulls(mask: np.ndarray) -> np.ndarray:
    """Return the convex hull of the mask in each axial slice."""
    hulls = np.zeros_like(mask)
    for z in np.flatnonzero(mask.any(axis=(1, 2))):
        outline = np.argwhere(mask[z] & ~ndimage.binary_erosion(mask[z]))
        try:
            equations = ConvexHull(outline).equations
        except (QhullError, ValueError):  # fewer than three points, or all on a line
            continue
        box = tuple(slice(low, high + 1) for low, high in zip(outline.min(axis=0), outline.max(axis=0), strict=True))
        y, x = np.ogrid[box]
        inside = np.ones((box[0].stop - box[0].start, box[1].stop - box[1].start), bool)
        for a, b, c in equations:
            inside &= a * y + b * x + c <= 0.5
        hulls[z][box] = inside
    return hulls


def box_around(mask: np.ndarray, mm: float, spacing: Spacing) -> tuple[slice, slice, slice] | None:
    """Return the bounding box of a mask with a margin of at least ``mm`` and a voxel, or None if the mask is empty."""
    box = []
    for axis in range(3):
        found = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if not found.size:
            return None
        margin = int(np.ceil(mm / spacing[axis])) + 1
        box.append(slice(max(0, int(found[0]) - margin), int(found[-1]) + margin + 1))
    return box[0], box[1], box[2]


def _near(mask: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return all voxels within ``mm`` of a mask.

    The ball is a stack of rows, and each row is one shift of the mask widened along x. For radii of a few voxels, this
    is much faster than a distance map. Eight voxels along x share a byte.
    """
    reach = mm * (1 + 1e-6)  # a voxel at exactly this distance counts
    wider = mask.copy()
    widened_along_x = [np.packbits(mask, axis=-1)]  # by 0, 1, ... voxels
    for shift in range(1, int(reach // spacing[2]) + 1):
        wider[..., shift:] |= mask[..., :-shift]
        wider[..., :-shift] |= mask[..., shift:]
        widened_along_x.append(np.packbits(wider, axis=-1))
    near = np.zeros_like(widened_along_x[0])
    for dz, dy in product(*(range(-int(reach // s), int(reach // s) + 1) for s in spacing[:2])):
        squared = reach**2 - (dz * spacing[0]) ** 2 - (dy * spacing[1]) ** 2
        if squared >= 0:
            row = widened_along_x[int(squared**0.5 // spacing[2])]
            to, source = (
                tuple(slice(max(sign * n, 0), min(sign * n, 0) or None) for n in (dz, dy)) for sign in (1, -1)
            )
            near[to] |= row[source]
    return np.unpackbits(near, axis=-1, count=mask.shape[-1]).view(bool)

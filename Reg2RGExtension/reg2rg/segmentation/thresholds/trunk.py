"""Bones, abdomen, mediastinum and heart, found from where the lungs are. Arrays are (z, y, x) in LPS order."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from reg2rg.segmentation.morphology import Spacing, components, dilated, eroded, largest, opened

BONE_HU = 180
BLOOD_HU = 300
BLOOD_OPENING_MM = 5.0
"""In a scan with contrast, what is this bright and thicker than twice this is blood: compact bone is thinner."""

CONTRAST_SHARE = 0.12
"""Share of bright voxels between the lungs, spine aside, above which the scan has contrast."""

SMALLEST_BONE_ML = 0.5
SPINE_HALF_WIDTH = 38.0
SPINE_DEPTH = 75.0
"""The spine lies within these mm of the midline and of the back of the lungs."""

SPINE_OVERLAP_MM = 15.0
"""The mediastinum reaches this far behind the front of the vertebrae: the aorta and the esophagus lie beside them."""

SKIN_MM = 9.0
HEART_OPENING_MM = 17.0
HEART_HEIGHT = 0.7
"""The heart ends below this share of the lungs' height."""


def find_bones(hu: np.ndarray, body: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Bones; blood with contrast is left out."""
    bright = body & (hu > BONE_HU)
    if lungs.any():
        between = _between(lungs)
        spine = _spine_zone(lungs, spacing)
        soft = between & ~lungs & ~spine & (hu > 0)
        bright &= ~between | spine
        if soft.any() and (hu[soft] > BONE_HU).mean() > CONTRAST_SHARE:
            blood = opened(body & (hu > BLOOD_HU), BLOOD_OPENING_MM, spacing)
            bright &= ~dilated(blood, BLOOD_OPENING_MM, spacing)
    labels, sizes = components(bright)
    voxel_ml = np.prod(spacing) / 1000
    bones = np.isin(labels, 1 + np.flatnonzero(sizes * voxel_ml >= SMALLEST_BONE_ML))
    return ndimage.binary_closing(bones, iterations=1) & body | bones


def find_abdomen(
    hu: np.ndarray, body: np.ndarray, lungs: np.ndarray, bones: np.ndarray, spacing: Spacing
) -> np.ndarray:
    """What lies below the diaphragm, skin and bones aside; nothing if the lungs are cut off at the bottom."""
    if not lungs.any():
        return np.zeros_like(body)
    height = _diaphragm(lungs, spacing)
    below = np.arange(len(hu))[:, None, None] < height
    return below & eroded(body, SKIN_MM, spacing) & ~bones & ~lungs


def find_mediastinum(
    hu: np.ndarray,
    body: np.ndarray,
    lungs: np.ndarray,
    bones: np.ndarray,
    abdomen: np.ndarray,
    spacing: Spacing,
) -> np.ndarray:
    """What lies between the lungs, heart included, in front of the spine and above the diaphragm."""
    if not lungs.any():
        return np.zeros_like(body)
    spine = _spine_zone(lungs, spacing)
    behind = _behind_the_front(bones & spine, SPINE_OVERLAP_MM / spacing[1]) | (spine & dilated(bones, 4.0, spacing))
    between = _between(lungs) & body & ~dilated(lungs, min(spacing), spacing) & ~bones & ~behind & ~abdomen
    return largest(opened(between, 4.0, spacing)) & (hu > -400)


def find_heart(mediastinum: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """The thick lower part of the mediastinum: what a large ball fits into."""
    thick = opened(mediastinum, HEART_OPENING_MM, spacing)
    heights = np.flatnonzero(lungs.any(axis=(1, 2)))
    if heights.size:
        thick[int(heights[0] + HEART_HEIGHT * np.ptp(heights)) :] = False
    return largest(thick)


def _between(lungs: np.ndarray) -> np.ndarray:
    """The convex hull of both lungs, axial slice by slice."""
    between = np.zeros_like(lungs)
    y, x = np.indices(lungs.shape[1:])
    for z in np.flatnonzero(lungs.any(axis=(1, 2))):
        outline = np.argwhere(lungs[z] & ~ndimage.binary_erosion(lungs[z]))
        try:
            equations = ConvexHull(outline).equations
        except (QhullError, ValueError):  # fewer than three points, or all in a line
            continue
        between[z] = np.all([a * y + b * x + c <= 0.5 for a, b, c in equations], axis=0)
    return between


def _spine_zone(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    _, y, x = (axis.astype(float) for axis in np.nonzero(lungs))
    middle, back = (x.min() + x.max()) / 2, np.percentile(y, 99)
    zone = np.zeros_like(lungs)
    rows, columns = np.indices(lungs.shape[1:])
    near_middle = np.abs(columns - middle) * spacing[2] < SPINE_HALF_WIDTH
    zone[:] = near_middle & ((back - rows) * spacing[1] < SPINE_DEPTH)
    return zone


def _behind_the_front(spine: np.ndarray, rows: float) -> np.ndarray:
    """All that lies more than ``rows`` behind the front of the vertebrae, slice by slice."""
    fronts = np.where(spine.any(axis=(1, 2)), spine.any(axis=2).argmax(axis=1), np.nan)
    if np.isnan(fronts).all():
        return np.zeros_like(spine)
    # A rib's head or a calcified vessel before the spine is not its front: the median over neighbours is.
    fronts = np.where(np.isnan(fronts), np.nanmedian(fronts), fronts)
    limit = ndimage.median_filter(fronts, size=15, mode="nearest") + rows
    return np.broadcast_to(np.arange(spine.shape[1])[None, :, None] > limit[:, None, None], spine.shape)


def _diaphragm(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Height of the diaphragm (slice index) over each column (y, x); 0 where the volume does not reach below it.

    The lungs' undersides give it; between and around them it is a smooth continuation. Columns whose lung ends on top
    of heart or vessels are told by ending higher than most of the lungs' lateral parts.
    """
    has_lung = lungs.any(axis=0)
    bottom = lungs.argmax(axis=0).astype(float)
    x = np.nonzero(has_lung)[1]
    middle, half = (x.min() + x.max()) / 2, (x.max() - x.min()) / 2
    columns = np.arange(lungs.shape[2])[None, :]
    lateral = has_lung & (np.abs(columns - middle) > 0.45 * half) & (np.abs(columns - middle) < 0.8 * half)
    if not lateral.any():
        return np.zeros(lungs.shape[1:])
    dome = np.percentile(bottom[lateral], 75)
    known = (has_lung & (bottom <= dome)).astype(float)
    sigma = [12.0 / s for s in spacing[1:]]
    weight = ndimage.gaussian_filter(known, sigma)
    smooth = ndimage.gaussian_filter(known * bottom, sigma) / np.maximum(weight, 1e-6)
    nearest = ndimage.distance_transform_edt(known == 0, return_distances=False, return_indices=True)
    height = np.where(weight > 0.05, smooth, smooth[tuple(nearest)])
    return np.where(known > 0, np.maximum(bottom, 0), height)

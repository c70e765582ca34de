"""Bones, abdomen, mediastinum and heart, located relative to the lungs. Arrays are in z, y, x order (LPS)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError

from reg2rg.segmentation.morphology import components, dilated, eroded, largest, opened
from reg2rg.volumes.geometry import Spacing

BONE_HU = 180
"""Bone is above this value."""

BLOOD_HU = 300
"""Contrast-enhanced blood is above this value."""

BLOOD_OPENING_MM = 5.0
"""Contrast-enhanced blood is thicker than twice this; compact bone of the same brightness is thinner."""

CONTRAST_SHARE = 0.12
"""Share of bright voxels between the lungs, excluding the spine, above which a scan counts as contrast-enhanced."""

SMALLEST_BONE_ML = 0.5
"""Smallest volume of a connected part of the bones."""

SPINE_HALF_WIDTH_MM = 38.0
"""Largest distance of the spine from the midline."""

SPINE_DEPTH_MM = 75.0
"""Largest distance of the spine from the back of the lungs."""

SPINE_OVERLAP_MM = 15.0
"""How far the mediastinum reaches behind the front of the vertebrae, since the aorta and esophagus lie next to them."""

SPINE_MARGIN_MM = 4.0
"""Margin around the vertebrae that does not belong to the mediastinum."""

MEDIASTINUM_OPENING_MM = 4.0
"""Parts of the mediastinum thinner than twice this are removed."""

MEDIASTINUM_HU = -400
"""The mediastinum is above this value."""

SKIN_MM = 9.0
"""Thickness of the skin, which does not belong to the abdomen."""

HEART_OPENING_MM = 17.0
"""Radius of a ball that fits into the heart but not into the rest of the mediastinum."""

HEART_HEIGHT = 0.7
"""The heart ends below this share of the height of the lungs."""

DOME_SMOOTHING_MM = 12.0
"""Standard deviation of the Gaussian that smooths the diaphragm."""


def find_bones(hu: np.ndarray, body: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Find the bones, excluding blood that is bright because of contrast medium.

    Args:
        hu: volume in HU.
        body: boolean mask of the body.
        lungs: boolean mask of both lungs.
        spacing: voxel size.

    Returns:
        Boolean mask.
    """
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
    """Find the abdomen: everything below the diaphragm except skin and bones.

    Args:
        hu: volume in HU.
        body: boolean mask of the body.
        lungs: boolean mask of both lungs.
        bones: boolean mask of the bones.
        spacing: voxel size.

    Returns:
        Boolean mask; empty if there are no lungs or the volume ends above their bases.
    """
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
    """Find the mediastinum, including the heart: between the lungs, before the spine and above the diaphragm.

    Args:
        hu: volume in HU.
        body: boolean mask of the body.
        lungs: boolean mask of both lungs.
        bones: boolean mask of the bones.
        abdomen: boolean mask of the abdomen.
        spacing: voxel size.

    Returns:
        Boolean mask; empty if there are no lungs.
    """
    if not lungs.any():
        return np.zeros_like(body)
    spine = _spine_zone(lungs, spacing)
    vertebrae = spine & dilated(bones, SPINE_MARGIN_MM, spacing)
    behind = _behind_the_front(bones & spine, SPINE_OVERLAP_MM / spacing[1]) | vertebrae
    between = _between(lungs) & body & ~dilated(lungs, min(spacing), spacing) & ~bones & ~behind & ~abdomen
    return largest(opened(between, MEDIASTINUM_OPENING_MM, spacing)) & (hu > MEDIASTINUM_HU)


def find_heart(mediastinum: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Find the heart: the thick lower part of the mediastinum, into which a large ball fits.

    Args:
        mediastinum: boolean mask of the mediastinum.
        lungs: boolean mask of both lungs.
        spacing: voxel size.

    Returns:
        Boolean mask.
    """
    thick = opened(mediastinum, HEART_OPENING_MM, spacing)
    heights = np.flatnonzero(lungs.any(axis=(1, 2)))
    if heights.size:
        thick[int(heights[0] + HEART_HEIGHT * np.ptp(heights)) :] = False
    return largest(thick)


def _between(lungs: np.ndarray) -> np.ndarray:
    """Return the convex hull of both lungs in each axial slice."""
    between = np.zeros_like(lungs)
    y, x = np.indices(lungs.shape[1:])
    for z in np.flatnonzero(lungs.any(axis=(1, 2))):
        outline = np.argwhere(lungs[z] & ~ndimage.binary_erosion(lungs[z]))
        try:
            equations = ConvexHull(outline).equations
        except (QhullError, ValueError):  # fewer than three points, or all points on one line
            continue
        between[z] = np.all([a * y + b * x + c <= 0.5 for a, b, c in equations], axis=0)
    return between


def _spine_zone(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return where the spine can be: near the midline and near the back of the lungs, in all slices."""
    _, y, x = (axis.astype(float) for axis in np.nonzero(lungs))
    middle, back = (x.min() + x.max()) / 2, np.percentile(y, 99)
    zone = np.zeros_like(lungs)
    rows, columns = np.indices(lungs.shape[1:])
    near_middle = np.abs(columns - middle) * spacing[2] < SPINE_HALF_WIDTH_MM
    zone[:] = near_middle & ((back - rows) * spacing[1] < SPINE_DEPTH_MM)
    return zone


def _behind_the_front(spine: np.ndarray, rows: float) -> np.ndarray:
    """Return voxels more than ``rows`` rows behind the front of the vertebrae, in each axial slice."""
    fronts = np.where(spine.any(axis=(1, 2)), spine.any(axis=2).argmax(axis=1), np.nan)
    if np.isnan(fronts).all():
        return np.zeros_like(spine)
    # A rib head or calcified vessel may lie in front of the spine; the median over neighboring slices ignores it.
    fronts = np.where(np.isnan(fronts), np.nanmedian(fronts), fronts)
    limit = ndimage.median_filter(fronts, size=15, mode="nearest") + rows
    return np.broadcast_to(np.arange(spine.shape[1])[None, :, None] > limit[:, None, None], spine.shape)


def _diaphragm(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return the slice index of the diaphragm in each column (y, x); 0 where the volume does not reach below it.

    The undersides of the lungs give its height. Between and around the lungs, it is extrapolated smoothly. Columns in
    which the lung ends on top of the heart or vessels are left out; they end higher than most lateral columns.
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
    sigma = [DOME_SMOOTHING_MM / s for s in spacing[1:]]
    weight = ndimage.gaussian_filter(known, sigma)
    smooth = ndimage.gaussian_filter(known * bottom, sigma) / np.maximum(weight, 1e-6)
    nearest = ndimage.distance_transform_edt(known == 0, return_distances=False, return_indices=True)
    height = np.where(weight > 0.05, smooth, smooth[tuple(nearest)])
    return np.where(known > 0, np.maximum(bottom, 0), height)

"""The height of the diaphragm, from the undersides of the lungs. Arrays are in z, y, x order (LPS)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.interpolate import RBFInterpolator

from reg2rg.segmentation.thresholds.spine import Spine
from reg2rg.volumes.geometry import Spacing

BESIDE_HEART_MM = 45.0
"""The heart hardly extends farther than this to the right of the midline, nor beside the spine to the left."""

FAR_RIGHT_MM = 65.0
"""The heart never extends farther than this to the right of the midline."""

FAR_LEFT_MM = 55.0
"""Neither the heart nor the descending aorta extend farther than this to the left of the midline beside the spine."""

LEFT_OF_HEART_MM = 95.0
"""The heart does not extend farther than this to the left of the midline, unless it is much enlarged."""

DOME_PERCENTILE = 80.0
"""Percentile of the heights at which a lung ends on the diaphragm that counts as the top of the dome."""

VISIBLE_SHARE = 0.92
"""Share of the columns beside the heart in which the volume must show the underside of the lungs."""

FEWEST_COLUMNS = 20
"""The volume must show the diaphragm in at least so many columns of each side."""

DIAPHRAGM_POINTS = 400
"""Number of columns from which the diaphragm is interpolated."""

SLOPE = 1.2
"""Towards its domes, the diaphragm rises less steeply than this. Most of the flanks of the heart are steeper."""

DOME_MM = 20.0
"""How far the domes rise above that percentile."""

BUBBLE_MM = 40.0
"""A bubble of gas in the stomach that was taken for lung is not higher than this."""

SAG, SAG_MM = 0.25, 8.0
"""The heart presses the diaphragm down: slope, and depth."""


def find_diaphragm(lungs: np.ndarray, spine: Spine, spacing: Spacing) -> tuple[np.ndarray, bool] | None:
    """Find the height of the diaphragm from the undersides of the lungs.

    Below the heart it is interpolated: columns in which the lung may end on the heart are not used.

    Args:
        lungs: boolean mask of both lungs.
        spine: course of the spine.
        spacing: voxel size.

    Returns:
        Slice index in each column (y, x), and whether the volume shows the bases of the lungs; None if it shows nothing
        of the diaphragm.
    """
    bottom = lungs.argmax(axis=0).astype(float)
    has_lung = lungs.any(axis=0) & ~_above_bubbles(lungs, spacing)
    if not has_lung.any():
        return None
    base = int(np.median(bottom[has_lung]))
    lateral, depth = spine.lateral_mm(lungs.shape)[base], spine.depth_mm(lungs.shape)[base]
    sides, bases_in_view = [], True
    for right in (True, False):
        side = has_lung & (lateral < 0 if right else lateral > 0)
        # Here the lung ends on the diaphragm. Elsewhere it may end on the heart, which is higher.
        beside = side & _away_from_heart(lateral, depth, right)
        seen = beside & (bottom > 0)
        bases_in_view &= bool(seen.sum() > VISIBLE_SHARE * beside.sum())
        if seen.sum() < FEWEST_COLUMNS:
            return None
        dome = np.percentile(bottom[seen], DOME_PERCENTILE)
        candidates = side & (np.abs(lateral) > BESIDE_HEART_MM) & (bottom > 0)
        higher = candidates & (bottom <= dome + DOME_MM / spacing[0])
        sides.append(_grow(candidates & (bottom <= dome), higher, bottom, spacing))
    seen = sides[0] | sides[1]
    points = np.argwhere(seen)
    points = points[:: max(1, len(points) // DIAPHRAGM_POINTS)]
    scale = np.array(spacing[1:])
    surface = RBFInterpolator(points * scale, bottom[tuple(points.T)], kernel="linear", smoothing=1.0, neighbors=60)
    rows, columns = np.indices(has_lung.shape)
    step = 2  # every other column is enough for a smooth surface
    coarse = np.stack([rows[::step, ::step].ravel(), columns[::step, ::step].ravel()], axis=1)
    heights = surface(coarse * scale).reshape(rows[::step, ::step].shape)
    zoomed = ndimage.map_coordinates(heights, [rows / step, columns / step], order=1, mode="nearest")
    away = ndimage.distance_transform_edt(~seen, sampling=spacing[1:])
    zoomed -= np.minimum(SAG * away, SAG_MM) / spacing[0]
    return np.where(seen, bottom, np.clip(zoomed, 0, bottom[seen].max())), bases_in_view


def _away_from_heart(lateral: np.ndarray, depth: np.ndarray, right: bool) -> np.ndarray:
    """Columns of one side in which there is no heart below the lung."""
    if right:
        return lateral < -FAR_RIGHT_MM
    return (lateral > LEFT_OF_HEART_MM) | ((lateral > FAR_LEFT_MM) & (depth > 0))


def _above_bubbles(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Columns whose lowest part of lung is short and not connected to the rest; it may be gas in the stomach."""
    z = np.arange(len(lungs))[:, None, None]
    bottom = lungs.argmax(axis=0)
    end = np.where(~lungs & (z > bottom), z, len(lungs)).min(axis=0)
    more = (lungs & (z > end)).any(axis=0)
    return more & ((end - bottom) * spacing[0] < BUBBLE_MM)


def _grow(seen: np.ndarray, allowed: np.ndarray, bottom: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Add neighboring columns as long as the undersides of the lungs do not rise too steeply."""
    rise = SLOPE * min(spacing[1:]) / spacing[0]
    while True:
        nearby = ndimage.maximum_filter(np.where(seen, bottom, -np.inf), footprint=np.ones((3, 3)))
        added = allowed & ~seen & (bottom <= nearby + rise)
        if not added.any():
            return seen
        seen = seen | added

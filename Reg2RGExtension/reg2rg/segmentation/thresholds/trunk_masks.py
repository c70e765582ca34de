"""Abdomen, mediastinum and heart, located relative to lungs and spine. Arrays are in z, y, x order (LPS)."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import closed, dilated, eroded, filled_hulls, filled_slices, largest, opened
from reg2rg.segmentation.thresholds.bone_mask import find_trunk_wall
from reg2rg.segmentation.thresholds.spine import Spine
from reg2rg.volumes.geometry import Spacing

SPINE_MM = (26.0, 18.0)
"""Half the width of the part of the mediastinum's back that the spine occupies, and how far behind the front of the
vertebral bodies the mediastinum reaches beside it, since aorta and esophagus lie there."""

BEFORE_SPINE_MM = 12.0
"""Between the heart and the spine lies at least the esophagus."""

MEDIASTINUM_OPENING_MM = 4.0
"""Parts of the mediastinum thinner than twice this are removed."""

MEDIASTINUM_HU = -400
"""The mediastinum is above this value."""

BELOW_CARINA_MM = 15.0
"""The heart ends so far below the carina."""

HEART_HU = -40
"""The heart is above this value, the fat around it below."""

HEART_OPENING_MM = 20.0
"""Radius of a ball that fits into the heart but not into vessels and esophagus beside it."""

HEART_CORNERS_MM = (7.0, 10.0)
"""Radius of a ball that fits into apex and atria, and how far these reach beyond the larger ball."""

HEART_CLOSING_MM = 6.0
"""Fat narrower than twice this lies between the chambers."""

ORGAN_HU = -30
"""Organs of the abdomen are above this value, fat is below."""

WALL_MM = 14.0
"""The wall of the abdomen, with ribs and muscles but without skin and fat, is about so thick."""

BACK_MM = (38.0, 75.0, 48.0)
"""Half the width of the spine with the muscles beside it, half the width of the muscles behind it, and how far behind
the front of the vertebral bodies these begin."""


def find_abdomen(
    hu: np.ndarray,
    body: np.ndarray,
    lungs: np.ndarray,
    bones: np.ndarray,
    diaphragm: np.ndarray,
    spine: Spine,
    spacing: Spacing,
) -> np.ndarray:
    """Find the organs of the abdomen: below the diaphragm, without wall, spine, muscles of the back, and fat.

    Args:
        hu: volume in HU.
        body: boolean mask of the body.
        lungs: boolean mask of both lungs.
        bones: boolean mask of the bones.
        diaphragm: slice index of the diaphragm in each column.
        spine: course of the spine.
        spacing: voxel size.

    Returns:
        Boolean mask.
    """
    below = np.arange(len(hu))[:, None, None] < diaphragm
    cavity = below & eroded(find_trunk_wall(hu, body, lungs, spacing), WALL_MM, spacing) & ~lungs
    cavity &= ~spine.zone(hu.shape, BACK_MM[0]) & ~spine.zone(hu.shape, BACK_MM[1], BACK_MM[2])
    cavity &= ~dilated(bones, max(spacing), spacing)
    organs = opened(cavity & (hu > ORGAN_HU), max(spacing) * 1.1, spacing)
    return filled_slices(organs) & cavity  # with the gas in stomach and bowel


def find_mediastinum(
    hu: np.ndarray,
    body: np.ndarray,
    lungs: np.ndarray,
    bones: np.ndarray,
    diaphragm: np.ndarray | None,
    spine: Spine,
    spacing: Spacing,
) -> np.ndarray:
    """Find the mediastinum, including the heart: between the lungs, before the spine and above the diaphragm.

    Args:
        hu: volume in HU.
        body: boolean mask of the body.
        lungs: boolean mask of both lungs.
        bones: boolean mask of the bones.
        diaphragm: slice index of the diaphragm in each column, if it is in view.
        spine: course of the spine.
        spacing: voxel size.

    Returns:
        Boolean mask; empty if there are no lungs.
    """
    half_width, beside = SPINE_MM
    between = filled_hulls(lungs) & body & ~dilated(lungs, min(spacing), spacing) & ~bones
    between &= ~spine.zone(hu.shape, half_width) & (spine.depth_mm(hu.shape) < beside)
    if diaphragm is not None:
        between &= np.arange(len(hu))[:, None, None] >= diaphragm
    return largest(opened(between, MEDIASTINUM_OPENING_MM, spacing)) & (hu > MEDIASTINUM_HU)


def find_heart(
    hu: np.ndarray, mediastinum: np.ndarray, others: np.ndarray, carina: int, spine: Spine, spacing: Spacing
) -> np.ndarray:
    """Find the heart: the thick part of the mediastinum below the carina, into which a large ball fits.

    Args:
        hu: volume in HU.
        mediastinum: boolean mask of the mediastinum.
        others: boolean mask of lungs and bones, which do not belong to the heart.
        carina: slice index of the carina.
        spine: course of the spine.
        spacing: voxel size.

    Returns:
        Boolean mask.
    """
    below: np.ndarray = np.arange(len(hu))[:, None, None] <= carina - BELOW_CARINA_MM / spacing[0]
    place = below & (spine.depth_mm(hu.shape) < -BEFORE_SPINE_MM) & ~others
    # The mediastinum keeps a distance of one voxel from the lungs, the heart does not.
    slices = np.asarray(mediastinum.any(axis=(1, 2)))[:, None, None]
    smooth = ndimage.gaussian_filter(hu, 1.0)
    tissue = dilated(mediastinum, max(spacing), spacing) & slices & place & (smooth > HEART_HU)
    core = largest(opened(tissue, HEART_OPENING_MM, spacing))
    radius, reach = HEART_CORNERS_MM
    corners = dilated(core, reach, spacing) & opened(tissue, radius, spacing)
    return filled_slices(closed(core | corners, HEART_CLOSING_MM, spacing)) & place

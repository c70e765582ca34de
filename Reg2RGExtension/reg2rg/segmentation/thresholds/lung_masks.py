"""Left and right lung: air in the body, and the tissue that it encloses, such as vessels, tumors and consolidation."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import (
    box_around,
    closed,
    components,
    dilated,
    eroded,
    filled_hulls,
    largest,
    middle_column,
    opened,
)
from reg2rg.segmentation.thresholds.airway_mask import find_carina
from reg2rg.segmentation.thresholds.diaphragm import find_diaphragm
from reg2rg.segmentation.thresholds.spine import Spine
from reg2rg.volumes.geometry import Spacing

LUNG_HU = -400
"""Lung is below this value."""

GAS_HU = -955
"""Gas in the stomach and bowel is below this value throughout; lung tissue is denser, even in emphysema."""

STOMACH_HU = -925
"""Gas in the stomach is below this value even if it is blurred; it lies in front of the spine and low on the left."""

STOMACH_PLACE = 0.35
"""The stomach lies in this lower share of the height of the lungs."""

GAS_OPENING_MM = 6.0
"""Pockets of gas are thicker than twice this."""

STOMACH_ML = 3.0
"""Smallest volume of gas in the stomach."""

LUNG_MM2 = 2000.0
"""Smallest cross-section of air in the slices that show the lungs."""

GAS_ML = 15.0
"""Smallest volume of a pocket of gas."""

SMALLEST_ML = 80.0
"""Smallest volume of a connected part of a lung."""

CLOSING_MM = 5.0
"""Vessels narrower than twice this are included in the lung."""

TUMOR_CLOSING_MM = 9.0
"""Tissue away from the hilum belongs to the lung if its connection to the outside is narrower than twice this."""

HILUM_MM = 20.0
"""Extent of the hilum beyond the mediastinum; large vessels enter the lung there."""

CHEST_WALL_OPENING_MM = 4.0
"""Tissue on the chest wall that belongs to the lung is thicker than twice this; ribs hardly reach into the hull."""

CHEST_WALL_ML = 0.5
"""Smallest volume of tissue on the chest wall that belongs to the lung."""

FAT_HU = -30
"""Fat is below this value, tumors and consolidation are above."""

BEHIND_HILUM_MM = ((48.0, 10.0), (36.0, 35.0))
"""There is nothing but lung beside the spine farther than the first from the midline (because of the aorta and, farther
back, the ribs) and farther than the second behind the front of the vertebral bodies (because of the hilum)."""

ABOVE_HEART_MM = 60.0
"""Largest distance of the mediastinum from the midline above the carina."""

TUMOR_HU = (FAT_HU, 150)
"""Range of tumors and consolidation; vessels with contrast medium are brighter."""

RIGHT_OF_HEART_MM = 75.0
"""Largest distance of the heart from the midline to the right."""

ABOVE_DIAPHRAGM_MM = 10.0
"""How far above the estimated diaphragm there is certainly neither liver nor stomach."""

SMALLER_LUNG_SHARE = 0.15
"""Smallest share of both lungs' volume that the smaller lung may have."""

EROSIONS_MM = (0, 3, 6, 9, 12, 15, 18)
"""Depths of erosion tried in turn until the lungs separate."""


def find_lungs(
    hu: np.ndarray, body: np.ndarray, airways: np.ndarray, spine: Spine | None, spacing: Spacing
) -> tuple[np.ndarray, np.ndarray]:
    """Find the left and the right lung, including vessels, tumors and consolidation as far as air surrounds them.

    Args:
        hu: volume in HU, z, y, x order (LPS).
        body: boolean mask of the body.
        airways: boolean mask of the airways.
        spine: course of the spine, if known.
        spacing: voxel size.

    Returns:
        Boolean masks of the left and the right lung; empty if there is no lung.
    """
    air = body & (hu < LUNG_HU) & ~airways & ~_gas(hu, body, spine, spacing)
    lungs = _keep_large(air, SMALLEST_ML, spacing)
    left, right = _split(lungs, body, spacing)
    allowed = body & ~airways
    left = _smooth(left, allowed & ~right, spacing)
    right = _smooth(right, allowed & ~left, spacing)
    solid = _solid_parts(hu, left, right, allowed, airways, spine, spacing)
    if not solid.any():
        return left, right
    nearest = ndimage.distance_transform_edt(~(left | right), spacing, return_distances=False, return_indices=True)
    nearer_left = left[tuple(nearest)]
    left, right = left | (solid & nearer_left), right | (solid & ~nearer_left)
    left = _smooth(left, allowed & ~right, spacing)
    return left, _smooth(right, allowed & ~left, spacing)


def _solid_parts(
    hu: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    allowed: np.ndarray,
    airways: np.ndarray,
    spine: Spine | None,
    spacing: Spacing,
) -> np.ndarray:
    """Tissue without air that belongs to the lungs: tumors and consolidation."""
    lungs = left | right
    tissue = filled_hulls(lungs) & allowed & ~lungs
    labels, sizes = components(opened(tissue, CHEST_WALL_OPENING_MM, spacing))
    if not sizes.size:
        return tissue
    mediastinum = labels == 1 + sizes.argmax()
    solid = np.zeros_like(tissue)
    core = largest(opened(mediastinum, TUMOR_CLOSING_MM, spacing))
    hilum = dilated(core, HILUM_MM, spacing)
    for side, other in ((left, right), (right, left)):
        if side.any():
            solid |= _enclosed(side, spacing) & allowed & ~other & ~hilum
    peripheral = 1 + np.flatnonzero(sizes * np.prod(spacing) / 1000 >= CHEST_WALL_ML)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        if label in peripheral and label != 1 + sizes.argmax():
            part = labels[box] == label
            if hu[box][part].mean() > FAT_HU:
                solid[box] |= part
    solid = dilated(solid, CHEST_WALL_OPENING_MM, spacing) & tissue if solid.any() else solid
    if spine is not None:
        tumor = tissue & (hu > TUMOR_HU[0]) & (hu < TUMOR_HU[1])
        solid |= _beyond_the_mediastinum(tumor, lungs, airways, spine, spacing)
    return solid


def _enclosed(lung: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Tissue in a lung that is connected to the outside through narrow necks only, or not at all."""
    enclosed = np.zeros_like(lung)
    box = box_around(lung, 2 * TUMOR_CLOSING_MM, spacing)
    outside = largest(eroded(~lung[box], TUMOR_CLOSING_MM, spacing))
    if outside.any():
        enclosed[box] = ~dilated(outside, TUMOR_CLOSING_MM, spacing) & ~lung[box]
    return enclosed


def _beyond_the_mediastinum(
    tissue: np.ndarray, lungs: np.ndarray, airways: np.ndarray, spine: Spine, spacing: Spacing
) -> np.ndarray:
    """Tissue between the lungs where neither mediastinum nor heart nor abdomen can be."""
    found = find_diaphragm(lungs, spine, spacing)
    diaphragm = found[0] if found is not None else np.percentile(lungs.argmax(axis=0)[lungs.any(axis=0)], 90)
    z = np.arange(len(lungs))[:, None, None]
    lateral, depth = spine.lateral_mm(lungs.shape), spine.depth_mm(lungs.shape)
    place = lateral < -RIGHT_OF_HEART_MM
    for beside, behind in BEHIND_HILUM_MM:
        place = place | ((np.abs(lateral) > beside) & (depth > behind))
    carina = find_carina(airways, spacing)
    if carina is not None:
        place = place | ((np.abs(lateral) > ABOVE_HEART_MM) & (z > carina))
    place = place & (z > diaphragm + ABOVE_DIAPHRAGM_MM / spacing[0])
    return opened(tissue & place, CHEST_WALL_OPENING_MM, spacing)


def _gas(hu: np.ndarray, body: np.ndarray, spine: Spine | None, spacing: Spacing) -> np.ndarray:
    """Pockets of gas, with the blurred rim that would connect them to a lung across a thin wall."""
    mean = ndimage.uniform_filter(hu, size=3)
    pockets = _keep_large(opened(body & (mean < GAS_HU), GAS_OPENING_MM, spacing), GAS_ML, spacing)
    heights = np.flatnonzero((body & (hu < LUNG_HU)).sum(axis=(1, 2)) * spacing[1] * spacing[2] > LUNG_MM2)
    if spine is not None and heights.size:
        low = np.arange(len(hu))[:, None, None] < heights[0] + STOMACH_PLACE * np.ptp(heights)
        place = low & (spine.lateral_mm(hu.shape) > 0) & (spine.depth_mm(hu.shape) < 0)
        stomach = opened(body & (mean < STOMACH_HU) & place, GAS_OPENING_MM, spacing)
        pockets |= _keep_large(stomach, STOMACH_ML, spacing)
    return dilated(pockets, 4 * max(spacing), spacing)


def _keep_large(mask: np.ndarray, ml: float, spacing: Spacing) -> np.ndarray:
    """Keep the connected components of a mask that have at least ``ml`` milliliters."""
    labels, sizes = components(mask)
    return np.isin(labels, 1 + np.flatnonzero(sizes * np.prod(spacing) / 1000 >= ml))


def _split(lungs: np.ndarray, body: np.ndarray, spacing: Spacing) -> tuple[np.ndarray, np.ndarray]:
    """Split the lungs into left and right. Lungs that touch are eroded until they separate, then grown back."""
    left, right = np.zeros_like(lungs), np.zeros_like(lungs)
    if not lungs.any():
        return left, right
    middle = middle_column(body)
    cores = _cores(lungs, spacing)
    nearest = ndimage.distance_transform_edt(cores == 0, sampling=spacing, return_distances=False, return_indices=True)
    owner = np.where(lungs, cores[tuple(nearest)], 0)
    for label in range(1, cores.max() + 1):
        part = owner == label
        if part.any() and middle_column(part) > middle:  # x runs to the patient's left
            left |= part
        else:
            right |= part
    return left, right


def _cores(lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return labels of the parts that remain after eroding the lungs just enough to separate left from right."""
    labels, sizes = components(lungs)
    for mm in EROSIONS_MM:
        parts, sizes = components(eroded(lungs, mm, spacing)) if mm else (labels, sizes)
        if (sizes > SMALLER_LUNG_SHARE * sizes.sum()).sum() >= 2:
            return parts
    return labels


def _smooth(lung: np.ndarray, allowed: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Smooth a lung mask: include vessels and fill holes."""
    if not lung.any():
        return lung
    return (ndimage.binary_fill_holes(closed(lung, CLOSING_MM, spacing)) & allowed) | lung

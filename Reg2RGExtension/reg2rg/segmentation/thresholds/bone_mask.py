"""Bones, without vessels, heart and organs that contrast medium makes as bright as bone."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.morphology import (
    closed,
    components,
    dilated,
    eroded,
    filled_hulls,
    filled_slices,
    largest,
    opened,
)
from reg2rg.segmentation.thresholds.spine import Spine
from reg2rg.volumes.geometry import Spacing

BONE_HU = 180
"""Bone is above this value."""

SMALLEST_ML = 0.5
"""Smallest volume of a connected part of the bones."""

SPINE_HALF_WIDTH_MM = 25.0
"""Largest distance of a vertebral body from the midline."""

RIB_HEADS_MM = 45.0
"""Largest distance of heads and necks of the ribs, and of the vertebral processes, from the midline."""

RIB_HEAD_MM = 30.0
"""Behind this distance from the front of the vertebral bodies there are no large vessels beside the spine, but ribs."""

BREASTBONE_MM = (40.0, 22.0)
"""Largest distance of the breastbone from the midline, and its depth."""

ORGAN_OPENING_MM = 8.0
"""Heart, large vessels and organs are thicker than twice this; breastbone and ribs are thinner."""

ORGAN_CLOSING_MM = 5.0
"""Darker parts of organs, such as the medulla of the kidneys, are narrower than twice this."""

RIB_MM = 10.0
"""Ribs lie in the outer part of the trunk's wall, of this thickness, organs do not."""

WALL_HU = -30
"""Muscles are above this value, the fat under the skin is below."""

WALL_GAPS_MM = 12.0
"""Gaps between the muscles of the wall are narrower than twice this."""

WALL_MM = 24.0
"""The wall of the trunk, with the ribs in it, is thinner than this, without skin and fat."""


def find_bones(
    hu: np.ndarray, body: np.ndarray, lungs: np.ndarray, spine: Spine | None, spacing: Spacing
) -> np.ndarray:
    """Find the bones.

    Inside the trunk, only the spine and the breastbone are bones, whatever the brightness of other structures.

    Args:
        hu: volume in HU.
        body: boolean mask of the body.
        lungs: boolean mask of both lungs.
        spine: course of the spine, if known.
        spacing: voxel size.

    Returns:
        Boolean mask.
    """
    bright = body & (hu > BONE_HU)
    if lungs.any() and spine is not None:
        bright &= ~_organs(hu, body, bright, lungs, spine, spacing)
    labels, sizes = components(bright)
    bones = np.isin(labels, 1 + np.flatnonzero(sizes * np.prod(spacing) / 1000 >= SMALLEST_ML))
    return ndimage.binary_closing(bones, iterations=1) & body | bones


def find_trunk_wall(hu: np.ndarray, body: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return body wall and its content without skin and the fat under it.

    Args:
        hu: volume in HU.
        body: boolean mask of the body.
        lungs: boolean mask of both lungs.
        spacing: voxel size.
    """
    lean = largest(opened(body & ((hu > WALL_HU) | lungs), max(spacing) * 1.1, spacing))
    ring = dilated(lean, WALL_GAPS_MM, spacing)
    return eroded(filled_slices(ring), WALL_GAPS_MM, spacing) & body


def _organs(
    hu: np.ndarray, body: np.ndarray, bright: np.ndarray, lungs: np.ndarray, spine: Spine, spacing: Spacing
) -> np.ndarray:
    """Everything in the trunk that is not bone, however bright."""
    shape = hu.shape
    z = np.arange(shape[0])[:, None, None]
    heights = np.flatnonzero(lungs.any(axis=(1, 2)))
    between = filled_hulls(lungs)
    wall = find_trunk_wall(hu, body, lungs, spacing)
    deep = eroded(wall, WALL_MM, spacing) & (z <= np.median(heights))
    inside = between | deep
    vertebrae = spine.zone(shape, SPINE_HALF_WIDTH_MM)
    behind = spine.zone(shape, RIB_HEADS_MM, RIB_HEAD_MM)
    half_width, depth = BREASTBONE_MM
    front = np.where(between.any(axis=(1, 2)), between.any(axis=2).argmax(axis=1), -shape[1])[:, None, None]
    rows = np.arange(shape[1])[None, :, None]
    breastbone = (np.abs(spine.lateral_mm(shape)) < half_width) & ((rows - front) * spacing[1] < depth)
    trunk = eroded(wall, RIB_MM, spacing) & (z <= heights[-1]) & ~vertebrae
    thick = opened(closed(bright & trunk, ORGAN_CLOSING_MM, spacing), ORGAN_OPENING_MM, spacing)
    organs = inside & ~vertebrae & ~behind & ~breastbone
    if thick.any():
        organs |= dilated(thick, ORGAN_OPENING_MM / 2, spacing) & trunk
    return organs

"""The body, without the air around it and the table below it."""

from __future__ import annotations

import numpy as np

from reg2rg.segmentation.morphology import components, filled_slices, largest, opened
from reg2rg.volumes.geometry import Spacing

AIR_HU = -350
"""Air and lung are below this value."""

ROOM_AIR_HU = -930
"""The median of room air is below this value; that of a lung cut off by the field of view is not."""

TABLE_OPENING_MM = 5.0
"""Structures up to twice as thick as this are not part of the body: tabletop, sheets, tubes."""


def find_body(hu: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Find the body, including the lungs.

    Args:
        hu: volume in HU, z, y, x order (LPS).
        spacing: voxel size.

    Returns:
        Boolean mask; empty if there is no body.
    """
    inside = ~_room_air(hu)
    tissue = inside & ((hu > AIR_HU) | _truncated_lung(hu, inside))
    return filled_slices(largest(opened(tissue, TABLE_OPENING_MM, spacing)))


def _room_air(hu: np.ndarray) -> np.ndarray:
    """Return the air that touches the in-plane border of the volume and is as dark as room air."""
    labels, _ = components(hu < AIR_HU)
    border = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    outside = np.zeros(labels.max() + 1, bool)
    for label in border[border > 0]:
        outside[label] = np.median(hu[labels == label]) < ROOM_AIR_HU
    return outside[labels]


def _truncated_lung(hu: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return lung cut off by the field of view: dark voxels that reach the border but are not room air."""
    labels, _ = components(inside & (hu < AIR_HU))
    border = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    return np.isin(labels, border[border > 0])

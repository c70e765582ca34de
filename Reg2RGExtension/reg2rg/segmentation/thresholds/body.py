"""The body: everything but the air around it and the table under it."""

from __future__ import annotations

import numpy as np

from reg2rg.segmentation.morphology import Spacing, components, filled_slices, largest, opened

AIR_HU = -350
ROOM_AIR_HU = -930
"""Air outside is darker than this, lung is not: how a lung cut off by the field of view is told from the room."""


def find_body(hu: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Boolean mask of the body, lungs included (z, y, x)."""
    inside = ~_room(hu)
    # Thin things (table top, sheets, tubes) do not survive the opening; the thick body does.
    trunk = filled_slices(largest(opened(inside & ((hu > AIR_HU) | _cut_lung(hu, inside)), 5.0, spacing)))
    return trunk


def _room(hu: np.ndarray) -> np.ndarray:
    """Air that touches the in-plane border of the volume and is as dark as air."""
    labels, _ = components(hu < AIR_HU)
    border = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    outside = np.zeros(labels.max() + 1, bool)
    for label in border[border > 0]:
        outside[label] = np.median(hu[labels == label]) < ROOM_AIR_HU
    return outside[labels]


def _cut_lung(hu: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Air that is not the room's but reaches the border: lung cut off by the field of view."""
    labels, _ = components(inside & (hu < AIR_HU))
    border = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    return np.isin(labels, border[border > 0])

"""The body, without the air around it and the table below it."""

from __future__ import annotations

import numpy as np

from reg2rg.segmentation.morphology import components, filled_hulls, filled_slices, largest, opened
from reg2rg.volumes.geometry import Spacing
from reg2rg.volumes.padding import grown, padding_pixels, scanned_slices

AIR_HU = -350
"""Air and lung are below this value."""

ROOM_AIR_HU = -930
"""The median of room air is below this value; that of a lung cut off by the field of view is not."""

TABLE_OPENING_MM = 5.0
"""Structures up to twice as thick as this are not part of the body: tabletop, sheets, tubes."""

SMALLEST_ML = 100.0
"""Smallest volume of a body; noise and stray objects are smaller."""

ENCLOSED_SHARE = 0.5
"""Smallest share of a lung cut off by the field of view that lies between parts of the body.

Foam and mattresses are as dark as a lung, but they lie outside of the body.
"""


def find_body(hu: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Find the body, including the lungs.

    Args:
        hu: volume in HU, z, y, x order (LPS).
        spacing: voxel size.

    Returns:
        Boolean mask; empty if there is no body.
    """
    solid = largest(opened(hu > AIR_HU, TABLE_OPENING_MM, spacing))
    if solid.sum() * np.prod(spacing) / 1000 < SMALLEST_ML:
        return np.zeros_like(solid)
    lung = _truncated_lung(hu, solid)
    if lung.any():
        # A lung may separate parts of the body from each other: in a small field of view, back and breastbone.
        solid = largest(opened((hu > AIR_HU) | lung, TABLE_OPENING_MM, spacing))
    return filled_slices(solid)


def _truncated_lung(hu: np.ndarray, solid: np.ndarray) -> np.ndarray:
    """Lung cut off by the field of view: dark voxels that reach its border and lie between parts of the body."""
    padding = padding_pixels(hu[scanned_slices(hu)])
    blurred = grown(padding, 1)
    edge = grown(blurred, 1) & ~blurred
    labels, sizes = components((hu < AIR_HU) & ~blurred)
    border = np.unique(
        np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel(), labels[:, edge].ravel()])
    )
    enclosed = np.bincount(labels[filled_hulls(solid)], minlength=len(sizes) + 1)[1:] / np.maximum(sizes, 1)
    lungs = [
        label
        for label in border[border > 0]
        if enclosed[label - 1] > ENCLOSED_SHARE and np.median(hu[labels == label]) > ROOM_AIR_HU
    ]
    return np.isin(labels, lungs)

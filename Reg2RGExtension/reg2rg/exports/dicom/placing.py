"""Masks on the slices of a series.

The volume of a report has the voxels of its series in another order of slices, or was resampled from it if the gantry
was tilted or the gaps were uneven. Masks take the same way back: voxel by voxel in the first case, by the nearest voxel
in the second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from reg2rg.exports.dicom.source import Source, SourceSlice

SAME_VOXEL = 0.3
"""Largest distance, in voxels, between the corner of a slice and that of a slice of the volume that is the same."""

Place = Callable[[np.ndarray], np.ndarray]
"""Turns an array on the volume's grid (z, y, x) into an array on the slices of the source, (n, rows, columns)."""


def placing(reference: sitk.Image, source: Source) -> Place:
    """Return a function that puts arrays onto the slices of a source.

    Args:
        reference: image with the grid of the report's volume.
        source: the series.
    """
    if _is_same_grid(reference, source):
        return np.asarray

    def resample(array: np.ndarray) -> np.ndarray:
        padded = np.pad(array, 1)  # the border stands for all places outside the volume
        return np.stack([padded[_nearest(reference, piece, source)] for piece in source.slices])

    return resample


def _is_same_grid(reference: sitk.Image, source: Source) -> bool:
    columns, rows, count = reference.GetSize()
    if len(source.slices) != count:
        return False
    for index, piece in enumerate(source.slices):
        if _shape(piece, source) != (rows, columns):
            return False
        for column, row in ((0, 0), (columns - 1, 0), (0, rows - 1)):
            found = reference.TransformPhysicalPointToContinuousIndex(_point(piece, column, row).tolist())
            if np.abs(np.subtract(found, (column, row, index))).max() > SAME_VOXEL:
                return False
    return True


def _nearest(reference: sitk.Image, piece: SourceSlice, source: Source) -> tuple[np.ndarray, ...]:
    """Return the indices (z, y, x) of the voxels nearest to those of a slice, in the volume with a border."""
    rows, columns = _shape(piece, source)
    corner, right, below = (
        np.array(reference.TransformPhysicalPointToContinuousIndex(_point(piece, column, row).tolist()))
        for column, row in ((0, 0), (1, 0), (0, 1))
    )
    column, row = np.arange(columns)[None, :], np.arange(rows)[:, None]
    return tuple(
        np.clip(
            np.rint(corner[axis] + column * (right - corner)[axis] + row * (below - corner)[axis]) + 1, 0, size + 1
        ).astype(np.int32)
        for axis, size in reversed(list(enumerate(reference.GetSize())))
    )


def _point(piece: SourceSlice, column: int, row: int) -> np.ndarray:
    along_row, along_column = piece.orientation
    return piece.position + column * piece.spacing[0] * along_row + row * piece.spacing[1] * along_column


def _shape(piece: SourceSlice, source: Source) -> tuple[int, int]:
    header = source.headers[piece.image]
    return int(header.Rows), int(header.Columns)

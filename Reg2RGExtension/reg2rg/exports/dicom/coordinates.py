"""Points and lines of a report as coordinates in its CT.

Coordinates on a slice (SCOORD) are what viewers draw. A line that does not lie in a slice has coordinates in the frame
of reference instead (SCOORD3D).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.exports.dicom.series import Origin
from reg2rg.exports.dicom.source import SourceSlice
from reg2rg.measurements.measurement import Line, RasPoint

if TYPE_CHECKING:
    from highdicom import sr
    from pydicom.dataset import Dataset

IN_SLICE_MM = 0.05
"""Farthest distance from a slice of what lies in it; coordinates of lines are rounded to 0.01 mm."""


def slice_at(origin: Origin, point: RasPoint) -> SourceSlice:
    """Return the slice nearest to a point."""
    lps = np.multiply(point, (-1, -1, 1))
    slices = origin.source.slices
    normal = np.cross(*slices[0].orientation)
    return min(slices, key=lambda piece: abs(float((lps - piece.position) @ normal)))


def image_of(origin: Origin, piece: SourceSlice) -> tuple[Dataset, int | None]:
    """Return the header of a slice, and the number of its frame; None in single-frame images."""
    header = origin.source.headers[piece.image]
    return header, piece.frame + 1 if "NumberOfFrames" in header else None


def line_coordinates(origin: Origin, line: Line) -> sr.CoordinatesForMeasurement | sr.CoordinatesForMeasurement3D:
    """Return the coordinates of a line: on the slice that it lies in, or else in the frame of reference."""
    from highdicom import sr

    ends = np.multiply((line.start_ras, line.end_ras), (-1, -1, 1))
    piece = slice_at(origin, line.start_ras)
    pixels, distances = _on_slice(piece, ends)
    if np.abs(distances).max() <= IN_SLICE_MM and ((pixels >= 0) & (pixels <= _size(origin, piece))).all():
        return sr.CoordinatesForMeasurement("POLYLINE", pixels, _image(origin, piece))
    return sr.CoordinatesForMeasurement3D("POLYLINE", ends, origin.source.headers[0].FrameOfReferenceUID)


def center_of_line(origin: Origin, line: Line) -> sr.ScoordContentItem:
    """Return the place nearest to the middle of a line, on the slice nearest to it."""
    x, y, z = np.mean((line.start_ras, line.end_ras), axis=0).tolist()
    piece = slice_at(origin, (x, y, z))
    pixels, _ = _on_slice(piece, np.array([[-x, -y, z]]))
    return _center(origin, piece, np.clip(pixels, 0, _size(origin, piece)))


def center_of_mask(origin: Origin, mask: np.ndarray) -> sr.ScoordContentItem:
    """Return the center of the largest circle that fits into a segment, on the slice with most of it.

    Args:
        origin: the report and its source.
        mask: voxels of the segment on the slices of the source, (n, rows, columns).
    """
    from scipy import ndimage

    index = max(range(len(mask)), key=lambda each: np.count_nonzero(mask[each]))
    piece = origin.source.slices[index]
    depth = ndimage.distance_transform_edt(np.pad(mask[index], 1), sampling=piece.spacing[::-1])[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return _center(origin, piece, np.array([[column + 0.5, row + 0.5]]))


def _center(origin: Origin, piece: SourceSlice, pixels: np.ndarray) -> sr.ScoordContentItem:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    item = sr.ScoordContentItem(codes.DCM.Center, "POINT", pixels, relationship_type="CONTAINS")
    item.ContentSequence = sr.ContentSequence([_image(origin, piece)])
    return item


def _image(origin: Origin, piece: SourceSlice) -> sr.SourceImageForRegion:
    from highdicom import sr

    header, frame = image_of(origin, piece)
    return sr.SourceImageForRegion(header.SOPClassUID, header.SOPInstanceUID, None if frame is None else [frame])


def _on_slice(piece: SourceSlice, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return points (n, 3), LPS, as (column, row) on a slice, from the corner of its image, and their distances."""
    offsets = points - piece.position
    return offsets @ piece.orientation.T / piece.spacing + 0.5, offsets @ np.cross(*piece.orientation)


def _size(origin: Origin, piece: SourceSlice) -> tuple[int, int]:
    header = origin.source.headers[piece.image]
    return int(header.Columns), int(header.Rows)

"""The grid of about 3 mm on which the regions are found, and the way back to the grid of the volume."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk
from PIL import Image

from reg2rg.volumes.geometry import direction_matrix, image_like

WORKING_SPACING = 3.0
"""Approximate voxel size of the working grid, in mm."""

INSIDE = 200
"""Gray value of a mask while it is interpolated; a voxel belongs to it above half of this value."""


def to_working_grid(volume: sitk.Image) -> sitk.Image:
    """Resample to LPS order and about 3 mm; where the volume is finer, a voxel averages those it covers.

    Args:
        volume: 3-D image in HU, of any orientation and spacing.
    """
    factors = [
        min(n, max(1, int(WORKING_SPACING / s + 0.34)))
        for n, s in zip(volume.GetSize(), volume.GetSpacing(), strict=True)
    ]
    # The volume is averaged before it is converted and turned, so that no copy of it in full size is needed.
    image = sitk.DICOMOrient(sitk.Cast(sitk.BinShrink(volume, factors), sitk.sitkFloat32), "LPS")
    size = [max(1, round(n * s / WORKING_SPACING)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), image.GetSpacing(), size, strict=True)]
    shift = [(new - old) / 2 for new, old in zip(spacing, image.GetSpacing(), strict=True)]
    origin = np.asarray(image.GetOrigin()) + direction_matrix(image) @ shift
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(size)
    resampler.SetOutputSpacing(spacing)
    resampler.SetOutputOrigin(origin.tolist())
    resampler.SetOutputDirection(image.GetDirection())
    resampler.SetInterpolator(sitk.sitkLinear)
    resampler.UseNearestNeighborExtrapolatorOn()
    return resampler.Execute(image)


def to_volume_grid(
    mask: np.ndarray, working: sitk.Image, volume: sitk.Image, slices: range
) -> Iterator[tuple[tuple[int, slice, slice], np.ndarray]]:
    """Interpolate a mask linearly to the grid of the volume, slice by slice.

    The axes of both grids are parallel, so each slice of the volume is a blend of two slices of the mask that is then
    enlarged. This is several times faster than a general resampling.

    Args:
        mask: boolean array on the working grid.
        working: image that provides the working grid.
        volume: image that provides the grid of the result.
        slices: slices of the volume (z) that are wanted.

    Yields:
        The part of a slice (z, rows, columns) that the mask can reach, and the mask there. It is False elsewhere.
    """
    if not mask.any():
        return
    axes = sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(volume.GetDirection())
    turned = sitk.DICOMOrient(image_like(mask.astype(np.uint8) * INSIDE, working), axes)
    first = np.asarray(turned.TransformPhysicalPointToContinuousIndex(volume.GetOrigin()))
    step = np.asarray(volume.GetSpacing()) / np.asarray(turned.GetSpacing())
    gray = np.pad(sitk.GetArrayFromImage(turned), 1, mode="edge").astype(np.float32)
    (x0, x1), (y0, y1), (z0, z1) = (_reach(gray, axis, first, step, volume.GetSize()) for axis in range(3))
    left, right = (np.array([x0, x1]) - 0.5) * step[0] + first[0] + 1.5
    top, bottom = (np.array([y0, y1]) - 0.5) * step[1] + first[1] + 1.5
    corners = (max(left, 0.0), max(top, 0.0), min(right, gray.shape[2]), min(bottom, gray.shape[1]))
    for z in range(max(z0, slices.start), min(z1, slices.stop)):
        position = min(max(first[2] + z * step[2] + 1, 0.0), len(gray) - 1.0)
        below = min(int(position), len(gray) - 2)
        blend = gray[below] + (position - below) * (gray[below + 1] - gray[below])
        plane = Image.fromarray(np.rint(blend).astype(np.uint8))
        enlarged = plane.resize((x1 - x0, y1 - y0), Image.Resampling.BILINEAR, box=corners)
        yield (z, slice(y0, y1), slice(x0, x1)), np.asarray(enlarged) > INSIDE // 2


def _reach(gray: np.ndarray, axis: int, first: np.ndarray, step: np.ndarray, size: tuple[int, ...]) -> tuple[int, int]:
    """Range of the volume's indices along an axis (0 is x) that a padded mask can reach."""
    occupied = np.flatnonzero(gray.any(axis=tuple(other for other in range(3) if other != 2 - axis))) - 1
    start = int((occupied[0] - 1 - first[axis]) / step[axis])
    stop = int((occupied[-1] + 1 - first[axis]) / step[axis]) + 2
    return min(max(0, start), size[axis] - 1), min(max(1, stop), size[axis])

"""Resampling of scans that are not on an even, rectangular grid: tilted gantry, sheared axes, uneven slice gaps."""

from __future__ import annotations

import itertools
import math

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.volumes.geometry import direction_matrix, orthogonal_axes

_MAXIMUM_GROWTH = 8
"""How many times as many voxels a rectangular grid around a sheared scan may have."""

OUTSIDE_HU = -1024
"""Value of voxels that the scan does not cover."""


def is_sheared(image: sitk.Image) -> bool:
    """Return whether the axes of a 3-D image are so oblique to each other that voxels are half a voxel off or more."""
    direction, extent = direction_matrix(image), np.multiply(image.GetSize(), image.GetSpacing())
    drift = np.linalg.norm(direction - orthogonal_axes(direction), axis=0) * extent
    return bool(drift.max() >= 0.5 * min(image.GetSpacing()))


def shear_degrees(image: sitk.Image) -> float:
    """Return the largest angle between an axis of a 3-D image and where it would be if all were perpendicular."""
    direction = direction_matrix(image)
    cosines = np.sum(direction * orthogonal_axes(direction), axis=0)
    return math.degrees(math.acos(min(1.0, float(cosines.min()))))


def straighten(image: sitk.Image) -> sitk.Image:
    """Resample an image in HU on a rectangular grid that covers all of it.

    Slices stay in their planes. Interpolation is linear, and the result is rounded to whole HU.
    """
    axes = orthogonal_axes(direction_matrix(image))
    corners = [
        image.TransformContinuousIndexToPhysicalPoint(corner)
        for corner in itertools.product(*((0.0, size - 1.0) for size in image.GetSize()))
    ]
    along = np.array(corners) @ axes
    # Slices that are shifted against each other keep their distance along the normal, which is less than that of their
    # centers.
    spacing = np.multiply(image.GetSpacing(), np.sum(direction_matrix(image) * axes, axis=0))
    size = np.ceil(np.ptp(along, axis=0) / spacing - 1e-3).astype(int) + 1
    if size.prod() > _MAXIMUM_GROWTH * math.prod(image.GetSize()):
        raise InputError(
            f"The volume is sheared by {shear_degrees(image):.0f} degrees, so a rectangular grid around it would be "
            "mostly empty; expected axes that are nearly perpendicular. Is its geometry damaged?"
        )
    grid = sitk.ResampleImageFilter()
    grid.SetSize(size.tolist())
    grid.SetOutputSpacing(spacing.tolist())
    grid.SetOutputOrigin((axes @ along.min(axis=0)).tolist())
    grid.SetOutputDirection(axes.ravel().tolist())
    grid.SetInterpolator(sitk.sitkLinear)
    grid.SetDefaultPixelValue(OUTSIDE_HU)
    grid.SetOutputPixelType(sitk.sitkFloat32)
    straight = grid.Execute(image)
    hu = np.rint(sitk.GetArrayViewFromImage(straight)).astype(np.int16)
    result = sitk.GetImageFromArray(hu)
    result.CopyInformation(straight)
    return result


def even_slices(slices: np.ndarray, positions: np.ndarray) -> tuple[np.ndarray, float]:
    """Interpolate slices linearly at even distances, and round the result to whole HU.

    Args:
        slices: HU, (n, y, x), in order.
        positions: increasing positions of the slices in mm, (n,).

    Returns:
        Slices from the first position to the last at about the median gap, and their gap.
    """
    gap = float(np.median(np.diff(positions)))
    wanted = np.linspace(positions[0], positions[-1], round((positions[-1] - positions[0]) / gap) + 1)
    below = np.clip(np.searchsorted(positions, wanted, side="right") - 1, 0, len(positions) - 2)
    share = (wanted - positions[below]) / (positions[below + 1] - positions[below])
    even = np.empty((len(wanted), *slices.shape[1:]), slices.dtype)
    for index, (start, weight) in enumerate(zip(below, share, strict=True)):
        even[index] = np.rint((1 - weight) * slices[start] + weight * slices[start + 1])
    return even, float(wanted[1] - wanted[0])

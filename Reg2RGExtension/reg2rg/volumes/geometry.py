"""Geometry of SimpleITK images: arrays in z, y, x order on the grid of an image, voxel sizes and axis directions."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

Box = tuple[slice, slice, slice]
"""Part of an array in z, y, x order."""

WHOLE: Box = (slice(None), slice(None), slice(None))
"""The whole array."""

Spacing = tuple[float, float, float]
"""Voxel size in mm along the array axes z, y, x."""


def image_like(array: np.ndarray, reference: sitk.Image) -> sitk.Image:
    """Create an image from an array, on the grid of another image.

    Args:
        array: values in z, y, x order, with the shape of ``reference``.
        reference: image that provides spacing, origin and direction.
    """
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(reference)
    return image


def axes_of(image: sitk.Image) -> str:
    """Return where the index axes x, y, z of a 3-D image point, such as "LPS"."""
    return str(sitk.DICOMOrientImageFilter_GetOrientationFromDirectionCosines(image.GetDirection()))


def oriented(image: sitk.Image, axes: str) -> sitk.Image:
    """Return a 3-D image with its axes in another order, header fields included; the image itself if nothing changes.

    Args:
        image: the image.
        axes: where its index axes x, y, z are to point, such as "LPS".
    """
    if axes_of(image) == axes:
        return image
    turned = sitk.DICOMOrient(image, axes)
    for key in image.GetMetaDataKeys():
        turned.SetMetaData(key, image.GetMetaData(key))
    return turned


def lps_view(image: sitk.Image, box: Box = WHOLE) -> np.ndarray:
    """Return voxels (z, y, x) of a 3-D image as if its axes were turned to LPS, read-only and without a copy.

    Args:
        image: the image, which must exist as long as the result.
        box: part of the array of the image, before it is turned.
    """
    axes = axes_of(image)[::-1]
    order = [next(i for i, axis in enumerate(axes) if axis in pair) for pair in ("SI", "PA", "LR")]
    flips = tuple(slice(None, None, 1 if axes[i] in "SPL" else -1) for i in order)
    return sitk.GetArrayViewFromImage(image)[box].transpose(order)[flips]


def lps_corner(image: sitk.Image, box: Box) -> sitk.Image:
    """Return the first voxel of ``lps_view(image, box)`` as an image with the geometry of the view."""
    spans = zip(axes_of(image), box[::-1], strict=True)
    start = [span.start if axis in "LPS" else span.stop - 1 for axis, span in spans]
    x, y, z = (slice(index, index + 1) for index in start)
    return oriented(image[x, y, z], "LPS")


def array_spacing(image: sitk.Image) -> Spacing:
    """Return the voxel size of a 3-D image along the axes of its array (z, y, x), in mm."""
    x, y, z = image.GetSpacing()
    return z, y, x


def direction_matrix(image: sitk.Image) -> np.ndarray:
    """Return the direction cosines of a 3-D image as a (3, 3) matrix: LPS axes by index axes x, y, z."""
    return np.reshape(image.GetDirection(), (3, 3))


ORTHOGONAL_TOLERANCE = 1e-4
"""Largest cosine between two axes that count as perpendicular; headers store axes with five digits or more."""


def is_orthogonal(axes: np.ndarray) -> bool:
    """Return whether the columns of a (3, 3) matrix are perpendicular to each other, whatever their lengths."""
    unit = axes / np.linalg.norm(axes, axis=0)
    return bool(np.abs(unit.T @ unit - np.eye(3)).max() <= ORTHOGONAL_TOLERANCE)


def orthogonal_axes(direction: np.ndarray) -> np.ndarray:
    """Return perpendicular unit axes for a (3, 3) direction matrix.

    The first axis is kept, the third is perpendicular to the first two, so that slices stay in their planes.
    """
    first, second, third = direction.T
    normal = np.cross(first, second)
    normal *= np.sign(normal @ third) / np.linalg.norm(normal)
    between = np.cross(normal, first)
    between *= np.sign(between @ second) / np.linalg.norm(between)
    return np.stack([first / np.linalg.norm(first), between, normal], axis=1)

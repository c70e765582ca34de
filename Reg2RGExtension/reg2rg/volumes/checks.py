"""Checks that an image is a chest CT in HU, with error messages for images that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.volumes.resampling import is_sheared, shear_degrees, straighten

MINIMUM_SLICES = 8
"""Minimum number of voxels along each axis of a volume."""

MAXIMUM_VOXELS = 400_000_000
"""Most voxels that a volume may have: 1500 slices of 512 x 512. Memory and time grow with their number."""

MAXIMUM_SPACING_MM = 20.0
"""Largest voxel size; a finding may fit between larger ones."""

SMALLEST_EXTENT_MM, LARGEST_EXTENT_MM = 10.0, 2500.0
"""Extent of a scan along any axis, from a slab to a whole body; others have wrong units."""

LOWEST_HU = -1024
"""Values below this are clamped to it: padding (-2000, -3024) and interpolation overshoot below air."""

HIGHEST_HU = 32000
"""Values above this are clamped to it: artifacts of metal."""

SMALLEST_COSINE = 1e-100
"""Direction cosines below this are zero."""


def as_hu_volume(image: sitk.Image, path: Path, on_notice: NoticeCallback = ignore_notice) -> sitk.Image:
    """Check that an image is a 3-D chest CT, and copy it without its header fields.

    An image whose axes are not perpendicular is resampled.

    Args:
        image: image as read from disk.
        path: where it came from, for messages.
        on_notice: receives a message if the image is resampled.

    Returns:
        A 3-D image at the same place: int16 HU, or float32 HU if values have fractions.

    Raises:
        InputError: the image is not a 3-D CT, or its size or values are not plausible for one.
    """
    image = _three_dimensional(image, path)
    _check_size(image, path)
    hu = sitk.GetArrayViewFromImage(image)
    if hu.dtype.kind == "f" and not np.isfinite(hu).all():
        raise InputError(f"{path} contains NaN or infinite values; expected a number in every voxel.")
    low, high = float(hu.min()), float(hu.max())
    if low == high:
        raise InputError(f"{path} has the same value ({low:g}) in every voxel; expected a CT.")
    volume = _clip(image)
    # ITK cannot invert a direction with values close to the smallest floating-point number.
    volume.SetDirection([0.0 if abs(cosine) < SMALLEST_COSINE else cosine for cosine in volume.GetDirection()])
    from reg2rg.volumes.plausibility import find_implausible  # needs scipy, without which reports are read

    if reason := find_implausible(volume):
        raise InputError(
            f"{path} is not a chest CT in HU: {reason} (values from {low:g} to {high:g}). It may be another part of "
            "the body, MR, PET, a label map, or a CT whose rescale slope or intercept is missing or wrong."
        )
    if not is_sheared(volume):
        return volume
    on_notice(
        f"The slices of {path.name} are shifted against each other by {shear_degrees(volume):.1f} degrees (tilted "
        "gantry); they were resampled on a rectangular grid."
    )
    return straighten(volume)


def _three_dimensional(image: sitk.Image, path: Path) -> sitk.Image:
    """Return the image as a 3-D scalar volume; a fourth axis of length 1 is dropped."""
    size = image.GetSize()
    if image.GetDimension() == 4 and size[3] == 1:
        image, size = image[..., 0], size[:3]
    shape = " x ".join(map(str, size))
    if len(size) != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        kind = "color or vector" if image.GetNumberOfComponentsPerPixel() != 1 else f"{len(size)}-D"
        raise InputError(f"{path} is a {kind} image ({shape}); expected a single 3-D volume.")
    if image.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        raise InputError(f"{path} contains complex numbers; expected HU.")
    if min(size) < MINIMUM_SLICES:
        raise InputError(f"{path} has {shape} voxels; expected a volume of at least {MINIMUM_SLICES} slices.")
    return image


def _check_size(image: sitk.Image, path: Path) -> None:
    """Raise an InputError if a volume is larger than a person, too coarse, or too large to be processed."""
    size, spacing = image.GetSize(), image.GetSpacing()
    voxels, sizes = " x ".join(map(str, size)), " x ".join(f"{length:g}" for length in spacing)
    if image.GetNumberOfPixels() > MAXIMUM_VOXELS:
        raise InputError(
            f"{path} has {voxels} voxels; expected at most {MAXIMUM_VOXELS // 1_000_000} million: choose a "
            "reconstruction with thicker slices, or crop or resample it."
        )
    extents = np.multiply(size, spacing)
    if extents.min() < SMALLEST_EXTENT_MM or extents.max() > LARGEST_EXTENT_MM:
        raise InputError(
            f"{path} has {voxels} voxels of {sizes} mm; expected the size of a chest: is its voxel "
            "size right, and in mm?"
        )
    if max(spacing) > MAXIMUM_SPACING_MM:
        raise InputError(
            f"{path} has voxels of {sizes} mm; expected at most {MAXIMUM_SPACING_MM:g} mm; choose a "
            "finer reconstruction."
        )


def _clip(image: sitk.Image) -> sitk.Image:
    """Clip to the range of HU, without header fields; int16 if all values are whole numbers, float32 otherwise."""
    hu = sitk.GetArrayViewFromImage(image)
    is_whole = hu.dtype.kind != "f" or all(np.array_equal(plane, np.rint(plane)) for plane in hu)
    return sitk.Clamp(image, sitk.sitkInt16 if is_whole else sitk.sitkFloat32, LOWEST_HU, HIGHEST_HU)

"""Checks that an image is a chest CT in HU, with error messages for images that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.volumes.geometry import image_like

MINIMUM_SLICES = 8
"""Minimum number of voxels along each axis of a volume."""

LOWEST_HU = -1024
"""Values below this are clamped to it: padding (-2000, -3024) and interpolation overshoot below air."""

HIGHEST_HU = 32000
"""Highest plausible value, in HU."""

AIR_HU = -200
"""Every chest CT has voxels of lung or air below this value; MR, PET, ultrasound and label maps have none."""


def as_hu_volume(image: sitk.Image, path: Path) -> sitk.Image:
    """Check that an image is a 3-D CT, and copy it without its header fields.

    Args:
        image: image as read from disk.
        path: where it came from, for error messages.

    Returns:
        A 3-D image with the same geometry: int16 HU, or float32 HU if values have fractions.

    Raises:
        InputError: the image is not a 3-D CT, or its values are not plausible for one.
    """
    image = _three_dimensional(image, path)
    hu = sitk.GetArrayViewFromImage(image)
    if hu.dtype.kind == "f" and not np.isfinite(hu).all():
        raise InputError(f"{path} contains NaN or infinite values; expected HU in every voxel.")
    low, high = float(hu.min()), float(hu.max())
    if low == high:
        raise InputError(f"{path} has the same value ({low:g}) in every voxel; expected a CT.")
    if low > AIR_HU:
        raise InputError(
            f"{path} has no values below {AIR_HU} HU (its values range from {low:g} to {high:g}), so it is not a chest "
            "CT in HU; it may be MR, PET, a label map, or a CT stored without its rescale intercept."
        )
    if high > HIGHEST_HU or high < 0:
        raise InputError(f"{path} has values from {low:g} to {high:g}; expected the HU of a chest, from air to bone.")
    return image_like(_clip(hu), image)


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


def _clip(hu: np.ndarray) -> np.ndarray:
    """Clip from below at LOWEST_HU; int16 if all values are whole numbers, float32 otherwise."""
    if hu.dtype.kind != "f" or np.array_equal(hu, np.rint(hu)):
        return np.clip(hu, LOWEST_HU, HIGHEST_HU).astype(np.int16)
    return np.maximum(hu, LOWEST_HU).astype(np.float32)

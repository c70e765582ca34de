"""What makes an image a chest CT in HU, and words for what does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError

MINIMUM_SLICES = 8
LOWEST_HU = -1024
"""Padding (-2000, -3024) and interpolation overshoot below air are set to this."""

AIR_HU = -200
"""Every chest CT has voxels of lung or air below this; MR, PET, label maps and ultrasound have none."""

HIGHEST_HU = 32000


def as_hu_volume(image: sitk.Image, path: Path) -> sitk.Image:
    """Check that the image is a 3-D CT and give it back as int16 or float32 HU without any header fields."""
    image = _three_dimensional(image, path)
    hu = sitk.GetArrayViewFromImage(image)
    if hu.dtype.kind == "f" and not np.isfinite(hu).all():
        raise InputError(f"{path} holds NaN or infinite values; expected HU in every voxel.")
    low, high = float(hu.min()), float(hu.max())
    if low == high:
        raise InputError(f"{path} has the same value ({low:g}) in every voxel; expected a CT.")
    if low > AIR_HU:
        raise InputError(
            f"{path} has no value below {AIR_HU} HU (it has {low:g} to {high:g}), so it is no CT of a chest in HU: "
            "perhaps MR, PET, a label map, or a CT stored without its rescale intercept."
        )
    if high > HIGHEST_HU or high < 0:
        raise InputError(f"{path} has values from {low:g} to {high:g}; expected HU of a chest, air to bone.")
    clean = sitk.GetImageFromArray(_clipped(hu))
    clean.CopyInformation(image)
    return clean


def _three_dimensional(image: sitk.Image, path: Path) -> sitk.Image:
    size = image.GetSize()
    if image.GetDimension() == 4 and size[3] == 1:
        image, size = image[..., 0], size[:3]
    shape = " x ".join(map(str, size))
    if len(size) != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        kind = "colour or vector" if image.GetNumberOfComponentsPerPixel() != 1 else f"{len(size)}-D"
        raise InputError(f"{path} is a {kind} image ({shape}); expected one 3-D volume.")
    if image.GetPixelID() in (sitk.sitkComplexFloat32, sitk.sitkComplexFloat64):
        raise InputError(f"{path} holds complex numbers; expected HU.")
    if min(size) < MINIMUM_SLICES:
        raise InputError(f"{path} has {shape} voxels; expected a volume of at least {MINIMUM_SLICES} slices.")
    return image


def _clipped(hu: np.ndarray) -> np.ndarray:
    """int16 where nothing is lost by it, else float32, from LOWEST_HU up."""
    if hu.dtype.kind != "f" or np.array_equal(hu, np.rint(hu)):
        return np.clip(hu, LOWEST_HU, HIGHEST_HU).astype(np.int16)
    return np.maximum(hu, LOWEST_HU).astype(np.float32)

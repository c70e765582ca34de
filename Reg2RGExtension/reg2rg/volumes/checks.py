"""Checks that an image is a chest CT in HU, with error messages for images that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from reg2rg.errors import InputError
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.volumes.geometry import array_spacing, image_like
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

LUNG_HU = (-980, -500)
"""Range of aerated lung. Room air is below it; emphysema is, too, but never a whole lung."""

TISSUE_HU = (-300, 1000)
"""Range of fat, organs and bone, with and without contrast medium."""

TISSUE_PEAK_HU = (-160, 160)
"""Range of the most frequent value in the body: fat is at about -100 HU, muscle and blood at 50."""

MINIMUM_LUNG_ML = 30.0
"""Lung in the smallest volume accepted, without the layer next to other tissue."""

_COARSE_MM = 4.0
"""Voxel size at which the values are judged; averaging reduces noise."""


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
        raise InputError(f"{path} contains NaN or infinite values; expected HU in every voxel.")
    low, high = float(hu.min()), float(hu.max())
    if low == high:
        raise InputError(f"{path} has the same value ({low:g}) in every voxel; expected a CT.")
    volume = image_like(_clip(hu), image)
    _check_values(volume, path, f"its values range from {low:g} to {high:g}")
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


def _clip(hu: np.ndarray) -> np.ndarray:
    """Clip to the range of HU; int16 if all values are whole numbers, float32 otherwise."""
    is_whole = hu.dtype.kind != "f" or np.array_equal(hu, np.rint(hu))
    return np.clip(hu, LOWEST_HU, HIGHEST_HU).astype(np.int16 if is_whole else np.float32)


def _check_values(volume: sitk.Image, path: Path, values: str) -> None:
    """Raise an InputError unless the values are distributed as in a chest: lung, and tissue around fat or muscle.

    A voxel counts only if its neighbors have similar values. Noise has no such voxels, and so has the border between
    the body and the air around it, whose values are those of lung.
    """
    factors = [
        max(1, min(round(_COARSE_MM / spacing), size // MINIMUM_SLICES))
        for spacing, size in zip(volume.GetSpacing(), volume.GetSize(), strict=True)
    ]
    coarse = sitk.BinShrink(sitk.Cast(volume, sitk.sitkFloat32), factors)
    hu = sitk.GetArrayViewFromImage(coarse)
    lung_ml = _coherent(hu, *LUNG_HU).sum() * np.prod(array_spacing(coarse)) / 1000
    tissue = hu[_coherent(hu, *TISSUE_HU)]
    reason = f"{path} is not a chest CT in HU: {values}"
    if lung_ml < MINIMUM_LUNG_ML:
        raise InputError(
            f"{reason}, and no lung is among them ({LUNG_HU[0]} to {LUNG_HU[1]} HU); it may be another part of "
            "the body, MR, PET, a label map, or a CT stored without its rescale intercept."
        )
    counts, edges = np.histogram(tissue, np.arange(TISSUE_HU[0], TISSUE_HU[1] + 1, 20))
    peak = float(edges[counts.argmax()] + 10)
    if not len(tissue) or not TISSUE_PEAK_HU[0] <= peak <= TISSUE_PEAK_HU[1]:
        found = f"the most frequent one in tissue is {peak:g}" if len(tissue) else "no tissue is among them"
        raise InputError(f"{reason}, and {found}; expected fat or muscle. Is the rescale slope or intercept wrong?")


def _coherent(hu: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return the voxels in a range of HU whose four neighbors in the slice are in it as well."""
    within = (hu > low) & (hu < high)
    return ndimage.binary_erosion(within, ndimage.generate_binary_structure(2, 1)[None])

"""Variation of real CTs: another body shape before planting, another scanner after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import gaussian_filter, uniform_filter1d

from reg2rg.planting.hosts import Host, resampled_masks

_SCALE = (0.9, 1.1)
_ROTATION_DEGREES = (3.0, 3.0, 6.0)
"""Standard deviations of the rotation around x, y, z."""
_BEND_MM = 5.0
"""Standard deviation of the displacements of a lattice whose points are _LATTICE_MM apart."""
_LATTICE_MM = 70.0
_CROPPED_SHARE = 0.35
"""Fraction of the scans that are cut at the top, at the bottom, or both."""
_MOST_CROPPED = 0.3
"""Largest share of the slices that is cut off at one end."""


def vary_body(host: Host, rng: np.random.Generator) -> Host:
    """Scale, turn and bend a scan with its masks, and crop some of them along z.

    Args:
        host: the scan.
        rng: source of randomness.
    """
    transform = sitk.CompositeTransform([_bend(host.volume, rng), _affine(host.volume, rng)])
    hu = sitk.Resample(host.volume, host.volume, transform, sitk.sitkLinear, -1024)
    bits = sitk.Resample(host.masks.bits, host.volume, transform, sitk.sitkNearestNeighbor, 0)
    kept = _kept_slices(hu.GetSize()[2], rng)
    return Host(host.entry, hu[:, :, kept], resampled_masks(host.masks, bits[:, :, kept]))


def _affine(volume: sitk.Image, rng: np.random.Generator) -> sitk.Transform:
    transform = sitk.AffineTransform(3)
    transform.SetCenter(volume.TransformContinuousIndexToPhysicalPoint([n / 2 for n in volume.GetSize()]))
    transform.Scale(rng.uniform(*_SCALE, 3).tolist())
    for (first, second), degrees in zip(((1, 2), (0, 2), (0, 1)), _ROTATION_DEGREES, strict=True):
        transform.Rotate(first, second, float(np.radians(rng.normal(0, degrees))))
    return transform


def _bend(volume: sitk.Image, rng: np.random.Generator) -> sitk.Transform:
    """Return a smooth random displacement."""
    extent = np.multiply(volume.GetSize(), volume.GetSpacing())
    size = np.ceil(extent / _LATTICE_MM).astype(int) + 1
    vectors = rng.normal(0, _BEND_MM, (*size[::-1], 3))
    lattice = sitk.GetImageFromArray(vectors, isVector=True)
    lattice.SetSpacing((extent / (size - 1)).tolist())
    lattice.SetOrigin(volume.GetOrigin())
    lattice.SetDirection(volume.GetDirection())
    return sitk.DisplacementFieldTransform(sitk.Cast(lattice, sitk.sitkVectorFloat64))


def _kept_slices(count: int, rng: np.random.Generator) -> slice:
    low, high = (rng.uniform(0, _MOST_CROPPED, 2) * (rng.random(2) < 0.5) * count).astype(int)
    return slice(int(low), count - int(high)) if rng.random() < _CROPPED_SHARE else slice(0, count)


@dataclass(frozen=True)
class Reconstruction:
    """How a scan is reconstructed after planting.

    Attributes:
        blur: standard deviation of a blur in the axial plane, in voxels.
        sharpen: strength of the overshoot at edges.
        thickness: number of slices that are averaged.
        noise: standard deviation of additional noise in HU.
        scale: factor on HU + 1000.
        shift: shift of all values in HU.
    """

    blur: float
    sharpen: float
    thickness: int
    noise: float
    scale: float
    shift: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> Reconstruction:
        """Sample a reconstruction; half of them change neither kernel nor thickness."""
        changes = rng.random(3) < 0.5
        return cls(
            blur=float(rng.uniform(0.3, 0.9)) if changes[0] else 0.0,
            sharpen=float(rng.uniform(0.1, 0.7)) if changes[1] else 0.0,
            thickness=int(rng.integers(2, 4)) if changes[2] else 1,
            noise=float(rng.uniform(0, 18)),
            scale=float(rng.uniform(0.98, 1.02)),
            shift=float(rng.uniform(-8, 8)),
        )

    def apply(self, hu: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return the reconstructed volume.

        Args:
            hu: volume in HU, float32 (z, y, x).
            rng: source of the noise.

        Returns:
            HU, int16 (z, y, x). Blank voxels stay blank.
        """
        blank = hu <= -1024
        if self.thickness > 1:
            hu = uniform_filter1d(hu, self.thickness, axis=0, mode="nearest")
        if self.blur:
            hu = gaussian_filter(hu, [0, self.blur, self.blur])
        if self.sharpen:
            hu = hu + np.float32(self.sharpen) * (hu - gaussian_filter(hu, [0, 1, 1]))
        noise = gaussian_filter(rng.standard_normal(hu.shape, dtype=np.float32), [0, 0.6, 0.6])
        hu = (hu + 1000) * np.float32(self.scale) - 1000 + np.float32(self.shift)
        hu += noise * np.float32(self.noise / 0.45)
        return np.where(blank, -1024, np.clip(np.rint(hu), -1024, 3071)).astype(np.int16)

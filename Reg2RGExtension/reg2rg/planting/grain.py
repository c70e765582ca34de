"""The noise of a scan, measured where tissue is homogeneous, and more noise of the same kind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, uniform_filter
from scipy.signal import fftconvolve

_BLOCK = (6, 16, 16)
"""Size of the block in which noise is measured, voxels (z, y, x)."""
_SMOOTHING = 3.5
"""Standard deviation in voxels of the filter whose residual is the noise."""
_TISSUE_HU = (0.0, 130.0)
_WEAKEST_HU = 3.0
"""Least standard deviation of noise."""


@dataclass(frozen=True)
class Grain:
    """Noise with the strength and the spatial correlation of a block of tissue.

    White noise that is convolved with the block has the block's autocorrelation (Galerne et al., "Random Phase
    Textures", IEEE TIP 20, 2011).

    Attributes:
        block: noise in the block in HU, divided by the square root of its number of voxels, (z, y, x).
    """

    block: np.ndarray

    @classmethod
    def of_scan(cls, hu: np.ndarray) -> Grain:
        """Measure the noise in the most homogeneous block of soft tissue.

        Args:
            hu: volume in HU, float32 (z, y, x).
        """
        half = hu[::2, ::2, ::2].astype(float)  # the variance is a small difference of large numbers
        size = [max(1, n // 2) for n in _BLOCK]
        mean = uniform_filter(half, size)
        spread = uniform_filter(np.square(half), size) - np.square(mean)
        edges = tuple(slice(n, max(n + 1, length - n)) for n, length in zip(size, half.shape, strict=True))
        is_tissue = (mean[edges] > _TISSUE_HU[0]) & (mean[edges] < _TISSUE_HU[1])
        place = np.where(is_tissue, spread[edges], np.inf).argmin()
        middle = [2 * (i + n) for i, n in zip(np.unravel_index(place, is_tissue.shape), size, strict=True)]
        around = tuple(slice(max(0, m - n // 2), m + n // 2) for m, n in zip(middle, _BLOCK, strict=True))
        block = hu[around] - gaussian_filter(hu[around], _SMOOTHING)
        block = block - block.mean()
        strength = max(float(block.std()), _WEAKEST_HU)
        return cls(block / max(float(block.std()), 1e-3) * strength / np.sqrt(block.size))

    def sample(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Sample noise in HU, float32 of the given shape (z, y, x)."""
        margin = [n - 1 for n in self.block.shape]
        white = rng.standard_normal([n + m for n, m in zip(shape, margin, strict=True)], dtype=np.float32)
        return fftconvolve(white, self.block.astype(np.float32), mode="valid")

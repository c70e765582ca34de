"""The scanner: which part of the body it sees on which grid, and what blur and noise it adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from reg2rg.phantom.body import Build, Canvas
from reg2rg.phantom.body.surfaces import Surfaces

_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "training": {"view": (0.98, 1.22), "noise": (7, 26), "blur": (0.5, 1.3), "grain": (0.0, 0.6), "sharpen": (0, 0.5)},
    "held-out": {"view": (0.92, 1.12), "noise": (12, 32), "blur": (0.7, 1.6), "grain": (0.2, 0.8), "sharpen": (0, 0.8)},
}
_ROUND_SHARE = 0.4
_NOISE_VOLUME = 30.0
"""Voxel volume (mm3) for which the noise ranges are given; smaller voxels are noisier."""


@dataclass(frozen=True)
class Scanner:
    """One scan's settings.

    Attributes:
        view: width of the field of view, mm.
        top, bottom: ends of the scan, mm above the lung apex.
        centre: of the field of view, x and y.
        noise: standard deviation, HU, of voxels of _NOISE_VOLUME.
        blur: standard deviation in the axial plane, mm.
        grain: that of the noise's blur, in voxels: fine for a sharp kernel, coarse for a smooth one.
        sharpen: overshoot at edges, 0 for a smooth kernel.
        round_view: what lies outside the circle of the field of view is not reconstructed.
    """

    view: float
    top: float
    bottom: float
    centre: tuple[float, float]
    noise: float
    blur: float
    grain: float
    sharpen: float
    round_view: bool

    @classmethod
    def draw(cls, build: Build, surfaces: Surfaces, population: str, rng: np.random.Generator) -> Scanner:
        """A chest scan: thyroid and the upper half of the kidneys are in it; the field of view may cut the sides."""
        value = {name: float(rng.uniform(*limits)) for name, limits in _RANGES[population].items()}
        width = 2 * float(surfaces.curve("width", -110.0))
        return cls(
            view=width * value["view"],
            top=rng.uniform(34, 60),
            bottom=rng.uniform(-320, -282) * build.stretch,
            centre=(rng.uniform(-6, 6), rng.uniform(-12, 4)),
            noise=value["noise"],
            blur=value["blur"],
            grain=value["grain"],
            sharpen=value["sharpen"] if rng.random() < 0.5 else 0.0,
            round_view=bool(rng.random() < _ROUND_SHARE),
        )

    def canvas(self, size: tuple[int, int, int], spacing: tuple[float, float, float] | None) -> Canvas:
        """An empty grid of this size, centred on the scan; without a spacing, one that shows all of it."""
        spacing = spacing or (self.view / size[0], self.view / size[0], (self.top - self.bottom) / size[2])
        middle = np.array([*self.centre, (self.top + self.bottom) / 2])
        return Canvas(size, spacing, middle - (np.array(size) - 1) / 2 * spacing)

    def acquire(self, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
        """The HU a scanner would give; int16 (z, y, x)."""
        across = [self.blur / s for s in canvas.spacing[1::-1]]
        hu = gaussian_filter(canvas.hu, [0, *across], mode="nearest", truncate=2.5)
        if self.sharpen:
            hu += np.float32(self.sharpen) * (hu - gaussian_filter(hu, [0, *across], mode="nearest", truncate=2.5))
        hu += self._noise(canvas, rng)
        if self.round_view:
            radius = np.float32(0.5 * self.view) + canvas.in_plane / 2
            outside = (canvas.x - self.centre[0]) ** 2 + (canvas.y - self.centre[1]) ** 2 > radius**2
            np.copyto(hu, np.float32(-1024), where=outside)
        return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)

    def _noise(self, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
        """Noise of the kernel's grain, stronger at the shoulders."""
        noise = rng.standard_normal(canvas.shape, dtype=np.float32)
        if self.grain > 0.3:
            noise = gaussian_filter(noise, [0, self.grain, self.grain], mode="wrap", truncate=2.5)
            noise /= noise[:: max(1, canvas.shape[0] // 8)].std()
        finer = (_NOISE_VOLUME / float(np.prod(canvas.spacing))) ** 0.25
        shoulders = 1 + 0.5 * np.exp(-((canvas.z / 60) ** 2))
        noise *= np.float32(min(self.noise * finer, 60)) * shoulders
        return noise

"""The scanner: its field of view and grid, and the blur and noise it adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from reg2rg.phantom.body import Canvas, Physique, Surfaces

_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "training": {"view": (0.98, 1.22), "noise": (7, 28), "blur": (0.3, 1.1), "grain": (0.0, 0.6), "sharpen": (0, 0.5)},
    "held-out": {"view": (0.92, 1.12), "noise": (12, 34), "blur": (0.6, 1.4), "grain": (0.2, 0.8), "sharpen": (0, 0.8)},
}
"""Population -> setting -> range it is sampled from, uniformly; "view" is relative to the width of the trunk."""
_ROUND_VIEW_SHARE = 0.4
_SHARP_KERNEL_SHARE = 0.5
_NOISE_VOLUME = 30.0
"""Voxel volume (mm3) that the noise ranges refer to; smaller voxels are noisier."""


@dataclass(frozen=True)
class Scanner:
    """The settings of one scan.

    Attributes:
        view: width of the field of view in mm.
        top: z of the upper end of the scan in mm.
        bottom: z of the lower end of the scan in mm.
        center: center of the field of view, x and y in mm.
        noise: standard deviation in HU of the noise of a voxel of _NOISE_VOLUME.
        blur: standard deviation of the blur in the axial plane in mm.
        grain: standard deviation of the noise's blur in voxels: small for a sharp kernel, large for a smooth one.
        sharpen: strength of the overshoot at edges; 0 for a smooth kernel.
        round_view: whether everything outside the inscribed circle of the field of view is left blank.
    """

    view: float
    top: float
    bottom: float
    center: tuple[float, float]
    noise: float
    blur: float
    grain: float
    sharpen: float
    round_view: bool

    @classmethod
    def sample(cls, physique: Physique, surfaces: Surfaces, population: str, rng: np.random.Generator) -> Scanner:
        """Sample a chest scan that includes the thyroid and the upper half of the kidneys and may cut off the sides.

        Args:
            physique: sizes of the body.
            surfaces: surfaces of the body.
            population: one of POPULATIONS.
            rng: source of the settings.
        """
        value = {name: float(rng.uniform(*limits)) for name, limits in _RANGES[population].items()}
        width = 2 * float(surfaces.curve("width", -110.0))
        return cls(
            view=width * value["view"],
            top=rng.uniform(34, 60),
            bottom=rng.uniform(-320, -282) * physique.stretch,
            center=(rng.uniform(-6, 6), rng.uniform(-12, 4)),
            noise=value["noise"],
            blur=value["blur"],
            grain=value["grain"],
            sharpen=value["sharpen"] if rng.random() < _SHARP_KERNEL_SHARE else 0.0,
            round_view=bool(rng.random() < _ROUND_VIEW_SHARE),
        )

    def canvas(self, size: tuple[int, int, int], spacing: tuple[float, float, float] | None) -> Canvas:
        """Return an empty grid centered on the scan.

        Args:
            size: number of voxels along x, y, z.
            spacing: voxel size along x, y, z in mm; if None, the grid covers exactly the scan.
        """
        spacing = spacing or (self.view / size[0], self.view / size[0], (self.top - self.bottom) / size[2])
        middle = np.array([*self.center, (self.top + self.bottom) / 2])
        return Canvas(size, spacing, middle - (np.array(size) - 1) / 2 * spacing)

    def acquire(self, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
        """Simulate the scan.

        Args:
            canvas: the painted body.
            rng: source of the noise.

        Returns:
            HU, int16 (z, y, x).
        """
        across = [self.blur / s for s in canvas.spacing[1::-1]]
        hu = gaussian_filter(canvas.hu, [0, *across], mode="nearest", truncate=2.5)
        if self.sharpen:
            hu += np.float32(self.sharpen) * (hu - gaussian_filter(hu, [0, *across], mode="nearest", truncate=2.5))
        hu += self._noise(canvas, rng)
        if self.round_view:
            radius = np.float32(0.5 * self.view) + canvas.in_plane / 2
            outside = (canvas.x - self.center[0]) ** 2 + (canvas.y - self.center[1]) ** 2 > radius**2
            np.copyto(hu, np.float32(-1024), where=outside)
        return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)

    def _noise(self, canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
        """Return noise (HU) of the kernel's grain, stronger at the shoulders, float32 (z, y, x)."""
        noise = rng.standard_normal(canvas.shape, dtype=np.float32)
        if self.grain > 0.3:
            noise = gaussian_filter(noise, [0, self.grain, self.grain], mode="wrap", truncate=2.5)
            noise /= noise[:: max(1, canvas.shape[0] // 8)].std()
        voxel_factor = (_NOISE_VOLUME / float(np.prod(canvas.spacing))) ** 0.25
        shoulder_factor = 1 + 0.35 * np.exp(-((canvas.z / 60) ** 2))
        noise *= np.float32(min(self.noise * voxel_factor, 60)) * shoulder_factor
        return noise

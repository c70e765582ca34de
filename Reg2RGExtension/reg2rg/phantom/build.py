"""What makes one phantom's body differ from another's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

_HEIGHTS = (-300.0, -200.0, -100.0, -40.0, 0.0, 30.0, 60.0)
"""Heights (mm above the lung apex) at which the curves below are given."""
_CURVES = {
    "body_width": (1.0, 1.0, 1.0, 1.02, 1.0, 0.84, 0.60),
    "body_depth": (1.0, 1.0, 1.0, 0.93, 0.80, 0.68, 0.62),
    "centre": (0.0, 0.0, 2.0, 9.0, 16.0, 20.0, 22.0),
    "spine": (48.0, 58.0, 63.0, 60.0, 50.0, 40.0, 34.0),
}
_WALL_MM = 16.0


@dataclass(frozen=True)
class Build:
    """Sizes (mm) and densities (HU) of one body.

    Attributes:
        half_width, half_depth: of the thoracic cavity at its widest.
        stretch: heights are multiplied by this.
        fat: thickness under the skin.
        heart_scale: 1 for a normal heart, above 1.2 for an enlarged one.
        pericardium: thickness and HU of the layer between heart and pericardium; fat in a normal heart.
        blood, muscle, liver, spleen, kidney, thyroid, marrow, lung: HU; blood is bright after contrast medium.
    """

    female: bool
    half_width: float
    half_depth: float
    stretch: float
    fat: float
    heart_scale: float
    pericardium: tuple[float, float]
    blood: float
    muscle: float
    liver: float
    spleen: float
    kidney: float
    thyroid: float
    marrow: float
    lung: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Build:
        """A healthy body."""
        female = bool(rng.random() < 0.5)
        contrast = rng.uniform(0.4, 1.0) if rng.random() < 0.45 else 0.0
        smaller = 0.95 if female else 1.0
        return cls(
            female=female,
            half_width=rng.uniform(118, 134) * smaller,
            half_depth=rng.uniform(76, 90) * smaller,
            stretch=rng.uniform(0.93, 1.05) * (0.98 if female else 1.0),
            fat=rng.uniform(6, 18),
            heart_scale=rng.uniform(0.93, 1.05),
            pericardium=(rng.uniform(3, 5), rng.uniform(-100, -75)),
            blood=38 + 95 * contrast + rng.uniform(-4, 4),
            muscle=50 + 8 * contrast + rng.uniform(-5, 5),
            liver=66 + 40 * contrast + rng.uniform(-6, 8),
            spleen=46 + 55 * contrast + rng.uniform(-4, 4),
            kidney=32 + 70 * contrast + rng.uniform(-4, 4),
            thyroid=105 + 45 * contrast + rng.uniform(-8, 10),
            marrow=rng.uniform(105, 150),
            lung=rng.uniform(-870, -815),
        )

    def with_heart(self, scale: float | None = None, pericardium: tuple[float, float] | None = None) -> Build:
        """The same body with another heart."""
        return replace(self, heart_scale=scale or self.heart_scale, pericardium=pericardium or self.pericardium)

    def at(self, x: float, y: float, z: float) -> np.ndarray:
        """A point (mm) of the average body, moved to where this body has it."""
        return np.array([x * self.half_width / 126, y * self.half_depth / 82, z * self.stretch])

    def curve(self, name: str, z: np.ndarray) -> np.ndarray:
        """A curve over height: ``body_width`` and ``body_depth`` (half axes), ``centre`` and ``spine`` (y), in mm."""
        value = np.interp(z / self.stretch, _HEIGHTS, _CURVES[name])
        thickness = _WALL_MM + self.fat
        factor = {
            "body_width": self.half_width + thickness,
            "body_depth": self.half_depth + thickness,
            "centre": 1.0,
            "spine": self.half_depth / 82,
        }[name]
        return (value * factor).astype(np.float32)

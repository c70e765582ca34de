"""What makes one phantom's body differ from another's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "training": {
        "half_width": (116, 134),
        "half_depth": (82, 100),
        "stretch": (0.92, 1.05),
        "fat": (5, 24),
        "muscle_mm": (9, 16),
        "heart_scale": (0.90, 1.04),
        "lung": (-885, -815),
        "soft": (-5, 5),
        "marrow": (120, 230),
        "contrast": (0.4, 1.0),
        "breast_scale": (0.75, 1.2),
        "tilt": (-0.03, 0.03),
    },
    "held-out": {
        "half_width": (110, 127),
        "half_depth": (86, 106),
        "stretch": (0.97, 1.09),
        "fat": (14, 34),
        "muscle_mm": (11, 19),
        "heart_scale": (0.95, 1.07),
        "lung": (-865, -795),
        "soft": (-8, 8),
        "marrow": (95, 190),
        "contrast": (0.6, 1.3),
        "breast_scale": (0.9, 1.35),
        "tilt": (-0.045, 0.045),
    },
}
"""Sizes and densities of the bodies of a population; the ranges overlap in part."""

POPULATIONS = tuple(_RANGES)


@dataclass(frozen=True)
class Build:
    """Sizes (mm) and densities (HU) of one body.

    Attributes:
        arms_up: whether the arms lie above the head; else they lie beside the trunk.
        half_width, half_depth: of the thoracic cavity at its widest.
        stretch: heights are multiplied by this.
        fat: thickness under the skin.
        muscle_mm: thickness of the chest wall within the fat.
        tilt: how far the right and the left side of the body lie apart in depth, per mm.
        heart_scale: 1 for a normal heart, above 1.15 for an enlarged one.
        pericardium: thickness and HU of the layer between heart and pericardium; fat in a normal heart.
        blood, muscle, liver, spleen, kidney, thyroid, marrow, lung: HU; blood is bright after contrast medium.
    """

    female: bool
    arms_up: bool
    half_width: float
    half_depth: float
    stretch: float
    fat: float
    muscle_mm: float
    tilt: float
    breast_scale: float
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
    def draw(cls, rng: np.random.Generator, population: str) -> Build:
        """A healthy body of a population."""
        value = {name: float(rng.uniform(*limits)) for name, limits in _RANGES[population].items()}
        female = bool(rng.random() < 0.5)
        contrast = value["contrast"] if rng.random() < 0.4 else 0.0
        smaller = 0.94 if female else 1.0
        soft = value["soft"]
        return cls(
            female=female,
            arms_up=bool(rng.random() < 0.85),
            half_width=value["half_width"] * smaller,
            half_depth=value["half_depth"] * smaller,
            stretch=value["stretch"] * (0.97 if female else 1.0),
            fat=value["fat"] * (1.1 if female else 1.0),
            muscle_mm=value["muscle_mm"] * (0.85 if female else 1.0),
            tilt=value["tilt"],
            breast_scale=value["breast_scale"],
            heart_scale=value["heart_scale"],
            pericardium=(rng.uniform(3, 6), rng.uniform(-100, -75)),
            blood=40 + 110 * contrast + soft,
            muscle=52 + 8 * contrast + soft,
            liver=60 + 45 * contrast + rng.uniform(-9, 8) + soft,
            spleen=48 + 60 * contrast + soft,
            kidney=32 + 90 * contrast + soft,
            thyroid=105 + 45 * contrast + rng.uniform(-15, 12),
            marrow=value["marrow"],
            lung=value["lung"],
        )

    def with_heart(self, scale: float | None = None, pericardium: tuple[float, float] | None = None) -> Build:
        """The same body with another heart."""
        return replace(self, heart_scale=scale or self.heart_scale, pericardium=pericardium or self.pericardium)

    def at(self, x: float, y: float, z: float) -> np.ndarray:
        """A point (mm) of the average body, moved to where this body has it."""
        return np.array([x * self.half_width / 126, y * self.half_depth / 82, z * self.stretch])

    def path(self, *points: tuple[float, float, float]) -> np.ndarray:
        """Several such points, (N, 3)."""
        return np.array([self.at(*point) for point in points])

"""Physique: the sizes and tissue densities that make one phantom's body differ from another's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

_RANGES: dict[str, dict[str, tuple[float, float]]] = {
    "training": {
        "half_width": (116, 134),
        "half_depth": (82, 100),
        "stretch": (0.92, 1.05),
        "fat_mm": (5, 24),
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
        "fat_mm": (14, 34),
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
"""Population -> quantity -> range it is sampled from, uniformly. The ranges of the populations overlap in part."""

POPULATIONS = tuple(_RANGES)

AVERAGE_HALF_WIDTH = 126
AVERAGE_HALF_DEPTH = 82
"""Half axes (mm) of the thoracic cavity in the average body, in whose coordinates organs are given."""


@dataclass(frozen=True)
class Physique:
    """Sizes (mm) and densities (HU) of one body.

    Attributes:
        female: sex; only female bodies have breasts.
        arms_up: whether the arms are raised above the head instead of lying next to the trunk.
        half_width: half the width of the thoracic cavity at its widest, mm.
        half_depth: half the depth of the thoracic cavity at its deepest, mm.
        stretch: factor on all heights, 1 in the average body.
        fat_mm: thickness of the fat under the skin.
        muscle_mm: thickness of the chest wall inside the fat.
        tilt: rotation about the long axis, as mm of depth per mm of width.
        breast_scale: factor on the size of the breasts.
        heart_scale: factor on the size of the heart, around 1 in health and above 1.15 in cardiomegaly.
        pericardium: thickness (mm) and HU of the layer between heart and pericardium, which is fat in health.
        blood_hu: blood; bright after contrast medium.
        muscle_hu: muscle.
        liver_hu: liver.
        spleen_hu: spleen.
        kidney_hu: kidneys.
        thyroid_hu: thyroid gland.
        marrow_hu: bone marrow.
        lung_hu: air-filled lung.
    """

    female: bool
    arms_up: bool
    half_width: float
    half_depth: float
    stretch: float
    fat_mm: float
    muscle_mm: float
    tilt: float
    breast_scale: float
    heart_scale: float
    pericardium: tuple[float, float]
    blood_hu: float
    muscle_hu: float
    liver_hu: float
    spleen_hu: float
    kidney_hu: float
    thyroid_hu: float
    marrow_hu: float
    lung_hu: float

    @classmethod
    def sample(cls, rng: np.random.Generator, population: str) -> Physique:
        """Sample a healthy body.

        Args:
            rng: source of the variation.
            population: one of POPULATIONS.
        """
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
            fat_mm=value["fat_mm"] * (1.1 if female else 1.0),
            muscle_mm=value["muscle_mm"] * (0.85 if female else 1.0),
            tilt=value["tilt"],
            breast_scale=value["breast_scale"],
            heart_scale=value["heart_scale"],
            pericardium=(rng.uniform(3, 6), rng.uniform(-100, -75)),
            blood_hu=40 + 110 * contrast + soft,
            muscle_hu=52 + 8 * contrast + soft,
            liver_hu=60 + 45 * contrast + rng.uniform(-9, 8) + soft,
            spleen_hu=48 + 60 * contrast + soft,
            kidney_hu=32 + 90 * contrast + soft,
            thyroid_hu=105 + 45 * contrast + rng.uniform(-15, 12),
            marrow_hu=value["marrow"],
            lung_hu=value["lung"],
        )

    def with_heart(self, scale: float | None = None, pericardium: tuple[float, float] | None = None) -> Physique:
        """Return the same body with a different heart.

        Args:
            scale: new ``heart_scale``; unchanged if None.
            pericardium: new ``pericardium``, thickness (mm) and HU; unchanged if None.
        """
        return replace(self, heart_scale=scale or self.heart_scale, pericardium=pericardium or self.pericardium)

    def at(self, x: float, y: float, z: float) -> np.ndarray:
        """Map a point (mm) of the average body to the corresponding point of this body, (3,) in mm."""
        across, back = x * self.half_width / AVERAGE_HALF_WIDTH, y * self.half_depth / AVERAGE_HALF_DEPTH
        return np.array([across, back, z * self.stretch])

    def path(self, *points: tuple[float, float, float]) -> np.ndarray:
        """Map several points (mm) of the average body to this body, (N, 3) in mm."""
        return np.array([self.at(*point) for point in points])

"""The thyroid gland."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy


def paint_thyroid(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint two lobes joined by an isthmus; set the thyroid mask and the landmarks "thyroid left" and "... right"."""
    canvas, physique = anatomy.canvas, anatomy.physique
    lobes = []
    for side, sign in (("right", -1), ("left", 1)):
        center = physique.at(sign * 18, 0, 22) + rng.uniform(-1.5, 1.5, 3)
        lobes.append(canvas.ellipsoid(center, np.array([9, 11, 21]) * rng.uniform(0.85, 1.15)))
        anatomy.landmarks[f"thyroid {side}"] = center
        canvas.paint(canvas.ellipsoid(center, (14, 16, 28)).times(0.8), -90)
    isthmus = canvas.ellipsoid(physique.at(0, -9, 14), (16, 4.5, 8))
    for part in (*lobes, isthmus):
        canvas.paint(part, physique.thyroid_hu)
    anatomy.structures["thyroid_gland"] = canvas.mask(*lobes, isthmus)
    anatomy.masks["thyroid"] = canvas.mask(*lobes, isthmus)

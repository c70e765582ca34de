"""Findings of the upper abdomen: liver cyst and kidney stone."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.lesion_painting import paint_lesion, random_ellipsoid
from reg2rg.phantom.findings.planted_finding import PlantedFinding

_CYST_CANDIDATES = 3000
_LOWEST_VISIBLE_MM = -278.0
"""z in the average body above which every scan shows the abdomen."""


def liver_cyst(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a ball of fluid in the right lobe of the liver."""
    size_mm, surfaces = finding.measured_mm, anatomy.surfaces
    center, radii = anatomy.landmarks["liver"]
    points = center + rng.uniform(-1, 1, (_CYST_CANDIDATES, 3)) * radii
    x, y, z = points.T
    room = np.minimum(-surfaces.cavity(x, y, z), surfaces.diaphragm(x, y) - z - 4)
    room = np.minimum(room, (1 - np.linalg.norm((points - center) / radii, axis=1)) * radii.min())
    room = np.minimum(room, z - _LOWEST_VISIBLE_MM * anatomy.physique.stretch)
    room = np.minimum(room, np.maximum(-10 - x, 0))
    fitting = np.flatnonzero(room > size_mm / 2 + 2)
    place = points[fitting[0] if len(fitting) else room.argmax()]
    cyst = random_ellipsoid(anatomy.canvas, place, size_mm, rng, flatness=0.88)
    return paint_lesion(anatomy, cyst, hu=rng.uniform(-5, 12))


def kidney_stone(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a stone in a calyx of the kidney."""
    side = finding.lateral_side
    sign = 1 if side == "left" else -1
    offset = (-sign * rng.uniform(0, 8), rng.uniform(-5, 5), rng.uniform(6, 30))
    stone = random_ellipsoid(anatomy.canvas, anatomy.landmarks[f"kidney {side}"] + offset, finding.measured_mm, rng)
    mask = paint_lesion(anatomy, stone, hu=rng.uniform(500, 1100))
    anatomy.add_to_region("abdomen", mask)
    return mask

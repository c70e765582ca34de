"""Findings of the upper abdomen."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import lump, paint

_LOWEST_MM = -278.0
"""Every scan shows what lies above, before stretching."""


def liver_cyst(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A ball of fluid in the liver's right lobe."""
    radius, surfaces = finding.size_mm / 2, anatomy.surfaces
    centre, radii = anatomy.points["liver"]
    points = centre + rng.uniform(-1, 1, (3000, 3)) * radii
    x, y, z = points.T
    room = np.minimum(-surfaces.cavity(x, y, z), surfaces.diaphragm(x, y) - z - 4)
    room = np.minimum(room, (1 - np.linalg.norm((points - centre) / radii, axis=1)) * radii.min())
    room = np.minimum(room, z - _LOWEST_MM * anatomy.build.stretch)
    room = np.minimum(room, np.maximum(-10 - x, 0))
    fitting = np.flatnonzero(room > radius + 2)
    place = points[fitting[0] if len(fitting) else room.argmax()]
    return paint(anatomy, lump(anatomy.canvas, place, finding.size_mm, rng, flat=0.88), hu=rng.uniform(-5, 12))


def kidney_stone(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A stone in the kidney's calices."""
    sign = 1 if finding.side == "left" else -1
    place = anatomy.points[f"kidney {finding.side}"] + (
        -sign * rng.uniform(0, 8),
        rng.uniform(-5, 5),
        rng.uniform(6, 30),
    )
    mask = paint(anatomy, lump(anatomy.canvas, place, finding.size_mm, rng), hu=rng.uniform(500, 1100))
    anatomy.extend("abdomen", mask)
    return mask

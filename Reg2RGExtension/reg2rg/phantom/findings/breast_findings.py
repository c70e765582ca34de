"""Findings of the breast: mass."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.lesion_painting import paint_lesion, random_ellipsoid
from reg2rg.phantom.findings.planted_finding import PlantedFinding


def breast_mass(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a solid mass among fat and glandular tissue."""
    center = anatomy.landmarks[f"breast {finding.lateral_side}"] + rng.uniform(-1, 1, 3) * (20, 3, 20)
    mass = random_ellipsoid(anatomy.canvas, center, finding.measured_mm, rng)
    mask = paint_lesion(anatomy, mass, hu=rng.uniform(50, 90))
    anatomy.add_to_region("breast", mask)
    return mask

"""Findings of the thyroid: nodule."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.lesion_painting import paint_lesion, random_ellipsoid
from reg2rg.phantom.findings.planted_finding import PlantedFinding


def thyroid_nodule(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a nodule less dense than the gland, which may bulge out of it."""
    side, size_mm = finding.lateral_side, finding.measured_mm
    sign = 1 if side == "left" else -1
    gland = anatomy.landmarks[f"thyroid {side}"]
    center = gland + (sign * (1 + 0.15 * size_mm), -1, rng.uniform(-7, 7))
    nodule = random_ellipsoid(anatomy.canvas, center, size_mm, rng)
    mask = paint_lesion(anatomy, nodule, hu=rng.uniform(15, 45))
    anatomy.add_to_region("thyroid", mask)
    return mask

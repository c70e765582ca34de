"""Findings spread over the lung: emphysema, mosaic attenuation and interlobular septal thickening."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy, random_field
from reg2rg.phantom.findings.lung_locations import lobe_coverage
from reg2rg.phantom.findings.planted_finding import PlantedFinding

_HOLE_THRESHOLDS = {"mild": 1.25, "moderate": 0.8, "severe": 0.3}
"""Value of the random field, of unit variance, above which the lung is destroyed."""
_SEPTUM_HU = {"mild": 190, "moderate": 270, "severe": 360}
"""Increase in HU at a thickened septum."""


def emphysema(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint holes without walls; the more severe the finding, the more holes."""
    canvas = anatomy.canvas
    field = random_field((canvas.x, canvas.y, canvas.z), rng.uniform(18, 28), rng)
    field -= np.float32(_HOLE_THRESHOLDS[finding.severity or "moderate"])
    holes = np.clip(field * 4, 0, 1, out=field)
    holes *= lobe_coverage(anatomy, finding.lateral_side, finding.level)
    canvas.paint(canvas.whole_grid(holes * (canvas.hu < -500)), rng.uniform(-990, -965))
    return holes >= 0.5


def mosaic_attenuation(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint patches of denser and less dense lung side by side; the mask excludes the transitions between them."""
    canvas = anatomy.canvas
    patches = np.clip(random_field((canvas.x, canvas.y, canvas.z), rng.uniform(65, 95), rng) * 3, -1, 1)
    patches *= lobe_coverage(anatomy, finding.lateral_side, finding.level)
    canvas.hu += np.where(patches > 0, np.float32(rng.uniform(90, 150)), np.float32(45)) * patches * (canvas.hu < -450)
    return np.abs(patches) >= 0.5


def septal_thickening(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a network of thickened septa in the outer lung."""
    canvas = anatomy.canvas
    field = random_field((canvas.x, canvas.y, canvas.z), rng.uniform(22, 30), rng)
    zone = lobe_coverage(anatomy, finding.lateral_side, finding.level)
    zone *= np.clip((48 + anatomy.cavity_distance) / 12, 0, 1)
    septa = np.clip(1.3 - np.abs(field) * 4.5, 0, 1) * zone
    canvas.hu += septa * np.float32(_SEPTUM_HU[finding.severity or "moderate"]) * (canvas.hu < -300)
    return septa >= 0.4

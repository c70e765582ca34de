"""Findings of the heart: cardiomegaly, pericardial effusion and coronary calcification.

The first two change the shape of the heart. ``adapt_physique`` therefore applies them before the body is painted.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from reg2rg.phantom.body import Anatomy, Physique
from reg2rg.phantom.findings.lesion_painting import paint_lesion
from reg2rg.phantom.findings.planted_finding import PlantedFinding

_HEART_SCALES = {"mild": 1.2, "moderate": 1.3, "severe": 1.42}
_PERICARDIAL_FLUID_HU = 8.0
_PLAQUE_COUNTS = {"mild": (2, 4), "moderate": (4, 7), "severe": (8, 13)}
"""Range of the number of plaques, upper bound excluded."""


def adapt_physique(physique: Physique, findings: Iterable[PlantedFinding]) -> Physique:
    """Return the physique with the findings that change the shape of the heart.

    Args:
        physique: the healthy body.
        findings: all findings of the case; those that do not affect the shape of the heart are ignored.
    """
    for finding in findings:
        if finding.label == "Cardiomegaly":
            scale = _HEART_SCALES[finding.severity or "moderate"] * (0.75 + 0.25 * physique.heart_scale)
            physique = physique.with_heart(scale=scale)
        elif finding.label == "Pericardial effusion":
            physique = physique.with_heart(pericardium=(finding.size_mm or 12.0, _PERICARDIAL_FLUID_HU))
    return physique


def cardiomegaly(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Return the mask of the whole heart, which was painted enlarged."""
    return anatomy.masks["heart"].copy()


def pericardial_effusion(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Return the mask of the layer around the heart, which was painted as fluid."""
    heart, pericardium = anatomy.shapes["heart"], anatomy.shapes["pericardium"]
    return anatomy.canvas.mask(pericardium) & ~anatomy.canvas.mask(heart)


def coronary_calcification(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint calcified stretches of the coronary arteries, the first always in the anterior descending artery."""
    plaques = []
    arteries = ("anterior", "circumflex", "right")
    for number in range(rng.integers(*_PLAQUE_COUNTS[finding.severity or "moderate"])):
        artery = "anterior" if number == 0 else arteries[rng.integers(3)]
        path = anatomy.landmarks[f"coronary {artery}"]
        first = rng.integers(0, 5)
        start = path[first] + rng.uniform(0, 0.5) * (path[first + 1] - path[first])
        stretch = [start, *path[first + 1 : first + 2 + rng.integers(2)]]
        plaques.append(anatomy.canvas.tube(stretch, rng.uniform(1.7, 2.7)))
    mask = paint_lesion(anatomy, *plaques, hu=rng.uniform(550, 950))
    anatomy.add_to_region("heart", mask)
    return mask

"""Findings of the heart."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import paint

_PLAQUES = {"mild": (2, 4), "moderate": (4, 7), "severe": (8, 13)}


def large_heart(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """The heart was built large; the mask is all of it."""
    return anatomy.masks["heart"].copy()


def pericardial_fluid(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """The fluid was built with the heart; the mask is the layer around it."""
    inner, outer = anatomy.shapes["heart"], anatomy.shapes["pericardium"]
    return anatomy.canvas.mask(outer) & ~anatomy.canvas.mask(inner)


def coronary_plaques(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Calcified stretches of the arteries, always one of the anterior descending artery."""
    plaques = []
    names = ("anterior", "circumflex", "right")
    for number in range(rng.integers(*_PLAQUES[finding.severity or "moderate"])):
        path = anatomy.points[f"coronary {names[0 if number == 0 else rng.integers(3)]}"]
        first = rng.integers(0, 5)
        start = path[first] + rng.uniform(0, 0.5) * (path[first + 1] - path[first])
        plaques.append(
            anatomy.canvas.tube([start, *path[first + 1 : first + 2 + rng.integers(2)]], rng.uniform(1.7, 2.7))
        )
    mask = paint(anatomy, *plaques, hu=rng.uniform(550, 950))
    anatomy.extend("heart", mask)
    return mask

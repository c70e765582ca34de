"""Findings spread over the lung: emphysema, mosaic attenuation, thick septa."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import random_field
from reg2rg.phantom.findings.places import lobe_coverage

_HOLES_FROM = {"mild": 1.25, "moderate": 0.8, "severe": 0.3}
_SEPTA_HU = {"mild": 190, "moderate": 270, "severe": 360}


def emphysema(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Holes without a wall, the more the more severe."""
    canvas = anatomy.canvas
    field = random_field(canvas, rng.uniform(24, 36), rng)
    field -= np.float32(_HOLES_FROM[finding.severity or "moderate"])
    holes = np.clip(field * 4, 0, 1, out=field)
    holes *= lobe_coverage(anatomy, finding.side, finding.level)
    canvas.paint(canvas.whole(holes * (canvas.hu < -500)), rng.uniform(-990, -965))
    return holes >= 0.5


def mosaic(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Patches of denser and of less dense lung side by side; the mask holds both, without what lies between them."""
    canvas = anatomy.canvas
    patches = np.clip(random_field(canvas, rng.uniform(65, 95), rng) * 3, -1, 1)
    patches *= lobe_coverage(anatomy, finding.side, finding.level)
    canvas.hu += np.where(patches > 0, np.float32(rng.uniform(90, 150)), np.float32(45)) * patches * (canvas.hu < -450)
    return np.abs(patches) >= 0.5


def septa(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A net of sheets in the outer lung."""
    canvas = anatomy.canvas
    field = random_field(canvas, rng.uniform(22, 30), rng)
    zone = lobe_coverage(anatomy, finding.side, finding.level)
    zone *= np.clip((48 + anatomy.cavity) / 12, 0, 1)
    net = np.clip(1.3 - np.abs(field) * 4.5, 0, 1) * zone
    canvas.hu += net * np.float32(_SEPTA_HU[finding.severity or "moderate"]) * (canvas.hu < -300)
    return net >= 0.4

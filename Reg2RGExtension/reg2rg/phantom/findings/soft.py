"""Findings of esophagus, thyroid and breast."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import lump, paint


def hernia(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A part of the stomach behind the heart, mostly with gas in it."""
    canvas, radius = anatomy.canvas, finding.size_mm / 2
    place = anatomy.build.at(6, 26, -192) + (0, 0, 0.35 * radius)
    radii = radius * np.array([1.0, 0.75, 0.9])
    pouch = canvas.ellipsoid(place, radii)
    mask = paint(anatomy, pouch, hu=42)
    content = canvas.ellipsoid(place, np.maximum(radii - 4, 2))
    canvas.paint(content, rng.uniform(0, 45))
    level = np.float32(place[1] - rng.uniform(-0.2, 0.8) * radii[1])
    canvas.paint(content.times(canvas.soften(canvas.y[:, content.box[1]] - level, canvas.spacing[1])), -900)
    anatomy.displace_lung(pouch)
    anatomy.extend("esophagus", mask)
    anatomy.extend("mediastinum", mask & (canvas.z > anatomy.diaphragm))
    return mask


def thyroid_nodule(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Less dense than the gland, which it may bulge out of."""
    sign = 1 if finding.side == "left" else -1
    place = anatomy.points[f"thyroid {finding.side}"] + (sign * (1 + 0.15 * finding.size_mm), -1, rng.uniform(-7, 7))
    mask = paint(anatomy, lump(anatomy.canvas, place, finding.size_mm, rng), hu=rng.uniform(15, 45))
    anatomy.extend("thyroid", mask)
    return mask


def breast_mass(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A solid lump in fat and gland."""
    place = anatomy.points[f"breast {finding.side}"] + rng.uniform(-1, 1, 3) * (20, 3, 20)
    shape = lump(anatomy.canvas, place, finding.size_mm, rng)
    mask = paint(anatomy, shape, hu=rng.uniform(50, 90))
    anatomy.extend("breast", mask)
    return mask

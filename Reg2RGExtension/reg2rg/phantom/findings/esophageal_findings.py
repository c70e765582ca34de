"""Findings of the esophagus: hiatal hernia."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.lesion_painting import paint_lesion
from reg2rg.phantom.findings.planted_finding import PlantedFinding


def hiatal_hernia(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a part of the stomach behind the heart, usually with gas in it."""
    canvas, radius = anatomy.canvas, finding.measured_mm / 2
    center = anatomy.physique.at(6, 26, -192) + (0, 0, 0.35 * radius)
    radii = radius * np.array([1.0, 0.75, 0.9])
    pouch = canvas.ellipsoid(center, radii)
    mask = paint_lesion(anatomy, pouch, hu=42)
    content = canvas.ellipsoid(center, np.maximum(radii - 4, 2))
    canvas.paint(content, rng.uniform(0, 45))
    fluid_level = np.float32(center[1] - rng.uniform(-0.2, 0.8) * radii[1])
    gas = canvas.coverage(canvas.y[:, content.box[1]] - fluid_level, canvas.spacing[1])
    canvas.paint(content.times(gas), -900)
    anatomy.displace_lung(pouch)
    anatomy.add_to_region("esophagus", mask)
    anatomy.add_to_region("mediastinum", mask & (canvas.z > anatomy.diaphragm_height))
    return mask

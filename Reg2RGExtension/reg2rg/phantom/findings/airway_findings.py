"""Findings of the airways: bronchiectasis and peribronchial thickening."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import AIR_HU, AIRWAY_WALL_MM, CENTRAL_AIRWAYS, Anatomy, paint_airway_lumen
from reg2rg.phantom.findings.lesion_painting import paint_lesion
from reg2rg.phantom.findings.planted_finding import PlantedFinding

_CUFF_MM = {"mild": 1.6, "moderate": 2.4, "severe": 3.4}
"""Thickness of the cuff around a central bronchus."""


def bronchiectasis(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint dilated bronchi in a lobe, which do not taper and have a visible wall."""
    canvas = anatomy.canvas
    walls, lumens = [], []
    for airway in anatomy.airways:
        chosen = rng.random() < 0.75 and finding.side in (airway.side, "both")
        if chosen and finding.level in (airway.level, None) and airway.generation >= 1:
            radius = max(airway.radius * 1.5, rng.uniform(3.6, 5.6))
            bend = (airway.start + airway.end) / 2 + rng.normal(0, 2, 3)
            path = [airway.start, bend, airway.end]
            swelling = np.array([0.9, 1.15, 1.0])
            walls.append(canvas.tube(path, (radius + 1.4) * swelling).within(anatomy.lung_coverage))
            lumens.append(canvas.tube(path, radius * swelling).within(anatomy.lung_coverage))
    mask = paint_lesion(anatomy, *walls, hu=rng.uniform(-40, 30))
    for lumen in lumens:
        canvas.paint(lumen, AIR_HU + 30)
    return mask


def peribronchial_thickening(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint cuffs around the main and lobar bronchi and their first branches."""
    canvas = anatomy.canvas
    thickness = _CUFF_MM[finding.severity or "moderate"]
    cuffs = [
        canvas.tube(anatomy.landmarks[name], float(anatomy.landmarks[f"{name} radius"][0]) + thickness)
        for name in CENTRAL_AIRWAYS
        if name != "trachea" and finding.side in (name.split()[1], "both")
    ]
    branches = [a for a in anatomy.airways if finding.side in (a.side, "both") and a.generation < 3]
    cuffs += [canvas.tube([a.start, a.end], a.radius + 0.8 * thickness) for a in branches]
    mask = paint_lesion(anatomy, *cuffs, hu=rng.uniform(15, 50))
    paint_airway_lumen(anatomy, AIRWAY_WALL_MM + 0.4)
    for branch in branches:
        canvas.paint(canvas.tube([branch.start, branch.end], 0.65 * branch.radius), AIR_HU)
    anatomy.add_to_region("trachea and bronchie", mask)
    anatomy.displace_lung(*cuffs)
    return mask

"""Findings of the airways: wide bronchi and thick walls."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.body.neck import AIR_HU, AIRWAY_WALL_MM, AIRWAYS, paint_airway_lumen
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import paint

_THICKER_MM = {"mild": 2.0, "moderate": 3.0, "severe": 4.2}


def bronchiectasis(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Bronchi of a lobe that do not taper, with a visible wall."""
    canvas = anatomy.canvas
    walls, lumens = [], []
    for airway in anatomy.airways:
        chosen = rng.random() < 0.75 and finding.side in (airway.side, "both")
        if chosen and finding.level in (airway.level, None) and airway.generation >= 1:
            radius = max(airway.radius * 1.5, rng.uniform(3.6, 5.6))
            bend = (airway.start + airway.end) / 2 + rng.normal(0, 2, 3)
            path = [airway.start, bend, airway.end]
            swell = np.array([0.9, 1.15, 1.0])
            walls.append(canvas.tube(path, (radius + 1.4) * swell).within(anatomy.lung))
            lumens.append(canvas.tube(path, radius * swell).within(anatomy.lung))
    mask = paint(anatomy, *walls, hu=rng.uniform(-40, 30))
    for lumen in lumens:
        canvas.paint(lumen, AIR_HU + 30)
    return mask


def thick_walls(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Cuffs around the main and lobar bronchi and the next branches."""
    canvas = anatomy.canvas
    thicker = _THICKER_MM[finding.severity or "moderate"]
    cuffs = [
        canvas.tube(anatomy.points[name], float(anatomy.points[f"{name} radius"][0]) + thicker)
        for name in AIRWAYS
        if name != "trachea" and finding.side in (name.split()[1], "both")
    ]
    branches = [a for a in anatomy.airways if finding.side in (a.side, "both") and a.generation < 3]
    cuffs += [canvas.tube([a.start, a.end], a.radius + 0.8 * thicker) for a in branches]
    mask = paint(anatomy, *cuffs, hu=rng.uniform(15, 50))
    paint_airway_lumen(anatomy, AIRWAY_WALL_MM + 0.4)
    for branch in branches:
        canvas.paint(canvas.tube([branch.start, branch.end], 0.65 * branch.radius), AIR_HU)
    anatomy.extend("trachea and bronchie", mask)
    anatomy.displace_lung(*cuffs)
    return mask

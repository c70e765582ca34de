"""Findings of the mediastinum: lymph nodes, plaques of the aorta, a catheter."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import lump, paint

_STATIONS = {
    "right": ((-24, 8, -66), (-40, 0, -92), (-22, 6, -80)),
    "left": ((30, 4, -80), (44, -2, -92), (33, -6, -74)),
    None: ((2, 16, -118), (0, -34, -66), (3, 20, -124)),
}
"""Points of the average body where nodes lie: beside the trachea and at the hila, below the carina, in front."""
_PLAQUES = {"mild": (3, 6), "moderate": (8, 12), "severe": (15, 22)}
_CATHETERS = {
    "right": ("right jugular vein", "upper caval vein"),
    "left": ("left vein", "left innominate vein", "upper caval vein"),
}


def lymph_nodes(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """One enlarged node of the stated size and one or two smaller ones."""
    canvas = anatomy.canvas
    stations = _STATIONS[finding.side]
    place = anatomy.build.at(*stations[rng.integers(len(stations))]) + rng.uniform(-2, 2, 3)
    shapes = [lump(canvas, place, finding.size_mm, rng, flat=0.7)]
    for _ in range(rng.integers(1, 3)):
        beside = place + (rng.uniform(-4, 4), rng.uniform(-4, 4), rng.choice([-1, 1]) * (0.5 * finding.size_mm + 5))
        shapes.append(lump(canvas, beside, 0.5 * finding.size_mm, rng))
    mask = paint(anatomy, *shapes, hu=rng.uniform(35, 65))
    anatomy.displace_lung(*shapes)
    anatomy.extend("mediastinum", mask)
    return mask


def aortic_plaques(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Calcified plaques on the wall of arch and descending aorta."""
    path, radii = anatomy.points["aorta"][2:9], anatomy.points["aorta radii"][2:9]
    plaques = []
    for number in range(rng.integers(*_PLAQUES[finding.severity or "moderate"])):
        step = rng.uniform(0.5, 2.2) if number < 2 else rng.uniform(0, len(path) - 1.001)
        index, share = int(step), step % 1
        along = path[index + 1] - path[index]
        outwards = np.cross(along, rng.normal(size=3))
        outwards *= radii[index] / np.linalg.norm(outwards)
        centre = path[index] + share * along + 0.95 * outwards
        half = rng.uniform(2, 7) * along / np.linalg.norm(along)
        plaques.append(anatomy.canvas.tube([centre - half, centre + half], rng.uniform(1.8, 3.2)))
    mask = paint(anatomy, *plaques, hu=rng.uniform(600, 950))
    anatomy.extend("mediastinum", mask & (anatomy.canvas.z > anatomy.diaphragm))
    return mask


def catheter(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A line from a vein of the neck or shoulder to the end of the upper caval vein."""
    points = [anatomy.points[name] for name in _CATHETERS[finding.side]]
    if finding.side == "right":
        path = [points[0][1], points[0][0], *points[1][1:]]
    else:
        path = [*points[0][::-1][1:], *points[1][::-1][1:], *points[2][1:]]
    line = anatomy.canvas.tube(np.array(path) + rng.uniform(-1, 1, 3), rng.uniform(1.3, 1.8))
    mask = paint(anatomy, line, hu=rng.uniform(1700, 2600))
    anatomy.extend("mediastinum", mask & (anatomy.canvas.z < 5))
    return mask

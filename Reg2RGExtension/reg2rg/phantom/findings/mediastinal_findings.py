"""Findings of the mediastinum: lymphadenopathy, aortic calcification and a central venous catheter."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.lesion_painting import paint_lesion, random_ellipsoid
from reg2rg.phantom.findings.planted_finding import PlantedFinding

_NODE_STATIONS = {
    "right": ((-24, 8, -66), (-40, 0, -92), (-22, 6, -80)),
    "left": ((30, 4, -80), (44, -2, -92), (33, -6, -74)),
    None: ((2, 16, -118), (0, -34, -66), (3, 20, -124)),
}
"""Side -> points in the average body (mm) where nodes lie: paratracheal and hilar, or subcarinal and prevascular."""
_PLAQUE_COUNTS = {"mild": (3, 6), "moderate": (8, 12), "severe": (15, 22)}
"""Range of the number of plaques, upper bound excluded."""


def lymphadenopathy(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint one enlarged lymph node of the finding's size and one or two smaller ones next to it."""
    canvas, size_mm = anatomy.canvas, finding.measured_mm
    stations = _NODE_STATIONS[finding.side]
    place = anatomy.physique.at(*stations[rng.integers(len(stations))]) + rng.uniform(-2, 2, 3)
    nodes = [random_ellipsoid(canvas, place, size_mm, rng, flatness=0.7)]
    for _ in range(rng.integers(1, 3)):
        beside = place + (rng.uniform(-4, 4), rng.uniform(-4, 4), rng.choice([-1, 1]) * (0.5 * size_mm + 5))
        nodes.append(random_ellipsoid(canvas, beside, 0.5 * size_mm, rng))
    mask = paint_lesion(anatomy, *nodes, hu=rng.uniform(35, 65))
    anatomy.displace_lung(*nodes)
    anatomy.add_to_region("mediastinum", mask)
    return mask


def aortic_calcification(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint calcified plaques on the wall of the aortic arch and the descending aorta."""
    path, radii = anatomy.landmarks["aorta"][2:9], anatomy.landmarks["aorta radii"][2:9]
    plaques = []
    for number in range(rng.integers(*_PLAQUE_COUNTS[finding.severity or "moderate"])):
        step = rng.uniform(0.5, 2.2) if number < 2 else rng.uniform(0, len(path) - 1.001)
        index, share = int(step), step % 1
        along = path[index + 1] - path[index]
        outward = np.cross(along, rng.normal(size=3))
        outward *= radii[index] / np.linalg.norm(outward)
        center = path[index] + share * along + 0.95 * outward
        half = rng.uniform(2, 7) * along / np.linalg.norm(along)
        plaques.append(anatomy.canvas.tube([center - half, center + half], rng.uniform(1.8, 3.2)))
    mask = paint_lesion(anatomy, *plaques, hu=rng.uniform(600, 950))
    anatomy.add_to_region("mediastinum", mask & (anatomy.canvas.z > anatomy.diaphragm_height))
    return mask


def catheter(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a catheter from a vein of the neck or shoulder to the lower end of the superior vena cava."""
    vena_cava = anatomy.landmarks["superior vena cava"]
    if finding.lateral_side == "right":
        jugular_vein = anatomy.landmarks["right jugular vein"]
        path = [jugular_vein[1], jugular_vein[0], *vena_cava[1:]]
    else:
        subclavian_vein = anatomy.landmarks["left subclavian vein"]
        brachiocephalic_vein = anatomy.landmarks["left brachiocephalic vein"]
        path = [*subclavian_vein[::-1][1:], *brachiocephalic_vein[::-1][1:], *vena_cava[1:]]
    line = anatomy.canvas.tube(np.array(path) + rng.uniform(-1, 1, 3), rng.uniform(1.3, 1.8))
    mask = paint_lesion(anatomy, line, hu=rng.uniform(1700, 2600))
    anatomy.add_to_region("mediastinum", mask & (anatomy.canvas.z < 5))
    return mask

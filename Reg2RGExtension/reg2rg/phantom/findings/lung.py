"""Focal findings of the lung: nodule, opacity, consolidation, atelectasis, fibrotic sequela."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy, Shape
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import lump, paint
from reg2rg.phantom.findings.places import lobe_coverage, lung_points


def _sides(finding: Finding) -> tuple[str, ...]:
    return ("right", "left") if finding.side == "both" else (finding.side,)


def nodule(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A solid ball, in one of six cases calcified."""
    place = lung_points(anatomy, finding.side, finding.level, finding.size_mm / 2 + 2, rng)[0]
    shape = lump(anatomy.canvas, place, finding.size_mm, rng).within(anatomy.lung)
    return paint(anatomy, shape, hu=rng.choice([rng.uniform(5, 70)] * 5 + [350]))


def opacity(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Ground glass: hazy patches that vessels are seen through."""
    canvas = anatomy.canvas
    total = np.zeros(canvas.shape, np.float32)
    for side in _sides(finding):
        middle = lung_points(anatomy, side, finding.level, 14, rng)[0]
        for _ in range(rng.integers(3, 7)):
            shape = canvas.ellipsoid(middle + rng.normal(0, 13, 3), rng.uniform(9, 22, 3))
            part = total[shape.box]
            np.maximum(part, shape.coverage, out=part)
    total *= lobe_coverage(anatomy, finding.side, finding.level)
    denser = np.float32(rng.uniform(190, 330))
    canvas.hu += total * denser * (canvas.hu < -350)
    return total >= 0.5


def consolidation(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Airspaces filled up to the pleura, with air in the bronchi."""
    canvas = anatomy.canvas
    total = np.zeros(canvas.shape, np.float32)
    bronchi: list[Shape] = []
    for side in _sides(finding):
        middle = lung_points(anatomy, side, finding.level, 18, rng)[0]
        for _ in range(rng.integers(4, 7)):
            shape = canvas.ellipsoid(middle + rng.normal(0, 12, 3), rng.uniform(13, 26, 3))
            part = total[shape.box]
            np.maximum(part, shape.coverage, out=part)
        for _ in range(3):
            path = [middle + rng.uniform(-8, 8, 3), middle + rng.uniform(-28, 28, 3)]
            bronchi.append(canvas.tube(path, rng.uniform(1.5, 2.3)))
    total *= lobe_coverage(anatomy, finding.side, finding.level)
    canvas.paint(canvas.whole(total), rng.uniform(0, 50))
    for bronchus in bronchi:
        canvas.paint(bronchus.within(total), -850)
    return total >= 0.5


def atelectasis(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """One to three plates of collapsed lung that reach the pleura."""
    canvas = anatomy.canvas
    lobe = lobe_coverage(anatomy, finding.side, finding.level)
    plates = []
    for side in _sides(finding):
        for place in lung_points(anatomy, side, finding.level, 12, rng, int(rng.integers(1, 4))):
            tilt = rng.normal(0, 0.25, 2)
            up = np.array([*tilt, 1.0]) / np.linalg.norm([*tilt, 1.0])
            first = np.cross(up, rng.normal(size=3))
            first /= np.linalg.norm(first)
            radii = (rng.uniform(20, 38), rng.uniform(13, 24), rng.uniform(2.4, 4.2))
            plates.append(canvas.ellipsoid(place, radii, np.array([first, np.cross(up, first), up])).within(lobe))
    return paint(anatomy, *plates, hu=rng.uniform(-20, 40))


def fibrosis(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Irregular strands that run together, with small lumps on them."""
    canvas = anatomy.canvas
    lobe = lobe_coverage(anatomy, finding.side, finding.level)
    shapes = []
    for side in _sides(finding):
        middle = lung_points(anatomy, side, finding.level, 9, rng)[0]
        for _ in range(rng.integers(5, 9)):
            ahead = rng.normal(size=3)
            ahead *= rng.uniform(14, 30) / np.linalg.norm(ahead)
            bend = middle + 0.5 * ahead + rng.normal(0, 3, 3)
            shapes.append(canvas.tube([middle, bend, middle + ahead], [2.2, 1.5, 1.0]).within(lobe))
        for _ in range(4):
            shapes.append(canvas.ellipsoid(middle + rng.normal(0, 7, 3), rng.uniform(2, 5, 3)).within(lobe))
    return paint(anatomy, *shapes, hu=rng.uniform(0, 90))

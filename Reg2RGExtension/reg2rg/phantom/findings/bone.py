"""Findings of the bones, in the spine or in a rib."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.body.canvas import Shape
from reg2rg.phantom.body.skeleton import RIB_DEPTH_MM, RIB_PITCH_MM, RIB_SLOPE, VERTEBRA_PITCH_MM
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import paint

PARTS = {"upper": (-88.0, 5.0), "middle": (-180.0, -92.0), "lower": (-268.0, -184.0)}
"""Heights of the vertebrae's centres of each part of the thoracic spine, before stretching."""


def fracture(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Callus around neighbouring ribs, or a vertebra that has lost the height of its front."""
    if finding.side is None:
        return _wedge(anatomy, finding, rng)
    lumps, gaps = [], []
    for place, along in _rib_places(anatomy, finding.side, int(rng.integers(1, 4)), rng):
        lumps.append(anatomy.canvas.ellipsoid(place, rng.uniform(7, 10.5, 3)))
        gaps.append(anatomy.canvas.tube([place - 1.2 * along, place + 1.2 * along], 5))
    mask = paint(anatomy, *lumps, hu=rng.uniform(350, 600))
    for gap in gaps:
        anatomy.canvas.paint(gap.times(0.7), 60)
    _add(anatomy, mask, lumps)
    return mask


def _wedge(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """The upper front of a vertebral body is soft tissue, what is left is dense."""
    canvas, centre = anatomy.canvas, _vertebra(anatomy, finding, rng)
    half = VERTEBRA_PITCH_MM * anatomy.build.stretch / 2
    box = canvas.box(centre - (20, 16, half + 1), centre + (20, 16, half + 1))
    x, y, z = canvas.axes(box)
    body = canvas.soften((np.hypot((x - centre[0]) / 19, (y - centre[1]) / 15) - 1) * 16)
    inside = np.abs(z - centre[2]) < half
    loss = rng.uniform(9, 14)
    roof = centre[2] + half - loss * np.clip((centre[1] + 12 - y) / 24, 0, 1)
    whole = Shape(box, body * inside)
    canvas.paint(whole, rng.uniform(330, 450))
    canvas.paint(whole.times(canvas.soften(roof - z, canvas.spacing[2])), 45)
    return canvas.spot(whole)


def lytic_lesion(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Bone replaced by soft tissue."""
    return _lesion(anatomy, finding, rng.uniform(15, 60), rng)


def sclerotic_lesion(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Bone that is denser than its cortex."""
    return _lesion(anatomy, finding, rng.uniform(650, 950), rng)


def _lesion(anatomy: Anatomy, finding: Finding, hu: float, rng: np.random.Generator) -> np.ndarray:
    radius = finding.size_mm / 2
    if finding.side is None:
        radii = radius * np.array([1.0, *rng.uniform(0.75, 0.95, 2)])
        place = _vertebra(anatomy, finding, rng) + rng.uniform(-1, 1, 3) * (5, 2, 2)
        shape = anatomy.canvas.ellipsoid(place, radii)
    else:
        ((place, along),) = _rib_places(anatomy, finding.side, 1, rng)
        across = np.cross(along, (0, 0, 1))
        across /= np.linalg.norm(across)
        axes = np.array([along, across, np.cross(along, across)])
        shape = anatomy.canvas.ellipsoid(place, (radius, min(radius, 5.5), min(radius, 7)), axes)
    mask = paint(anatomy, shape, hu=hu)
    _add(anatomy, mask, [shape])
    return mask


def _add(anatomy: Anatomy, mask: np.ndarray, shapes: list[Shape]) -> None:
    anatomy.extend("bone", mask)
    anatomy.displace_lung(*shapes)


def _vertebra(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Centre of a vertebral body of the finding's part of the spine."""
    low, high = np.array(PARTS[finding.level]) * anatomy.build.stretch
    centres = anatomy.points["vertebrae"]
    fitting = centres[(centres[:, 2] > low) & (centres[:, 2] < high)]
    return fitting[rng.integers(len(fitting))]


def _rib_places(
    anatomy: Anatomy, side: str, count: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Points on the side of neighbouring ribs, from one downwards, with the directions the ribs take there."""
    pitch = RIB_PITCH_MM * anatomy.build.stretch
    first = np.floor(rng.uniform(-170, -60) * anatomy.build.stretch / pitch)
    angle = rng.uniform(-0.2, 0.9)
    places = []
    for number in first - np.arange(count):
        turn = angle + rng.uniform(-0.1, 0.1)
        place, ahead = (_on_rib(anatomy, side, float(number), turn + step) for step in (0.0, 0.02))
        places.append((place, (ahead - place) / np.linalg.norm(ahead - place)))
    return places


def _on_rib(anatomy: Anatomy, side: str, number: float, angle: float) -> np.ndarray:
    """The middle of a rib at an angle around its lung, 0 at the flank and growing to the back."""
    build, surfaces = anatomy.build, anatomy.surfaces
    sign = 1 if side == "left" else -1
    height = number * RIB_PITCH_MM * build.stretch
    for _ in range(4):
        middle, width, depth, centre = surfaces.lung_oval(np.array(height))
        x = middle + (width + RIB_DEPTH_MM) * np.cos(angle)
        y = centre + (depth + RIB_DEPTH_MM) * np.sin(angle)
        height = (number + 0.5 - anatomy.points["rib phase"][0]) * RIB_PITCH_MM * build.stretch + RIB_SLOPE * y
    return np.array([sign * float(x), float(y), float(height)])

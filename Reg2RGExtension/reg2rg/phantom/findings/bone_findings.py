"""Findings of the bones: fracture, lytic and sclerotic lesion, each in the spine or in a rib."""

from __future__ import annotations

import numpy as np

from reg2rg.errors import InputError
from reg2rg.phantom.body import RIB_DEPTH_MM, RIB_PITCH_MM, RIB_SLOPE, VERTEBRA_PITCH_MM, Anatomy, Shape
from reg2rg.phantom.findings.lesion_painting import paint_lesion
from reg2rg.phantom.findings.planted_finding import PlantedFinding

THORACIC_SPINE_PARTS = {"upper": (-88.0, 5.0), "middle": (-180.0, -92.0), "lower": (-268.0, -184.0)}
"""Level -> lowest and highest z (mm) of its vertebral centers in the average body."""


def fracture(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint callus around neighboring ribs or, for a finding without a side, a vertebral wedge fracture."""
    if finding.side is None:
        return _wedge_fracture(anatomy, finding, rng)
    calluses, gaps = [], []
    for place, along in _sample_rib_places(anatomy, finding.side, int(rng.integers(1, 4)), rng):
        calluses.append(anatomy.canvas.ellipsoid(place, rng.uniform(7, 10.5, 3)))
        gaps.append(anatomy.canvas.tube([place - 1.2 * along, place + 1.2 * along], 5))
    mask = paint_lesion(anatomy, *calluses, hu=rng.uniform(350, 600))
    for gap in gaps:
        anatomy.canvas.paint(gap.times(0.7), 60)
    _add_to_bones(anatomy, mask, calluses)
    return mask


def _wedge_fracture(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Turn the upper front of a vertebral body into soft tissue and make the rest dense."""
    canvas, center = anatomy.canvas, _sample_vertebra(anatomy, finding, rng)
    half_height = VERTEBRA_PITCH_MM * anatomy.physique.stretch / 2
    box = canvas.box(center - (20, 16, half_height + 1), center + (20, 16, half_height + 1))
    x, y, z = canvas.voxel_centers(box)
    column = canvas.coverage((np.hypot((x - center[0]) / 19, (y - center[1]) / 15) - 1) * 16)
    inside = np.abs(z - center[2]) < half_height
    lost_height = rng.uniform(9, 14)
    roof = center[2] + half_height - lost_height * np.clip((center[1] + 12 - y) / 24, 0, 1)
    vertebra = Shape(box, column * inside)
    canvas.paint(vertebra, rng.uniform(330, 450))
    canvas.paint(vertebra.times(canvas.coverage(roof - z, canvas.spacing[2])), 45)
    return canvas.mask_including_small(vertebra)


def lytic_lesion(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Replace bone with soft tissue."""
    return _paint_bone_lesion(anatomy, finding, rng.uniform(15, 60), rng)


def sclerotic_lesion(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Replace bone with bone that is denser than its cortex."""
    return _paint_bone_lesion(anatomy, finding, rng.uniform(650, 950), rng)


def _paint_bone_lesion(anatomy: Anatomy, finding: PlantedFinding, hu: float, rng: np.random.Generator) -> np.ndarray:
    """Paint a lesion of the given density in a vertebra or, for a finding with a side, in a rib; return its mask."""
    radius = finding.measured_mm / 2
    if finding.side is None:
        radii = radius * np.array([1.0, *rng.uniform(0.75, 0.95, 2)])
        place = _sample_vertebra(anatomy, finding, rng) + rng.uniform(-1, 1, 3) * (5, 2, 2)
        lesion = anatomy.canvas.ellipsoid(place, radii)
    else:
        ((place, along),) = _sample_rib_places(anatomy, finding.side, 1, rng)
        across = np.cross(along, (0, 0, 1))
        across /= np.linalg.norm(across)
        axes = np.array([along, across, np.cross(along, across)])
        lesion = anatomy.canvas.ellipsoid(place, (radius, min(radius, 5.5), min(radius, 7)), axes)
    mask = paint_lesion(anatomy, lesion, hu=hu)
    _add_to_bones(anatomy, mask, [lesion])
    return mask


def _add_to_bones(anatomy: Anatomy, mask: np.ndarray, shapes: list[Shape]) -> None:
    """Add a finding to the bone mask and displace the lung by it."""
    anatomy.add_to_region("bone", mask)
    anatomy.displace_lung(*shapes)


def _sample_vertebra(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Sample the center (3,) in mm of a vertebral body at the finding's level."""
    if finding.level is None:
        raise InputError(f"Cannot plant {finding.label!r} without a side or a level; set one of them.")
    low, high = np.array(THORACIC_SPINE_PARTS[finding.level]) * anatomy.physique.stretch
    centers = anatomy.landmarks["vertebrae"]
    fitting = centers[(centers[:, 2] > low) & (centers[:, 2] < high)]
    return fitting[rng.integers(len(fitting))]


def _sample_rib_places(
    anatomy: Anatomy, side: str, count: int, rng: np.random.Generator
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sample points on neighboring ribs, from one rib downward.

    Args:
        anatomy: the chest.
        side: "left" or "right".
        count: number of ribs.
        rng: source of the points.

    Returns:
        For each rib, a point (3,) in mm and the unit vector along the rib at that point.
    """
    pitch = RIB_PITCH_MM * anatomy.physique.stretch
    first = np.floor(rng.uniform(-170, -60) * anatomy.physique.stretch / pitch)
    angle = rng.uniform(-0.2, 0.9)
    places = []
    for number in first - np.arange(count):
        place_angle = angle + rng.uniform(-0.1, 0.1)
        place = _point_on_rib(anatomy, side, float(number), place_angle)
        ahead = _point_on_rib(anatomy, side, float(number), place_angle + 0.02)
        places.append((place, (ahead - place) / np.linalg.norm(ahead - place)))
    return places


def _point_on_rib(anatomy: Anatomy, side: str, number: float, angle: float) -> np.ndarray:
    """Return the point (3,) in mm on the center line of a rib at an angle.

    The angle (radians) around the lung is 0 at the flank and grows toward the back.
    """
    physique, surfaces = anatomy.physique, anatomy.surfaces
    sign = 1 if side == "left" else -1
    rib_phase = anatomy.landmarks["rib phase"][0]
    x = y = 0.0
    z = number * RIB_PITCH_MM * physique.stretch
    for _ in range(4):  # height and position depend on each other
        middle, width, depth, center = surfaces.lung_oval(np.array(z))
        x = middle + (width + RIB_DEPTH_MM) * np.cos(angle)
        y = center + (depth + RIB_DEPTH_MM) * np.sin(angle)
        z = (number + 0.5 - rib_phase) * RIB_PITCH_MM * physique.stretch + RIB_SLOPE * y
    return np.array([sign * float(x), float(y), float(z)])

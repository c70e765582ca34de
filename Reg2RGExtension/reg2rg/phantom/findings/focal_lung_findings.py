"""Focal findings of the lung: nodule, opacity, consolidation, atelectasis and fibrotic sequela."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.lesion_painting import paint_lesion, ragged_patch
from reg2rg.phantom.findings.lung_locations import lobe_coverage, sample_lung_points
from reg2rg.phantom.findings.nodule_shapes import sample_nodule
from reg2rg.phantom.findings.planted_finding import PlantedFinding


def nodule(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a nodule with the shape and the texture of one that radiologists outlined."""
    canvas, size_mm = anatomy.canvas, finding.measured_mm
    place = sample_lung_points(anatomy, finding.lateral_side, finding.level, size_mm / 2 + 2, rng)[0]
    form, axes = sample_nodule(rng)
    shape = form.on_canvas(canvas, place, size_mm, axes).within(anatomy.lung_coverage)
    if form.solid:
        return paint_lesion(anatomy, shape, hu=rng.uniform(150, 500) if form.calcified else rng.uniform(5, 70))
    target = canvas.hu[shape.box]
    target += shape.coverage * np.float32(rng.uniform(180, 380)) * (target < -350)
    if form.part_solid:
        core = form.on_canvas(canvas, place, size_mm * rng.uniform(0.35, 0.6), axes).within(anatomy.lung_coverage)
        canvas.paint(core, rng.uniform(-60, 40))
    return canvas.mask_including_small(shape)


def opacity(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint ground glass: hazy patches in which vessels remain visible."""
    canvas = anatomy.canvas
    total, _ = _sample_patches(anatomy, finding, (14.0, 30.0), 0.6, rng)
    canvas.hu += total * np.float32(rng.uniform(200, 330)) * (canvas.hu < -350)
    return total >= 0.5


def consolidation(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint filled airspaces with air bronchograms."""
    canvas = anatomy.canvas
    total, middles = _sample_patches(anatomy, finding, (20.0, 36.0), 0.2, rng)
    canvas.paint(canvas.whole_grid(total), rng.uniform(0, 50))
    for middle in middles:
        for _ in range(3):
            path = [middle + rng.uniform(-8, 8, 3), middle + rng.uniform(-28, 28, 3)]
            canvas.paint(canvas.tube(path, rng.uniform(1.5, 2.3)).within(total), -850)
    return total >= 0.5


def _sample_patches(
    anatomy: Anatomy,
    finding: PlantedFinding,
    radii_mm: tuple[float, float],
    softness: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Sample one to three ragged patches per side in the finding's lobe.

    Args:
        anatomy: the chest; the patches are marked as occupied.
        finding: where the patches lie.
        radii_mm: smallest and largest half axis of a patch in mm.
        softness: width of a patch's fading edge relative to its half axes.
        rng: source of the patches.

    Returns:
        Coverage of all patches, float32 (z, y, x), and the middle (3,) in mm of the patches of each side.
    """
    total, middles = np.zeros(anatomy.canvas.shape, np.float32), []
    for side in finding.sides:
        middle = sample_lung_points(anatomy, side, finding.level, 15, rng)[0]
        for number in range(rng.integers(1, 4)):
            center = middle + (rng.normal(0, 16, 3) if number else 0)
            shape = ragged_patch(anatomy.canvas, center, rng.uniform(*radii_mm, 3), rng, softness)
            part = total[shape.box]
            np.maximum(part, shape.coverage, out=part)
        anatomy.occupied_spheres.append((middle, radii_mm[1]))
        middles.append(middle)
    total *= lobe_coverage(anatomy, finding.lateral_side, finding.level)
    return total, middles


def atelectasis(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint one to three plates of collapsed lung per side that reach the pleura."""
    canvas = anatomy.canvas
    lobe = lobe_coverage(anatomy, finding.lateral_side, finding.level)
    plates = []
    for side in finding.sides:
        for place in sample_lung_points(anatomy, side, finding.level, 12, rng, int(rng.integers(1, 4))):
            anatomy.occupied_spheres.append((place, 14.0))
            tilt = rng.normal(0, 0.25, 2)
            normal = np.array([*tilt, 1.0]) / np.linalg.norm([*tilt, 1.0])
            first = np.cross(normal, rng.normal(size=3))
            first /= np.linalg.norm(first)
            radii = (rng.uniform(20, 38), rng.uniform(13, 24), rng.uniform(2.4, 4.2))
            axes = np.array([first, np.cross(normal, first), normal])
            plates.append(canvas.ellipsoid(place, radii, axes).within(lobe))
    return paint_lesion(anatomy, *plates, hu=rng.uniform(-20, 40))


def fibrosis(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint irregular converging strands with small nodules on them."""
    canvas = anatomy.canvas
    lobe = lobe_coverage(anatomy, finding.lateral_side, finding.level)
    shapes = []
    for side in finding.sides:
        middle = sample_lung_points(anatomy, side, finding.level, 9, rng)[0]
        anatomy.occupied_spheres.append((middle, 16.0))
        for _ in range(rng.integers(5, 9)):
            ahead = rng.normal(size=3)
            ahead *= rng.uniform(14, 30) / np.linalg.norm(ahead)
            bend = middle + 0.5 * ahead + rng.normal(0, 3, 3)
            shapes.append(canvas.tube([middle, bend, middle + ahead], [2.2, 1.5, 1.0]).within(lobe))
        for _ in range(4):
            shapes.append(canvas.ellipsoid(middle + rng.normal(0, 7, 3), rng.uniform(2, 5, 3)).within(lobe))
    return paint_lesion(anatomy, *shapes, hu=rng.uniform(0, 90))

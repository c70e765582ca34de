"""Findings of the pleura: effusion, pneumothorax and thickening."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reg2rg.phantom.body import LUNG_BASE_MM, Anatomy
from reg2rg.phantom.findings.planted_finding import PlantedFinding

_PNEUMOTHORAX_DEPTH_MM = {"small": 14.0, "moderate": 24.0, "large": 40.0}
DistanceFunction = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Maps x, y, z in mm to the signed distance from a surface in mm, negative inside."""


def effusion(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint fluid, which collects at the back and base in a supine patient; its size is its depth there."""
    surfaces, physique, size_mm = anatomy.surfaces, anatomy.physique, finding.measured_mm
    top = LUNG_BASE_MM * physique.stretch + 75 + 2.2 * size_mm

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        back = surfaces.lung_back(z)
        depth = size_mm * np.sqrt(np.clip((top - z) / 50, 0, 1))
        meniscus = 0.0016 * np.maximum(np.abs(x) - 0.6 * physique.half_width, 0) ** 2
        return np.maximum(back - depth - meniscus - y, (z - top) * 0.7)

    return _fill_pleural_space(anatomy, finding, distance, rng.uniform(0, 22))


def pneumothorax(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint air, which collects in front and at the apex in a supine patient; the lung behind it is slightly denser."""
    surfaces = anatomy.surfaces
    depth = _PNEUMOTHORAX_DEPTH_MM[finding.severity or "moderate"] * rng.uniform(0.85, 1.15)

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        in_front = y - (surfaces.lung_front(z) + depth)
        rim = -surfaces.cavity(x, y, z) - 0.35 * depth
        return np.minimum(in_front, np.maximum(rim, y - 25))

    mask = _fill_pleural_space(anatomy, finding, distance, -1000)
    half = _half_of_body(anatomy, finding.lateral_side)
    anatomy.canvas.hu += (2.0 * depth) * (anatomy.lung_coverage * half) * (anatomy.canvas.hu < -500)
    return mask


def pleural_thickening(anatomy: Anatomy, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray:
    """Paint a plaque on the chest wall, sometimes calcified."""
    surfaces, physique, size_mm = anatomy.surfaces, anatomy.physique, finding.measured_mm
    center = physique.at(0, rng.uniform(-10, 50), rng.uniform(-185, -80))
    spread = rng.uniform((28, 34), (45, 60))

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        bump = np.exp(-(((y - center[1]) / spread[0]) ** 2)) * np.exp(-(((z - center[2]) / spread[1]) ** 2))
        lateral = np.clip((np.abs(x) - 0.3 * physique.half_width) / 20, 0, 1)
        return -surfaces.cavity(x, y, z) - size_mm * np.minimum(1.2 * bump, 1) * lateral

    return _fill_pleural_space(anatomy, finding, distance, rng.choice([35, 55, 220]))


def _half_of_body(anatomy: Anatomy, side: str) -> np.ndarray:
    """Return the columns on a side of the midline, or all columns for "both", boolean (1, 1, x)."""
    x = anatomy.canvas.x
    if side == "both":
        return np.ones_like(x, bool)
    return x > 0 if side == "left" else x <= 0


def _fill_pleural_space(anatomy: Anatomy, finding: PlantedFinding, distance: DistanceFunction, hu: float) -> np.ndarray:
    """Replace lung with fluid, air or tissue of the given HU where the distance is negative; return the mask."""
    canvas, side = anatomy.canvas, finding.lateral_side
    coverage = canvas.coverage(distance(canvas.x, canvas.y, canvas.z).astype(np.float32))
    coverage = coverage * _half_of_body(anatomy, side)
    taken = coverage * anatomy.lung_coverage
    mask = taken >= min(0.5, 0.6 * float(taken.max()))
    # At the edge of the lung, voxels contain chest wall too, which must keep its share of the HU.
    lung_hu = np.where(anatomy.lung_coverage > 0.9, canvas.hu, np.float32(anatomy.physique.lung_hu))
    canvas.hu += taken * (np.float32(hu) - lung_hu)
    anatomy.lung_coverage = anatomy.lung_coverage * (1 - coverage)
    anatomy.pleural_filling |= mask
    anatomy.pleural_coverage[finding.label] = taken
    anatomy.pleural_distances.append(_on_side(distance, side))
    return mask & (taken > 0)


def _on_side(distance: DistanceFunction, side: str) -> DistanceFunction:
    """Return a distance function that is positive on the other side of the midline."""
    if side == "both":
        return distance
    sign = 1 if side == "left" else -1
    return lambda x, y, z: np.maximum(distance(x, y, z), -sign * np.asarray(x))

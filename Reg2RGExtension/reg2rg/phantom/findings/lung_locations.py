"""Locations in the lungs at which a finding can lie.

Points are sampled at random and accepted by the body's surfaces, so that a finding lies at the same place on every
grid.
"""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy, heart_distance

_CANDIDATES = 4000


def _free_lung_distance(anatomy: Anatomy, points: np.ndarray, side: str, level: str | None) -> np.ndarray:
    """Return the signed distance (N,) in mm, negative inside, of points (N, 3) from the free lung of a side and lobe.

    Heart, hilar vessels, whatever fills the pleural space, and other findings count as outside.
    """
    x, y, z = points.T
    surfaces = anatomy.surfaces
    distance = np.maximum(surfaces.lung(x, y, z), surfaces.lobe(x, y, z, side, level))
    distance = np.maximum(distance, 6 - heart_distance(anatomy, points))
    hilum = np.maximum(np.abs(x) - 60, np.abs(z - anatomy.physique.at(0, 0, -112)[2]) - 45)
    distance = np.maximum(distance, -np.maximum(hilum, np.abs(y - 8) - 38))
    for pleural_distance in anatomy.pleural_distances:
        distance = np.maximum(distance, -pleural_distance(x, y, z))
    for center, radius in anatomy.occupied_spheres:
        distance = np.maximum(distance, radius - np.linalg.norm(points - center, axis=1))
    return distance


def sample_lung_points(
    anatomy: Anatomy, side: str, level: str | None, depth: float, rng: np.random.Generator, count: int = 1
) -> np.ndarray:
    """Sample points in a lobe.

    Args:
        anatomy: the chest.
        side: "left" or "right".
        level: "upper", "middle" or "lower"; None for the whole lung.
        depth: distance to keep from the edges of the lobe in mm. If too few candidates do, the deepest are used.
        rng: source of the points.
        count: number of points.

    Returns:
        (count, 3) in mm.
    """
    low, high = anatomy.physique.at(-128, -95, -245), anatomy.physique.at(128, 95, 0)
    points = rng.uniform(low, high, (_CANDIDATES, 3))
    distance = _free_lung_distance(anatomy, points, side, level)
    inside = points[distance < -depth]
    if len(inside) < count:
        inside = points[np.argsort(distance)[: max(count, 5)]]
    return inside[np.arange(count) % len(inside)]


def lobe_coverage(anatomy: Anatomy, side: str, level: str | None) -> np.ndarray:
    """Compute the coverage of the air-filled lung of a side and lobe.

    Args:
        anatomy: the chest.
        side: "left", "right" or "both".
        level: "upper", "middle" or "lower"; None for the whole lung.

    Returns:
        Fraction of each voxel that is air-filled lung of that lobe, float32 (z, y, x).
    """
    canvas = anatomy.canvas
    sides = ("left", "right") if side == "both" else (side,)
    total = np.zeros(canvas.shape, np.float32)
    for name in sides:
        half = (canvas.x[0, 0] > 0) if name == "left" else (canvas.x[0, 0] <= 0)
        columns = slice(int(half.argmax()), int(half.argmax()) + int(half.sum()))
        part = anatomy.lung_coverage[..., columns]
        if level is not None:
            edge = anatomy.surfaces.lobe(canvas.x[..., columns], canvas.y, canvas.z, name, level)
            part = part * canvas.coverage(edge)
        total[..., columns] = part
    return total

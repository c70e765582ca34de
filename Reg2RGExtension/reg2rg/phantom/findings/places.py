"""Where in a body a finding can lie: random points that surfaces decide about, the same on every grid."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.body.heart import heart_distance

_TRIES = 4000


def lung_distance(
    anatomy: Anatomy, points: np.ndarray, side: str, level: str | None, *, chest_wall: bool = True
) -> np.ndarray:
    """Distance (mm) of points (N, 3) to the edge of the air-filled lung of a side and lobe, negative inside.

    Heart, large vessels and what fills the pleural space are outside.
    """
    x, y, z = points.T
    surfaces = anatomy.surfaces
    distance = np.maximum(surfaces.lung(x, y, z), surfaces.lobe(x, y, z, side, level))
    distance = np.maximum(distance, 6 - heart_distance(anatomy, points))
    hilum = np.maximum(np.abs(x) - 60, np.abs(z - anatomy.build.at(0, 0, -112)[2]) - 45)
    distance = np.maximum(distance, -np.maximum(hilum, np.abs(y - 8) - 38))
    for filled in anatomy.filled:
        distance = np.maximum(distance, -filled(x, y, z))
    return distance


def lung_points(
    anatomy: Anatomy, side: str, level: str | None, depth: float, rng: np.random.Generator, count: int = 1
) -> np.ndarray:
    """Random points (count, 3) of a lobe, at least ``depth`` mm from its edges where there is so much room."""
    low, high = anatomy.build.at(-128, -95, -245), anatomy.build.at(128, 95, 0)
    points = rng.uniform(low, high, (_TRIES, 3))
    distance = lung_distance(anatomy, points, side, level)
    inside = points[distance < -depth]
    if len(inside) < count:
        inside = points[np.argsort(distance)[: max(count, 5)]]
    return inside[np.arange(count) % len(inside)]


def lobe_coverage(anatomy: Anatomy, side: str, level: str | None) -> np.ndarray:
    """The air-filled lung of a side and lobe, as coverage (z, y, x)."""
    canvas = anatomy.canvas
    coverage = anatomy.lung
    sides = ("left", "right") if side == "both" else (side,)
    total = np.zeros(canvas.shape, np.float32)
    for name in sides:
        half = (canvas.x[0, 0] > 0) if name == "left" else (canvas.x[0, 0] <= 0)
        columns = slice(int(half.argmax()), int(half.argmax()) + int(half.sum()))
        part = coverage[..., columns]
        if level is not None:
            edge = anatomy.surfaces.lobe(canvas.x[..., columns], canvas.y, canvas.z, name, level)
            part = part * canvas.soften(edge)
        total[..., columns] = part
    return total

"""The female breasts: two caps of fat with lumps of glandular tissue behind the nipple."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy
from reg2rg.phantom.body.body_wall import FAT_HU


def paint_breasts(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the breasts of a female body; set the breast mask and the landmarks "breast left" and "breast right"."""
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    size, gland_hu, gland_count = physique.breast_scale, rng.uniform(-30, 20), int(rng.integers(4, 13))
    across, height, lateral = rng.uniform(62, 72), rng.uniform(-130, -108), rng.uniform(0, 12)
    if not physique.female:
        return
    free = 1 - anatomy.shapes["muscle"].coverage
    caps = []
    for side, sign in (("right", -1), ("left", 1)):
        center = physique.at(sign * across, 0, height) + (sign * lateral, 0, 0)
        share = min(abs(center[0]) / float(surfaces.curve("width", center[2])), 0.95)
        front = float(surfaces.curve("depth", center[2])) * (1 - share**surfaces.boxiness) ** (1 / surfaces.boxiness)
        center[1] = float(surfaces.curve("center", center[2])) - front + 18
        radii = np.array([66, 44, 62]) * size
        cap = canvas.ellipsoid(center, radii).within(free)
        canvas.paint(cap, 10)
        canvas.paint(canvas.ellipsoid(center, radii - 2.5).within(free), FAT_HU)
        for _ in range(gland_count):
            offset = rng.uniform(-1, 1, 3) * (22, 8, 22) * size - (0, 24 * size, 0)
            gland = canvas.ellipsoid(center + offset, rng.uniform(4, 12, 3))
            canvas.paint(gland.within(free), gland_hu + rng.uniform(-15, 15))
        caps.append(cap)
        anatomy.landmarks[f"breast {side}"] = center - (0, 25 * size, 0)
    anatomy.masks["breast"] = canvas.mask(*caps)

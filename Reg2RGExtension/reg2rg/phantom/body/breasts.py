"""Female breasts: two caps of fat with strands and lumps of gland behind the nipple."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.body.trunk import FAT_HU

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy


def paint_breasts(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Sets the breast mask and where masses can lie, in women."""
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    size, dense, glands = build.breast_scale, rng.uniform(-30, 20), int(rng.integers(4, 13))
    across, height, lateral = rng.uniform(62, 72), rng.uniform(-130, -108), rng.uniform(0, 12)
    if not build.female:
        return
    free = 1 - anatomy.shapes["muscle"].coverage
    caps = []
    for side, sign in (("right", -1), ("left", 1)):
        centre = build.at(sign * across, 0, height) + (sign * lateral, 0, 0)
        share = min(abs(centre[0]) / float(surfaces.curve("width", centre[2])), 0.95)
        front = float(surfaces.curve("depth", centre[2])) * (1 - share**surfaces.boxiness) ** (1 / surfaces.boxiness)
        centre[1] = float(surfaces.curve("centre", centre[2])) - front + 10
        radii = np.array([56, 40, 54]) * size
        cap = canvas.ellipsoid(centre, radii).within(free)
        canvas.paint(cap, 10)
        canvas.paint(canvas.ellipsoid(centre, radii - 2.5).within(free), FAT_HU)
        for _ in range(glands):
            offset = rng.uniform(-1, 1, 3) * (20, 9, 20) * size - (0, 15 * size, 0)
            gland = canvas.ellipsoid(centre + offset, rng.uniform(4, 12, 3))
            canvas.paint(gland.within(free), dense + rng.uniform(-15, 15))
        caps.append(cap)
        anatomy.points[f"breast {side}"] = centre - (0, 14 * size, 0)
    anatomy.masks["breast"] = canvas.mask(*caps)

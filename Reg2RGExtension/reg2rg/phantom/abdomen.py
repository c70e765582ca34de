"""The upper abdomen of a phantom: organs in fat below the diaphragm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.canvas import Shape

if TYPE_CHECKING:
    from reg2rg.phantom.anatomy import Anatomy


def paint_abdomen(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Liver, spleen, stomach, kidneys and bowel; sets the abdomen mask (the organs, without the fat between them)."""
    canvas, build = anatomy.canvas, anatomy.build
    height = anatomy.diaphragm - canvas.z
    inside = canvas.soften(np.maximum(anatomy.cavity, 3 - height))
    inside = np.where(np.abs(canvas.y - build.curve("spine", canvas.z)) + np.abs(canvas.x) < 26, 0, inside)
    canvas.paint(Shape((slice(None),) * 3, inside), -95)
    organs = [*_bowel(anatomy, inside, rng), *_kidneys(anatomy, inside, rng)]
    spleen = canvas.ellipsoid(build.at(92, 30, -240), rng.uniform(0.9, 1.1) * np.array([30, 44, 44])).within(inside)
    canvas.paint(spleen, build.spleen)
    organs += [spleen, _stomach(anatomy, inside, rng), *_liver(anatomy, inside, rng)]
    anatomy.masks["abdomen"] = canvas.mask(*organs)


def _liver(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    lobes = [
        canvas.ellipsoid(build.at(-62, -2, -232), np.array([80, 84, 72]) * rng.uniform(0.94, 1.05)),
        canvas.ellipsoid(build.at(8, -40, -222), np.array([60, 36, 34]) * rng.uniform(0.85, 1.1)),
    ]
    lobes = [lobe.within(inside) for lobe in lobes]
    for lobe in lobes:
        canvas.paint(lobe, build.liver)
    for _ in range(5):
        start = build.at(-45, 0, -235)
        end = start + rng.uniform(-1, 1, 3) * (45, 45, 35)
        vein = canvas.tube([start, end], [4.5, 2]).within(inside)
        canvas.paint(vein, max(build.blood, 30))
    anatomy.shapes["liver"] = lobes[0]
    return lobes


def _stomach(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> Shape:
    """The patient lies on the back: gas collects in front, fluid behind."""
    canvas, build = anatomy.canvas, anatomy.build
    centre, radii = build.at(58, -28, -238), np.array([42, 40, 40]) * rng.uniform(0.85, 1.1)
    wall = canvas.ellipsoid(centre, radii).within(inside)
    canvas.paint(wall, build.muscle)
    content = canvas.ellipsoid(centre, radii - 5).within(inside)
    canvas.paint(content, rng.uniform(10, 35))
    level = centre[1] + rng.uniform(-22, -2)
    gas = canvas.soften(canvas.y[:, content.box[1]] - np.float32(level))
    canvas.paint(Shape(content.box, content.coverage * gas), -950)
    return wall


def _kidneys(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    kidneys = []
    for side, sign in (("right", -1), ("left", 1)):
        centre = build.at(sign * 58, 44, -268 if side == "left" else -274) + rng.uniform(-3, 3, 3)
        kidney = canvas.ellipsoid(centre, np.array([26, 24, 50]) * rng.uniform(0.92, 1.08)).within(inside)
        canvas.paint(kidney, build.kidney)
        canvas.paint(canvas.ellipsoid(centre - (sign * 12, 4, 0), (12, 9, 22)).within(inside), -60)
        anatomy.points[f"kidney {side}"] = centre
        kidneys.append(kidney)
    return kidneys


def _bowel(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    loops = []
    for _ in range(7):
        start = build.at(rng.uniform(-70, 80), rng.uniform(-60, 5), rng.uniform(-300, -262))
        path = [start, start + rng.uniform(-30, 30, 3), start + rng.uniform(-45, 45, 3)]
        loop = canvas.tube(path, rng.uniform(9, 13)).within(inside)
        canvas.paint(loop, 35)
        canvas.paint(canvas.tube(path, rng.uniform(4, 8)).within(inside), rng.choice([-900, 15]))
        loops.append(loop)
    return loops

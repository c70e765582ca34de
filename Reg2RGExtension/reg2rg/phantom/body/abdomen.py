"""The upper abdomen: organs in fat below the diaphragm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.body.canvas import Shape

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy


def paint_abdomen(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Liver, spleen, stomach, kidneys and bowel; sets the abdomen mask (the organs, without the fat between them)."""
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    below = canvas.soften(canvas.z - anatomy.diaphragm + 2, canvas.spacing[2])
    inside = np.minimum(below, canvas.soften(anatomy.cavity), out=below)
    inside = np.where(surfaces.spine(canvas.x, canvas.y, canvas.z) < 2, np.float32(0), inside)
    canvas.paint(canvas.whole(inside), -98)
    organs = [*_bowel(anatomy, inside, rng), *_kidneys(anatomy, inside, rng)]
    spleen = canvas.ellipsoid(build.at(90, 34, -240), rng.uniform(0.85, 1.15) * np.array([28, 44, 46])).within(inside)
    canvas.paint(spleen, build.spleen)
    organs += [spleen, _stomach(anatomy, inside, rng), *_liver(anatomy, inside, rng), *_pancreas(anatomy, inside, rng)]
    anatomy.masks["abdomen"] = canvas.mask(*organs)


def liver_parts(anatomy: Anatomy) -> np.ndarray:
    """Centre and half axes of the liver's right lobe, (2, 3) mm."""
    return anatomy.points["liver"]


def _liver(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    anatomy.points["liver"] = np.array(
        [build.at(-62, 0, -236), build.at(84, 84, 74) * rng.uniform(0.92, 1.06)], dtype=float
    )
    lobes = [
        canvas.ellipsoid(*anatomy.points["liver"]),
        canvas.ellipsoid(build.at(4, -42, -226), build.at(60, 36, 36) * rng.uniform(0.8, 1.1)),
    ]
    lobes = [lobe.within(inside) for lobe in lobes]
    for lobe in lobes:
        canvas.paint(lobe, build.liver)
    for _ in range(7):
        start = build.at(-40, 0, -225)
        end = start + rng.uniform(-1, 1, 3) * (50, 50, 45)
        canvas.paint(canvas.tube([start, end], [5, 2]).within(inside), max(build.blood - 5, 32))
    gallbladder = canvas.ellipsoid(build.at(-34, -52, -268) + rng.uniform(-5, 5, 3), rng.uniform(12, 18, 3))
    canvas.paint(gallbladder.within(inside), 8)
    anatomy.shapes["liver"] = lobes[0]
    return lobes


def _pancreas(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    path = build.path((-26, -8, -282), (4, -20, -268), (36, -4, -262), (66, 20, -252))
    path += rng.uniform(-4, 4, path.shape)
    pancreas = canvas.tube(path, [13, 9, 9, 8]).within(inside)
    canvas.paint(pancreas, build.muscle - 15)
    return [pancreas]


def _stomach(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> Shape:
    """The patient lies on the back: gas collects in front, fluid and food behind."""
    canvas, build = anatomy.canvas, anatomy.build
    centre, radii = build.at(58, -26, -238) + rng.uniform(-6, 6, 3), np.array([42, 42, 44]) * rng.uniform(0.75, 1.12)
    wall = canvas.ellipsoid(centre, radii).within(inside)
    canvas.paint(wall, build.muscle)
    content = canvas.ellipsoid(centre, radii - 5).within(inside)
    canvas.paint(content, rng.uniform(5, 60))
    level = centre[1] + rng.uniform(-30, 5)
    gas = canvas.soften(canvas.y[:, content.box[1]] - np.float32(level), canvas.spacing[1])
    canvas.paint(content.times(gas), -950)
    return wall


def _kidneys(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    kidneys = []
    for side, sign in (("right", -1), ("left", 1)):
        centre = build.at(sign * 58, 48, -270 if side == "left" else -276) + rng.uniform(-3, 3, 3)
        kidney = canvas.ellipsoid(centre, np.array([27, 25, 52]) * rng.uniform(0.9, 1.08)).within(inside)
        canvas.paint(kidney, build.kidney)
        canvas.paint(canvas.ellipsoid(centre - (sign * 14, 5, 0), (12, 9, 24)).within(inside), -65)
        anatomy.points[f"kidney {side}"] = centre
        kidneys.append(kidney)
        adrenal = canvas.tube([centre + (-sign * 16, -16, 58), centre + (-sign * 22, 4, 50)], 3.5)
        canvas.paint(adrenal.within(inside), 25)
    return kidneys


def _bowel(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    """Colon below liver and stomach, and loops of small bowel; gas or stool in them."""
    canvas, build = anatomy.canvas, anatomy.build
    loops = []
    for _ in range(8):
        start = build.at(rng.uniform(-75, 90), rng.uniform(-65, 5), rng.uniform(-320, -262))
        path = [start, start + rng.uniform(-30, 30, 3), start + rng.uniform(-45, 45, 3)]
        width = rng.uniform(9, 16)
        loop = canvas.tube(path, width).within(inside)
        canvas.paint(loop, 38)
        canvas.paint(canvas.tube(path, width - rng.uniform(2.5, 4)).within(inside), rng.choice([-920, -300, 20, 60]))
        loops.append(loop)
    return loops

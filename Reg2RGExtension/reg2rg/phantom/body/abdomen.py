"""The upper abdomen: the organs in the fat below the diaphragm."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy
from reg2rg.phantom.body.canvas import Shape


def paint_abdomen(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the abdominal organs in fat; set the abdomen mask, which contains the organs but not the fat between them.

    Sets the landmarks "liver" (center and half axes of the right lobe), "kidney left" and "kidney right".
    """
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    below = canvas.coverage(canvas.z - anatomy.diaphragm_height + 2, canvas.spacing[2])
    inside = np.minimum(below, canvas.coverage(anatomy.cavity_distance), out=below)
    inside = np.where(surfaces.spine(canvas.x, canvas.y, canvas.z) < 2, np.float32(0), inside)
    canvas.paint(canvas.whole_grid(inside), -98)
    organs = [*_paint_bowel(anatomy, inside, rng), *_paint_kidneys(anatomy, inside, rng)]
    spleen_radii = rng.uniform(0.85, 1.15) * np.array([28, 44, 46])
    spleen = canvas.ellipsoid(physique.at(90, 34, -240), spleen_radii).within(inside)
    canvas.paint(spleen, physique.spleen_hu)
    stomach, liver = _paint_stomach(anatomy, inside, rng), _paint_liver(anatomy, inside, rng)
    anatomy.structures["spleen"] = canvas.mask(spleen) & ~canvas.mask(stomach, *liver)
    anatomy.structures["liver"] = canvas.mask(*liver)
    organs += [spleen, stomach, *liver]
    organs.append(_paint_pancreas(anatomy, inside, rng))
    anatomy.masks["abdomen"] = canvas.mask(*organs)


def _paint_liver(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    """Paint both lobes of the liver with their vessels, and the gallbladder; return the lobes."""
    canvas, physique = anatomy.canvas, anatomy.physique
    anatomy.landmarks["liver"] = np.array(
        [physique.at(-62, 0, -236), physique.at(84, 84, 74) * rng.uniform(0.92, 1.06)], dtype=float
    )
    lobes = [
        canvas.ellipsoid(*anatomy.landmarks["liver"]),
        canvas.ellipsoid(physique.at(4, -42, -226), physique.at(60, 36, 36) * rng.uniform(0.8, 1.1)),
    ]
    lobes = [lobe.within(inside) for lobe in lobes]
    for lobe in lobes:
        canvas.paint(lobe, physique.liver_hu)
    for _ in range(7):
        start = physique.at(-40, 0, -225)
        end = start + rng.uniform(-1, 1, 3) * (50, 50, 45)
        canvas.paint(canvas.tube([start, end], [5, 2]).within(inside), max(physique.blood_hu - 5, 32))
    gallbladder = canvas.ellipsoid(physique.at(-34, -52, -268) + rng.uniform(-5, 5, 3), rng.uniform(12, 18, 3))
    canvas.paint(gallbladder.within(inside), 8)
    return lobes


def _paint_pancreas(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> Shape:
    """Paint the pancreas and return it."""
    canvas, physique = anatomy.canvas, anatomy.physique
    path = physique.path((-26, -8, -282), (4, -20, -268), (36, -4, -262), (66, 20, -252))
    path += rng.uniform(-4, 4, path.shape)
    pancreas = canvas.tube(path, [13, 9, 9, 8]).within(inside)
    canvas.paint(pancreas, physique.muscle_hu - 15)
    return pancreas


def _paint_stomach(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> Shape:
    """Paint the stomach and return it; in a supine patient, gas collects in front, and fluid and food behind."""
    canvas, physique = anatomy.canvas, anatomy.physique
    center, radii = physique.at(58, -26, -238) + rng.uniform(-6, 6, 3), np.array([42, 42, 44]) * rng.uniform(0.75, 1.12)
    wall = canvas.ellipsoid(center, radii).within(inside)
    canvas.paint(wall, physique.muscle_hu)
    content = canvas.ellipsoid(center, radii - 5).within(inside)
    canvas.paint(content, rng.uniform(5, 60))
    level = center[1] + rng.uniform(-30, 5)
    gas = canvas.coverage(canvas.y[:, content.box[1]] - np.float32(level), canvas.spacing[1])
    canvas.paint(content.times(gas), -950)
    return wall


def _paint_kidneys(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    """Paint the kidneys and the adrenal glands; return the kidneys."""
    canvas, physique = anatomy.canvas, anatomy.physique
    kidneys = []
    for side, sign in (("right", -1), ("left", 1)):
        center = physique.at(sign * 58, 48, -270 if side == "left" else -276) + rng.uniform(-3, 3, 3)
        kidney = canvas.ellipsoid(center, np.array([27, 25, 52]) * rng.uniform(0.9, 1.08)).within(inside)
        canvas.paint(kidney, physique.kidney_hu)
        canvas.paint(canvas.ellipsoid(center - (sign * 14, 5, 0), (12, 9, 24)).within(inside), -65)
        anatomy.landmarks[f"kidney {side}"] = center
        kidneys.append(kidney)
        anatomy.structures[f"kidney_{side}"] = canvas.mask(kidney)
        adrenal = canvas.tube([center + (-sign * 16, -16, 58), center + (-sign * 22, 4, 50)], 3.5)
        canvas.paint(adrenal.within(inside), 25)
    return kidneys


def _paint_bowel(anatomy: Anatomy, inside: np.ndarray, rng: np.random.Generator) -> list[Shape]:
    """Paint loops of bowel below liver and stomach, filled with gas, fluid or stool; return them."""
    canvas, physique = anatomy.canvas, anatomy.physique
    loops = []
    for _ in range(8):
        start = physique.at(rng.uniform(-75, 90), rng.uniform(-65, 5), rng.uniform(-320, -262))
        path = [start, start + rng.uniform(-30, 30, 3), start + rng.uniform(-45, 45, 3)]
        width = rng.uniform(9, 16)
        loop = canvas.tube(path, width).within(inside)
        canvas.paint(loop, 38)
        canvas.paint(canvas.tube(path, width - rng.uniform(2.5, 4)).within(inside), rng.choice([-920, -300, 20, 60]))
        loops.append(loop)
    return loops

"""Trachea and main bronchi, esophagus and thyroid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy

AIR_HU = -995
AIRWAY_WALL_MM = 1.6
AIRWAYS = {
    "trachea": ([(0, 4, 80), (0, 6, 20), (-1, 9, -20), (-2, 14, -60), (-2, 15, -92)], 10.0),
    "bronchus right": ([(-2, 15, -90), (-22, 14, -104), (-38, 15, -117), (-46, 24, -142)], 7.5),
    "bronchus left": ([(-2, 15, -90), (24, 16, -110), (43, 21, -121), (50, 32, -144)], 7.0),
    "upper right": ([(-24, 14, -104), (-52, 6, -94)], 5.5),
    "upper left": ([(32, 18, -114), (52, 4, -102)], 5.5),
    "middle right": ([(-40, 16, -122), (-54, -6, -134)], 4.5),
}
"""Points of the average body and outer radius, mm."""


def paint_neck(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Sets the masks of esophagus, thyroid and airways, the latter without the branches within the lungs."""
    _esophagus(anatomy, rng)
    _thyroid(anatomy, rng)
    _airways(anatomy, rng)


def _airways(anatomy: Anatomy, rng: np.random.Generator) -> None:
    canvas, build = anatomy.canvas, anatomy.build
    walls, wider = [], rng.uniform(0.88, 1.12)
    for name, (points, radius) in AIRWAYS.items():
        anatomy.points[name], anatomy.points[f"{name} radius"] = build.path(*points), np.array([radius * wider])
        walls.append(canvas.tube(anatomy.points[name], radius * wider))
        canvas.paint(walls[-1], 10)
    paint_airway_lumen(anatomy, AIRWAY_WALL_MM)
    anatomy.displace_lung(*walls)
    anatomy.masks["trachea and bronchie"] = canvas.mask(*walls)
    anatomy.masks["mediastinum"] |= canvas.mask(*walls) & (canvas.z < 0)


def paint_airway_lumen(anatomy: Anatomy, wall: float) -> None:
    """Air in all airways, leaving a wall of this thickness (mm)."""
    for name in AIRWAYS:
        lumen = anatomy.canvas.tube(anatomy.points[name], float(anatomy.points[f"{name} radius"][0]) - wall)
        anatomy.canvas.paint(lumen, AIR_HU)


def _esophagus(anatomy: Anatomy, rng: np.random.Generator) -> None:
    canvas, build = anatomy.canvas, anatomy.build
    path = build.path(
        (4, 21, 80), (5, 24, 0), (6, 30, -50), (5, 36, -90), (5, 38, -140), (10, 30, -192), (20, 16, -216)
    )
    path[:-1, :2] += rng.uniform(-1.5, 1.5, (6, 2))
    tube = canvas.tube(path, rng.uniform(6.5, 9))
    fat = canvas.tube(path, 12)
    canvas.paint(fat.within(anatomy.lung), -90)
    canvas.paint(tube, build.muscle - 8)
    gas = rng.integers(0, len(path) - 2)
    content, hu = path[gas : gas + 3], rng.choice([-700, -300, 20, 20])
    canvas.paint(canvas.tube(content, 3.0), hu)
    anatomy.displace_lung(fat)
    anatomy.points["esophagus"] = path
    anatomy.masks["esophagus"] = canvas.mask(tube)
    anatomy.masks["mediastinum"] |= canvas.mask(fat) & (canvas.z < 0) & (canvas.z > anatomy.diaphragm)


def _thyroid(anatomy: Anatomy, rng: np.random.Generator) -> None:
    canvas, build = anatomy.canvas, anatomy.build
    lobes = []
    for side, sign in (("right", -1), ("left", 1)):
        centre = build.at(sign * 18, 0, 22) + rng.uniform(-1.5, 1.5, 3)
        lobes.append(canvas.ellipsoid(centre, np.array([9, 11, 21]) * rng.uniform(0.85, 1.15)))
        anatomy.points[f"thyroid {side}"] = centre
    lobes.append(canvas.ellipsoid(build.at(0, -9, 14), (16, 4.5, 8)))
    for lobe in lobes:
        canvas.paint(lobe, build.thyroid)
    anatomy.masks["thyroid"] = canvas.mask(*lobes)

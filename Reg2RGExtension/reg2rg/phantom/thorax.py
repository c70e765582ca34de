"""The chest cavity of a phantom: lungs, heart, great vessels, airways, esophagus and thyroid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.canvas import Shape
from reg2rg.phantom.trunk import radial_distance

if TYPE_CHECKING:
    from reg2rg.phantom.anatomy import Anatomy

HEART_AXES = np.array([[0.80, -0.36, -0.48], [0.41, 0.91, 0.0], [0.44, -0.20, 0.88]])
AIRWAY_RADII = {
    "trachea": 10.5,
    "bronchus right": 8.0,
    "bronchus left": 8.0,
    "upper right": 6.0,
    "upper left": 6.0,
}
"""Outer radii, mm."""
AIR_HU = -990
_VESSEL_AIMS = np.array(
    [(0.3, -0.3, 1.0), (0.8, -0.8, 0.5), (0.9, 0.6, 0.5), (1.0, -0.6, -0.4), (0.8, 0.7, -0.7), (0.5, 0.1, -1.0)]
)


def paint_lungs(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Mediastinal fat and the lungs on both sides of it, above the two domes of the diaphragm."""
    canvas, build = anatomy.canvas, anatomy.build
    x, y, z = canvas.x, canvas.y, canvas.z
    anatomy.diaphragm = _diaphragm(anatomy, rng)
    above = np.float32(0.75) * (anatomy.diaphragm - z)
    rise = np.clip(1 + z / (235 * build.stretch), 0, 1)
    band = 7 + 17 * np.exp(-(((y - 2) / 34) ** 2)) + 7 * rise**3
    spine = radial_distance(x, y - build.curve("spine", z) - 8, np.float32(25), np.float32(28))
    hull = np.maximum(anatomy.cavity, above)
    canvas.paint(canvas.everywhere(np.maximum(hull, np.maximum(np.abs(x) - 60, z - 12))), -85)
    lung = np.maximum(np.maximum(hull, band - np.abs(x)), -spine)
    coverage = canvas.soften(lung)
    anatomy.shapes["lungs"] = Shape((slice(None),) * 3, coverage)
    canvas.paint(anatomy.shapes["lungs"], build.lung + _texture(anatomy, rng))
    anatomy.breathing = coverage >= 0.5
    neck = np.maximum(np.abs(x) - 38, anatomy.cavity - 4)
    anatomy.masks["mediastinum"] = (np.maximum(np.maximum(neck, above), z) < 0) & (spine > 0) & ~anatomy.breathing


def _diaphragm(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    canvas, build = anatomy.canvas, anatomy.build
    domes = []
    right = rng.uniform(-186, -174)
    for sign, peak in ((-1, right), (1, right - rng.uniform(5, 16))):
        across = (canvas.x - sign * 0.5 * build.half_width) / (0.62 * build.half_width)
        domes.append(peak * build.stretch - 58 * (across**2 + ((canvas.y + 8) / build.half_depth) ** 2))
    return np.maximum(*domes).astype(np.float32)


def _texture(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Lung density: denser towards the back, where blood collects, and slowly varying."""
    canvas = anatomy.canvas
    texture = np.float32(0.35) * canvas.y
    for _ in range(3):
        waves = [
            np.sin(axis * rng.uniform(0.05, 0.22) + rng.uniform(0, 6.28)) for axis in (canvas.x, canvas.y, canvas.z)
        ]
        texture = texture + np.float32(16) * (waves[0] * waves[1]) * waves[2]
    return texture.astype(np.float32)


def paint_heart(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Pericardium, muscle and chambers; sets the heart mask (all within the pericardium)."""
    canvas, build = anatomy.canvas, anatomy.build
    thickness, layer = build.pericardium
    radii = np.array([60, 45, 47]) * build.heart_scale * (build.half_width / 126)
    centre = build.at(14 + 9 * build.heart_scale, -20, -152) + rng.uniform(-3, 3, 3)
    centre[2] += 25 * (build.heart_scale - 1)
    above = canvas.soften(anatomy.diaphragm - 4 - canvas.z) * canvas.soften(anatomy.cavity)
    sac = canvas.ellipsoid(centre, radii + thickness, HEART_AXES).within(above)
    muscle = canvas.ellipsoid(centre, radii, HEART_AXES).within(above)
    canvas.paint(sac, layer)
    canvas.paint(muscle, build.muscle + 0.45 * max(build.blood - 50, 0))
    u, v, w = HEART_AXES * build.heart_scale
    for offset, size in (
        (20 * u + 10 * v, (30, 20, 20)),
        (14 * u - 17 * v, (34, 15, 22)),
        (-28 * u + 18 * v + 14 * w, (20, 18, 20)),
        (-32 * u - 8 * v - 6 * w, (19, 17, 24)),
    ):
        chamber = canvas.ellipsoid(centre + offset, np.array(size) * build.heart_scale, HEART_AXES)
        canvas.paint(chamber.within(above), build.blood)
    anatomy.points["heart"] = centre
    anatomy.points["heart radii"] = radii
    anatomy.shapes["pericardium"], anatomy.shapes["heart"] = sac, muscle
    anatomy.masks["heart"] = _displace_lung(anatomy, sac)


def _displace_lung(anatomy: Anatomy, *shapes: Shape) -> np.ndarray:
    """Mask of the shapes; lungs give way to them, and what lies in the chest is added to the mediastinum."""
    mask = anatomy.canvas.mask(*shapes)
    anatomy.breathing &= ~mask
    chest = (anatomy.canvas.z < 0) & (anatomy.canvas.z > anatomy.diaphragm)
    anatomy.masks["mediastinum"] |= mask & chest
    return mask


def paint_mediastinum(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Aorta, pulmonary trunk, great veins, esophagus and thyroid; sets the masks of the last two."""
    canvas, build = anatomy.canvas, anatomy.build
    paths = {
        "aorta": (
            [(0, -18, -112), (-14, -27, -88), (-10, -21, -62), (4, -6, -47), (19, 15, -50), (25, 32, -70)]
            + [(24, 37, -110), (20, 38, -180), (8, 32, -235), (4, 28, -292)],
            [14, 15, 15, 13, 13, 12.5, 12, 11.5, 10.5, 10],
        ),
        "trunk": ([(12, -30, -118), (14, -14, -98), (34, 4, -94), (48, 8, -102)], [13, 11, 9, 8]),
        "right artery": ([(14, -14, -98), (-18, -4, -99), (-44, 2, -108)], [10, 9, 8]),
        "caval vein": ([(-20, -16, -30), (-23, -18, -80), (-23, -12, -125)], [7, 8, 9]),
        "lower vein": ([(-18, -2, -180), (-18, 6, -292)], [10, 11]),
        "right neck": ([(-16, -16, -36), (-22, -2, 10), (-24, 0, 60)], [6, 5, 4.5]),
        "left neck": ([(8, -8, -44), (22, -2, 10), (24, 0, 60)], [6, 5, 4.5]),
    }
    shapes = []
    widening = rng.uniform(0.92, 1.08)
    for name, (points, radii) in paths.items():
        path = np.array([build.at(*point) for point in points])
        shape = canvas.tube(path, widening * np.array(radii))
        canvas.paint(shape, build.blood)
        anatomy.points[name] = path
        shapes.append(shape)
    anatomy.points["aorta radii"] = widening * np.array(paths["aorta"][1])
    _displace_lung(anatomy, *shapes)
    _esophagus(anatomy, rng)
    _thyroid(anatomy, rng)


def _esophagus(anatomy: Anatomy, rng: np.random.Generator) -> None:
    canvas, build = anatomy.canvas, anatomy.build
    points = [(4, 21, 62), (4, 24, 0), (5, 29, -50), (4, 34, -90), (4, 36, -140), (10, 28, -192), (20, 14, -214)]
    path = np.array([build.at(*point) for point in points])
    tube = canvas.tube(path, rng.uniform(6.5, 8.5))
    canvas.paint(tube, build.muscle - 5)
    canvas.paint(canvas.tube(path, 2.5), rng.choice([-400, -100, 20]))
    anatomy.masks["esophagus"] = _displace_lung(anatomy, tube)


def _thyroid(anatomy: Anatomy, rng: np.random.Generator) -> None:
    canvas, build = anatomy.canvas, anatomy.build
    lobes = []
    for side, sign in (("right", -1), ("left", 1)):
        centre = build.at(sign * 18, 2, 21) + rng.uniform(-1.5, 1.5, 3)
        lobes.append(canvas.ellipsoid(centre, np.array([9, 11, 20]) * rng.uniform(0.85, 1.15)))
        anatomy.points[f"thyroid {side}"] = centre
    lobes.append(canvas.ellipsoid(build.at(0, -7, 14), (16, 4.5, 8)))
    for lobe in lobes:
        canvas.paint(lobe, build.thyroid)
    anatomy.masks["thyroid"] = canvas.mask(*lobes)


def paint_vessels(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Branching arteries and veins of the lungs, from the hila outwards; they count as lung."""
    for sign in (-1, 1):
        hilum = anatomy.build.at(sign * 46, 4, -106)
        for aim in _VESSEL_AIMS:
            _grow(anatomy, hilum + rng.uniform(-6, 6, 3), aim * (sign, 1, 1), 32.0, rng.uniform(3.8, 5.0), rng)


def _grow(
    anatomy: Anatomy, start: np.ndarray, ahead: np.ndarray, length: float, radius: float, rng: np.random.Generator
) -> None:
    """Paint a vessel and its branches, turning those that would leave the lung."""
    for _ in range(4):
        turned = ahead + rng.uniform(-0.7, 0.7, 3)
        turned /= np.linalg.norm(turned)
        end = start + turned * length * rng.uniform(0.8, 1.2)
        if anatomy.breathing[anatomy.canvas.index(end)]:
            break
    else:
        return
    vessel = anatomy.canvas.tube([start, end], [radius, 0.8 * radius])
    anatomy.canvas.paint(Shape(vessel.box, vessel.coverage * anatomy.breathing[vessel.box]), anatomy.build.blood)
    if radius > 1.3:
        for _ in range(2):
            _grow(anatomy, end, turned, 0.84 * length, 0.76 * radius, rng)


def paint_airways(anatomy: Anatomy) -> None:
    """Trachea, main and lobar bronchi with their walls; sets the airway mask."""
    canvas, build = anatomy.canvas, anatomy.build
    paths = {
        "trachea": [(0, 8, 62), (0, 8, 0), (-2, 13, -50), (-2, 13, -90)],
        "bronchus right": [(-2, 13, -88), (-22, 13, -104), (-40, 15, -118), (-50, 27, -148)],
        "bronchus left": [(-2, 13, -88), (24, 14, -108), (43, 21, -121), (53, 35, -148)],
        "upper right": [(-24, 13, -104), (-56, 4, -90)],
        "upper left": [(32, 17, -114), (56, 2, -99)],
    }
    walls = []
    for name, points in paths.items():
        anatomy.points[name] = np.array([build.at(*point) for point in points])
        walls.append(canvas.tube(anatomy.points[name], AIRWAY_RADII[name]))
        canvas.paint(walls[-1], 20)
    paint_airway_lumen(anatomy, wall=2)
    anatomy.masks["trachea and bronchie"] = _displace_lung(anatomy, *walls)


def paint_airway_lumen(anatomy: Anatomy, wall: float) -> None:
    """Air in all airways, leaving a wall of this thickness (mm)."""
    for name, radius in AIRWAY_RADII.items():
        anatomy.canvas.paint(anatomy.canvas.tube(anatomy.points[name], radius - wall), AIR_HU)

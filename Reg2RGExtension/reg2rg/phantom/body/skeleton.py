"""Ribs, sternum, clavicles, scapulae and spine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.body.canvas import Shape
from reg2rg.phantom.body.surfaces import BASE_MM, oval

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy

RIB_PITCH_MM = 25.0
RIB_SLOPE = 0.45
"""How far a rib descends from back to front, per mm."""
VERTEBRA_PITCH_MM = 25.0
VERTEBRA_RADII = (19.0, 15.0)
RIB_DEPTH_MM = 5.5
"""Middle of a rib outside the chest wall's inner surface."""


def paint_skeleton(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """All bones; sets the bone mask and the vertebrae's centres, and lungs give way."""
    parts = [_ribs(anatomy, rng), *_sternum(anatomy), *_shoulders(anatomy, rng), _spine(anatomy, rng)]
    anatomy.displace_lung(*parts)
    anatomy.extend("bone", anatomy.canvas.mask(*parts))


def rib_number(anatomy: Anatomy, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Position along the ribs; a whole number and a half is the middle of a rib."""
    pitch = np.float32(RIB_PITCH_MM * anatomy.build.stretch)
    return (z - np.float32(RIB_SLOPE) * y) / pitch + np.float32(anatomy.points["rib phase"][0])


def _ribs(anatomy: Anatomy, rng: np.random.Generator) -> Shape:
    """Bands of the chest wall that slope down to the front, and end in cartilage there."""
    canvas, build = anatomy.canvas, anatomy.build
    anatomy.points["rib phase"] = np.array([rng.random()])
    pitch = RIB_PITCH_MM * build.stretch
    number = rib_number(anatomy, canvas.y, canvas.z)
    across = np.abs(number - np.floor(number) - np.float32(0.5)) * np.float32(0.91 * pitch)
    deep = anatomy.cavity - np.float32(RIB_DEPTH_MM)
    rib = np.sqrt((deep / np.float32(4.5)) ** 2 + (across / np.float32(6)) ** 2)
    rib = (rib - 1) * np.float32(4.7)
    ends = np.maximum(-canvas.z - 262 * build.stretch, canvas.z - 8)
    rib = np.maximum(rib, ends)
    cartilage = (np.abs(canvas.x) < 0.45 * build.half_width + 0.12 * (canvas.z + 150)) & (canvas.y < 0)
    coverage = canvas.soften(rib)
    canvas.paint(canvas.whole(coverage * cartilage), 95)
    bone = canvas.whole(coverage * ~cartilage)
    canvas.paint(bone, rng.uniform(480, 750))
    canvas.paint(canvas.whole(canvas.soften(rib + 2) * ~cartilage), build.marrow + 40)
    return bone


def _sternum(anatomy: Anatomy) -> list[Shape]:
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    low, high = -175 * build.stretch, -22 * build.stretch
    box = canvas.box((-26, -140, low), (26, 0, high))
    x, y, z = canvas.axes(box)
    rise = np.clip(1 - z / (BASE_MM * build.stretch), 0, 1)
    front = surfaces.curve("centre", z) - 0.9 * build.half_depth * (1 - 0.24 * rise**1.5) * np.sqrt(1 - rise**5) - 8
    width = 17 + 9 * np.clip((z + 60 * build.stretch) / 40, 0, 1)
    plate = np.maximum(np.abs(x) - width, np.abs(y - front) - 5.5)
    plate = np.maximum(plate, np.maximum(low - z, z - high))
    shape = Shape(box, canvas.soften(plate))
    canvas.paint(shape, 420)
    canvas.paint(Shape(box, canvas.soften(plate + 2)), build.marrow + 10)
    return [shape]


def _shoulders(anatomy: Anatomy, rng: np.random.Generator) -> list[Shape]:
    """Clavicles and scapulae; with raised arms the scapulae turn outwards and the clavicles upwards."""
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    lift = 16 if build.arms_up else 0
    out = float(surfaces.curve("width", -50.0))
    shapes = []
    for sign in (-1, 1):
        path = build.path((sign * 16, -46, -22), (sign * 60, -30, -2 + lift / 2), (sign * 104, 4, 6 + lift))
        clavicle = canvas.tube(path, [7, 5, 6])
        canvas.paint(clavicle, 500)
        canvas.paint(canvas.tube(path, [5, 3, 4]), build.marrow + 60)
        tilt = sign * (0.95 if build.arms_up else 0.7)
        turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
        centre = np.array(
            [sign * (0.5 * out + 0.42 * build.half_width), 58 * build.half_depth / 82, -62 * build.stretch]
        )
        blade = canvas.ellipsoid(centre + rng.uniform(-3, 3, 3), (42, 3.6, 62), turn)
        spine = canvas.tube([centre + (-sign * 20, 20, 22), centre + (sign * 24, -6, 42)], [4, 7])
        head = canvas.ellipsoid(centre + (sign * 34, -34, 60), (20, 20, 20))
        for shape in (blade, spine, head):
            canvas.paint(shape.within(anatomy.shapes["muscle"].coverage), 420)
        shapes += [clavicle, *(s.within(anatomy.shapes["muscle"].coverage) for s in (blade, spine, head))]
    return shapes


def _spine(anatomy: Anatomy, rng: np.random.Generator) -> Shape:
    """Vertebral bodies with discs between them, and arches around the canal."""
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    pitch = VERTEBRA_PITCH_MM * build.stretch
    start = pitch * (rng.random() - 20)
    box = canvas.box((-42, -20, canvas.z[0, 0, 0]), (42, 140, canvas.z[-1, 0, 0]))
    x, y, z = canvas.axes(box)
    y = y - surfaces.curve("spine", z)
    along = np.abs((z - start) / pitch - np.floor((z - start) / pitch) - 0.5) * pitch
    column = oval(x, y, *(np.float32(r) for r in VERTEBRA_RADII))
    body = np.maximum(column, along - (pitch / 2 - 2.2))
    arch = np.maximum(np.abs(np.sqrt(x**2 + (y - 24) ** 2) - 11) - 2.5, along - 8)
    process = np.maximum(np.maximum(np.abs(x) - 3.5, np.abs(y - 44) - 12), along - 8)
    wings = np.maximum(np.maximum(np.abs(x) - 33, np.abs(y - 23) - 4), np.maximum(along - 6, 9 - np.abs(x)))
    bone = np.minimum(np.minimum(body, arch), np.minimum(process, wings))
    muscle = anatomy.shapes["muscle"].coverage[box]
    canvas.paint(Shape(box, canvas.soften(column)), 75)
    canvas.paint(Shape(box, canvas.soften(np.sqrt(x**2 + (y - 24) ** 2) - 10)), 25)
    shape = Shape(box, canvas.soften(bone) * muscle)
    canvas.paint(shape, 420)
    canvas.paint(Shape(box, canvas.soften(np.minimum(body, np.minimum(process, wings)) + 2) * muscle), build.marrow)
    heights = start + pitch * (np.arange(40) + 0.5)
    anatomy.points["vertebrae"] = np.stack([0 * heights, surfaces.curve("spine", heights), heights], axis=1)
    return shape

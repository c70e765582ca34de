"""The trunk of a phantom: skin, fat, muscle, table, bones and breasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.canvas import Shape

if TYPE_CHECKING:
    from reg2rg.phantom.anatomy import Anatomy

FAT_HU = -100
_CAVITY_BASE_MM = -235.0
_RIB_PITCH_MM = 26.0
_VERTEBRA_PITCH_MM = 25.0


def radial_distance(x: np.ndarray, y: np.ndarray, width: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Distance along the ray from the centre to an ellipse with these half axes, negative inside."""
    rho = np.sqrt((x / width) ** 2 + (y / depth) ** 2)
    return np.sqrt(x * x + y * y) * (1 - 1 / np.maximum(rho, np.float32(1e-3)))


def paint_trunk(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Table, skin, fat ring and muscle; sets the thoracic cavity's distance field."""
    canvas, build = anatomy.canvas, anatomy.build
    centre = build.curve("centre", canvas.z)
    y = canvas.y - centre
    body = radial_distance(canvas.x, y, build.curve("body_width", canvas.z), build.curve("body_depth", canvas.z))
    back = float(build.curve("body_depth", np.array(-150.0))) + rng.uniform(3, 6)
    table = np.abs(canvas.y + 0.0011 * canvas.x**2 - back - 8) - 4
    canvas.paint(canvas.everywhere(np.maximum(table, np.abs(canvas.x) - 170)), rng.uniform(-250, -100))
    canvas.paint(canvas.everywhere(body), rng.uniform(0, 30))
    canvas.paint(canvas.everywhere(body + 2.5), FAT_HU)
    canvas.paint(canvas.everywhere(body + build.fat), build.muscle)
    anatomy.shapes["muscle"] = canvas.everywhere(body + build.fat)
    anatomy.cavity = _cavity(anatomy, y)


def _cavity(anatomy: Anatomy, y: np.ndarray) -> np.ndarray:
    """Two ellipses a slice, one for each lung, that part towards the apex and share most of the chest below."""
    canvas, build = anatomy.canvas, anatomy.build
    rise = np.clip(1 - canvas.z / (_CAVITY_BASE_MM * build.stretch), 0, 0.999)
    dome = np.sqrt(1 - rise**5)
    middle = build.half_width * (0.22 + 0.26 * rise)
    width = np.maximum((build.half_width * (1 - 0.22 * rise**2) - middle) * dome, 1)
    depth = np.maximum(build.half_depth * (1 - 0.25 * rise) * dome, 1)
    return np.maximum(radial_distance(np.abs(canvas.x) - middle, y, width, depth), canvas.z)


def paint_skeleton(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Ribs, sternum, clavicles, scapulae and spine; sets the bone mask, and lungs give way."""
    parts = [*_ribs(anatomy, rng), *_sternum(anatomy), *_shoulders(anatomy)]
    mask = anatomy.canvas.mask(*parts) | _spine(anatomy, rng)
    anatomy.masks["bone"] = mask
    anatomy.breathing &= ~mask


def _ribs(anatomy: Anatomy, rng: np.random.Generator) -> list[Shape]:
    canvas, build, cavity = anatomy.canvas, anatomy.build, anatomy.cavity
    pitch = _RIB_PITCH_MM * build.stretch
    number = (canvas.z - 0.45 * canvas.y) / np.float32(pitch) + np.float32(rng.random())
    anatomy.rib_number = np.broadcast_to(number, canvas.shape)
    across = np.abs(number - np.floor(number) - np.float32(0.5)) * np.float32(pitch) - 5.5
    rib = np.maximum(np.abs(cavity - 6) - 4, across)
    rib = np.maximum(rib, np.maximum(-canvas.z - 262 * build.stretch, canvas.z - 8))
    cartilage = (np.abs(canvas.x) < 0.42 * build.half_width) & (canvas.y < 0)
    coverage = canvas.soften(rib)
    bone = Shape((slice(None),) * 3, coverage * ~cartilage)
    canvas.paint(Shape(bone.box, coverage * cartilage), 105)
    canvas.paint(bone, rng.uniform(380, 480))
    canvas.paint(canvas.everywhere(np.where(cartilage, 99, rib + 3)), build.marrow + 60)
    return [bone]


def _sternum(anatomy: Anatomy) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    low, high = -175 * build.stretch, -22 * build.stretch
    box = canvas.box((-24, -130, low), (24, 0, high))
    z = canvas.z[box[0]]
    rise = np.clip(1 - z / (_CAVITY_BASE_MM * build.stretch), 0, 1)
    front = build.curve("centre", z) - 0.93 * build.half_depth * (1 - 0.25 * rise) * np.sqrt(1 - rise**5) - 6
    plate = np.maximum(np.abs(canvas.x[:, :, box[2]]) - 17, np.abs(canvas.y[:, box[1]] - front) - 6)
    plate = np.maximum(plate, np.maximum(low - z, z - high))
    shape = Shape(box, canvas.soften(plate))
    canvas.paint(shape, 380)
    canvas.paint(Shape(box, canvas.soften(plate + 3)), build.marrow + 20)
    return [shape]


def _shoulders(anatomy: Anatomy) -> list[Shape]:
    canvas, build = anatomy.canvas, anatomy.build
    shapes = []
    for sign in (-1, 1):
        path = [build.at(sign * 14, -46, -20), build.at(sign * 58, -34, -4), build.at(sign * 112, 6, 2)]
        shapes.append(canvas.tube(path, 5.5))
        tilt = sign * 0.75
        turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
        shapes.append(canvas.ellipsoid(build.at(sign * 106, 66, -55), (40, 4.5, 58), turn))
    for shape in shapes:
        canvas.paint(shape.within(anatomy.shapes["muscle"].coverage), 330)
    return shapes


def _spine(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Vertebral bodies with discs between them, and arches around the canal."""
    canvas, build = anatomy.canvas, anatomy.build
    pitch = _VERTEBRA_PITCH_MM * build.stretch
    low, high = float(canvas.z.min()), float(canvas.z.max())
    box = canvas.box((-42, -20, low), (42, 130, high))
    x, z = canvas.x[:, :, box[2]], canvas.z[box[0]]
    y = canvas.y[:, box[1]] - build.curve("spine", z)
    start = low - pitch * rng.random()
    along = np.abs((z - start) / pitch - np.floor((z - start) / pitch) - 0.5) * pitch
    body = np.maximum(radial_distance(x, y, np.float32(19), np.float32(15)), along - (pitch / 2 - 2.5))
    arch = np.maximum(np.abs(np.sqrt(x**2 + (y - 24) ** 2) - 11) - 2.5, along - 8)
    process = np.maximum(np.maximum(np.abs(x) - 3.5, np.abs(y - 44) - 10), along - 8)
    wings = np.maximum(np.maximum(np.abs(x) - 33, np.abs(y - 23) - 4), np.maximum(along - 6, 9 - np.abs(x)))
    bone = np.minimum(np.minimum(body, arch), np.minimum(process, wings))
    canvas.paint(Shape(box, canvas.soften(radial_distance(x, y, np.float32(19), np.float32(15)))), 75)
    canvas.paint(Shape(box, canvas.soften(np.sqrt(x**2 + (y - 24) ** 2) - 10)), 22)
    canvas.paint(Shape(box, canvas.soften(bone)), 340)
    canvas.paint(Shape(box, canvas.soften(body + 3)), build.marrow)
    heights = np.arange(start + pitch / 2, high, pitch)
    heights = heights[(heights > low + 8) & (heights < high - 8)]
    anatomy.points["vertebrae"] = np.array([[0, float(build.curve("spine", np.array(h))), h] for h in heights])
    return canvas.mask(Shape(box, canvas.soften(bone)))


def paint_breasts(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Two caps of fat with gland behind the nipple; sets the breast mask."""
    canvas, build = anatomy.canvas, anatomy.build
    free = 1 - anatomy.shapes["muscle"].coverage
    size, dense = rng.uniform(0.85, 1.15), rng.uniform(-40, 5)
    caps, centres = [], []
    for sign in (-1, 1):
        centre = build.at(sign * rng.uniform(60, 68), 0, rng.uniform(-125, -105))
        outwards = centre[0] / build.curve("body_width", centre[2])
        front = build.curve("body_depth", centre[2]) * np.sqrt(1 - outwards**2)
        centre[1] = build.curve("centre", centre[2]) - front + 14
        radii = np.array([50, 42, 50]) * size
        cap = canvas.ellipsoid(centre, radii)
        canvas.paint(cap.within(free), 10)
        canvas.paint(canvas.ellipsoid(centre, radii - 3).within(free), FAT_HU)
        for _ in range(5):
            offset = rng.uniform(-1, 1, 3) * (18, 8, 18) * size
            gland = canvas.ellipsoid(centre + offset - (0, 20 * size, 0), rng.uniform(6, 14, 3))
            canvas.paint(gland.within(free), dense + rng.uniform(-15, 15))
        caps.append(cap.within(free))
        centres.append(centre - (0, 18 * size, 0))
    anatomy.masks["breast"] = canvas.mask(*caps)
    anatomy.points["breast right"], anatomy.points["breast left"] = centres

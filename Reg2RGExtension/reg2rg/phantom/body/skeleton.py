"""The skeleton: ribs, sternum, clavicles, scapulae and spine."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy
from reg2rg.phantom.body.canvas import Shape
from reg2rg.phantom.body.physique import AVERAGE_HALF_DEPTH
from reg2rg.phantom.body.surfaces import LUNG_BASE_MM, oval
from reg2rg.segmentation.structures import VERTEBRA_LEVELS
from reg2rg.volumes.geometry import Box

RIB_PITCH_MM = 25.0
"""Vertical distance between neighboring ribs in the average body."""
RIB_SLOPE = 0.45
"""Descent of a rib from back to front, in mm per mm."""
RIB_DEPTH_MM = 4.5
"""Distance of a rib's center line from the inner surface of the chest wall, outward."""
VERTEBRA_PITCH_MM = 25.0
"""Vertical distance between neighboring vertebrae in the average body."""
DISC_MM = 4.4
"""Height of the disc between neighboring vertebral bodies."""
_VERTEBRA_WIDTH, _VERTEBRA_DEPTH = 19.0, 15.0
"""Half axes of a vertebral body in the axial plane, mm."""


def paint_skeleton(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint all bones; extend the bone mask and displace the lungs.

    Sets the landmarks "vertebrae" (centers of the vertebral bodies, (N, 3) in mm) and "rib phase".
    """
    parts = [
        _paint_ribs(anatomy, rng),
        _paint_sternum(anatomy),
        *_paint_shoulders(anatomy, rng),
        _paint_spine(anatomy, rng),
    ]
    anatomy.displace_lung(*parts)
    anatomy.add_to_region("bone", anatomy.canvas.mask(*parts))


def _add_vertebrae(anatomy: Anatomy, box: Box, numbers: np.ndarray, body: np.ndarray) -> None:
    """Store the vertebral bodies as structures; T2 is the vertebra at the height of the lung apices.

    Args:
        anatomy: the chest.
        box: part of the grid, slices (z, y, x).
        numbers: number of the vertebra at each height of the box, upward, (z,).
        body: whether a voxel of the box belongs to a vertebral body, boolean (z, y, x).
    """
    heights = anatomy.canvas.z[box[0]].ravel()
    second = numbers[int(np.abs(heights).argmin())]
    for number in np.unique(numbers):
        index = VERTEBRA_LEVELS.index("T2") + int(second - number)
        if 0 <= index < len(VERTEBRA_LEVELS):
            mask = np.zeros(anatomy.canvas.shape, bool)
            mask[box] = body & (numbers == number)[:, None, None]
            anatomy.structures[f"vertebrae_{VERTEBRA_LEVELS[index]}"] = mask


def _rib_number(anatomy: Anatomy, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the position in the sequence of ribs; the center line of each rib lies at a whole number plus one half."""
    pitch = np.float32(RIB_PITCH_MM * anatomy.physique.stretch)
    return (z - np.float32(RIB_SLOPE) * y) / pitch + np.float32(anatomy.landmarks["rib phase"][0])


def _paint_ribs(anatomy: Anatomy, rng: np.random.Generator) -> Shape:
    """Paint bands of the chest wall that slope down toward the front, where they end in cartilage; return the bone."""
    canvas, physique = anatomy.canvas, anatomy.physique
    anatomy.landmarks["rib phase"] = np.array([rng.random()])
    pitch = RIB_PITCH_MM * physique.stretch
    number = _rib_number(anatomy, canvas.y, canvas.z)
    across = np.abs(number - np.floor(number) - np.float32(0.5)) * np.float32(0.91 * pitch)
    deep = anatomy.cavity_distance - np.float32(RIB_DEPTH_MM)
    rib = np.sqrt((deep / np.float32(3.8)) ** 2 + (across / np.float32(5.8)) ** 2)
    rib = (rib - 1) * np.float32(4.2)
    ends = np.maximum(-canvas.z - 262 * physique.stretch, canvas.z - 8)
    rib = np.maximum(rib, ends)
    cartilage = (np.abs(canvas.x) < 0.45 * physique.half_width + 0.12 * (canvas.z + 150)) & (canvas.y < 0)
    coverage = canvas.coverage(rib)
    canvas.paint(canvas.whole_grid(coverage * cartilage), 95)
    bone = canvas.whole_grid(coverage * ~cartilage)
    canvas.paint(bone, rng.uniform(480, 750))
    canvas.paint(canvas.whole_grid(canvas.coverage(rib + 2) * ~cartilage), physique.marrow_hu + 40)
    return bone


def _paint_sternum(anatomy: Anatomy) -> Shape:
    """Paint the sternum and return it."""
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    low, high = -175 * physique.stretch, -22 * physique.stretch
    box = canvas.box((-26, -140, low), (26, 0, high))
    x, y, z = canvas.voxel_centers(box)
    rise = np.clip(1 - z / (LUNG_BASE_MM * physique.stretch), 0, 1)
    front = surfaces.curve("center", z) - 0.9 * physique.half_depth * (1 - 0.18 * rise**1.5) * np.sqrt(1 - rise**6) - 9
    width = 17 + 9 * np.clip((z + 60 * physique.stretch) / 40, 0, 1)
    plate = np.maximum(np.abs(x) - width, np.abs(y - front) - 5.5)
    plate = np.maximum(plate, np.maximum(low - z, z - high))
    shape = Shape(box, canvas.coverage(plate))
    canvas.paint(shape, 420)
    canvas.paint(Shape(box, canvas.coverage(plate + 2)), physique.marrow_hu + 10)
    return shape


def _paint_shoulders(anatomy: Anatomy, rng: np.random.Generator) -> list[Shape]:
    """Paint clavicles and scapulae and return them; raised arms rotate scapulae outward and clavicles upward."""
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    lift = 16 if physique.arms_up else 0
    out = float(surfaces.curve("width", -50.0))
    shapes = []
    for sign in (-1, 1):
        path = physique.path((sign * 16, -46, -22), (sign * 60, -30, -2 + lift / 2), (sign * 104, 4, 6 + lift))
        clavicle = canvas.tube(path, [7, 5, 6])
        canvas.paint(clavicle, 500)
        canvas.paint(canvas.tube(path, [5, 3, 4]), physique.marrow_hu + 60)
        tilt = sign * (0.95 if physique.arms_up else 0.7)
        axes = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
        across = sign * (0.5 * out + 0.42 * physique.half_width)
        center = np.array([across, 58 * physique.half_depth / AVERAGE_HALF_DEPTH, -62 * physique.stretch])
        blade = canvas.ellipsoid(center + rng.uniform(-3, 3, 3), (42, 3.6, 62), axes)
        spine = canvas.tube([center + (-sign * 20, 20, 22), center + (sign * 24, -6, 42)], [4, 7])
        head = canvas.ellipsoid(center + (sign * 34, -34, 60), (20, 20, 20))
        for shape in (blade, spine, head):
            canvas.paint(shape.within(anatomy.shapes["muscle"].coverage), 420)
        shapes += [clavicle, *(s.within(anatomy.shapes["muscle"].coverage) for s in (blade, spine, head))]
    return shapes


def _paint_spine(anatomy: Anatomy, rng: np.random.Generator) -> Shape:
    """Paint vertebral bodies, the discs between them and the arches around the canal; return the bone."""
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    pitch = VERTEBRA_PITCH_MM * physique.stretch
    start = pitch * (rng.random() - 20)
    box = canvas.box((-42, -20, canvas.z[0, 0, 0]), (42, 140, canvas.z[-1, 0, 0]))
    x, y, z = canvas.voxel_centers(box)
    y = y - surfaces.curve("spine", z)
    along = np.abs((z - start) / pitch - np.floor((z - start) / pitch) - 0.5) * pitch
    column = oval(x, y, np.float32(_VERTEBRA_WIDTH), np.float32(_VERTEBRA_DEPTH))
    body = np.maximum(column, along - (pitch / 2 - DISC_MM / 2))
    arch = np.maximum(np.abs(np.sqrt(x**2 + (y - 24) ** 2) - 11) - 2.5, along - 8)
    process = np.maximum(np.maximum(np.abs(x) - 3.5, np.abs(y - 44) - 12), along - 8)
    wings = np.abs(y - 20 - 0.35 * (np.abs(x) - 9)) - 4.5
    wings = np.maximum(np.maximum(np.abs(x) - 33, wings), np.maximum(along - 6, 9 - np.abs(x)))
    bone = np.minimum(np.minimum(body, arch), np.minimum(process, wings))
    muscle = anatomy.shapes["muscle"].coverage[box]
    canvas.paint(Shape(box, canvas.coverage(column)), 75)
    canvas.paint(Shape(box, canvas.coverage(np.sqrt(x**2 + (y - 24) ** 2) - 10)), 25)
    shape = Shape(box, canvas.coverage(bone) * muscle)
    canvas.paint(shape, 420)
    with_marrow = np.minimum(body, np.minimum(process, wings))
    canvas.paint(Shape(box, canvas.coverage(with_marrow + 2) * muscle), physique.marrow_hu)
    _add_vertebrae(anatomy, box, np.floor((z - start) / pitch).ravel(), canvas.coverage(body) * muscle >= 0.5)
    heights = start + pitch * (np.arange(40) + 0.5)
    anatomy.landmarks["vertebrae"] = np.stack([0 * heights, surfaces.curve("spine", heights), heights], axis=1)
    return shape

"""The heart: pericardium, myocardium, chambers, and the coronary arteries in their grooves."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy
from reg2rg.phantom.body.canvas import Shape, relative_box
from reg2rg.phantom.body.physique import AVERAGE_HALF_WIDTH

_AXES = np.array([[0.80, -0.36, -0.48], [0.41, 0.91, 0.0], [0.44, -0.20, 0.88]])
"""Unit axes (x, y, z) of the heart, one per row: toward the apex, toward the back and left, and upward."""
_VENTRICLE_RADII = np.array([58.0, 44.0, 46.0])
_ATRIA_RADII = np.array([34.0, 42.0, 43.0])
"""Half axes (mm) of the two ellipsoids the heart consists of."""
_ATRIA_OFFSET_MM = 32.0
"""How far behind the center of the ventricles the atria lie, along the first axis."""
_FLUID_MIN_HU = -40
"""A pericardial layer denser than this is fluid; otherwise it is fat."""


def _heart_scale(anatomy: Anatomy) -> float:
    """Return the size of the heart relative to the average body."""
    return anatomy.physique.heart_scale * anatomy.physique.half_width / AVERAGE_HALF_WIDTH


def _ellipsoids(anatomy: Anatomy, layer_mm: float = 0.0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return center and half axes (mm) of ventricles and atria, enlarged by a layer."""
    center, scale = anatomy.surfaces.heart_center, _heart_scale(anatomy)
    base = center + scale * (_ATRIA_OFFSET_MM * -_AXES[0] + 4 * _AXES[2])
    return [(center, scale * _VENTRICLE_RADII + layer_mm), (base, scale * _ATRIA_RADII + layer_mm)]


def heart_distance(anatomy: Anatomy, points: np.ndarray) -> np.ndarray:
    """Return the signed distance to the surface of the heart, accurate to first order.

    Args:
        anatomy: the chest.
        points: (N, 3) in mm.

    Returns:
        (N,) in mm, negative inside.
    """
    distances = []
    for center, radii in _ellipsoids(anatomy):
        rho = np.linalg.norm((points - center) @ _AXES.T / radii, axis=1)
        distances.append((rho - 1) * radii.min())
    return np.minimum(*distances)


def paint_heart(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the heart; set its mask (everything within the pericardium) and extend the mediastinum.

    Sets the shapes "heart" (without pericardium) and "pericardium", and the landmarks of the coronary arteries.
    """
    canvas, physique = anatomy.canvas, anatomy.physique
    layer_mm, layer_hu = physique.pericardium
    is_fluid = layer_hu > _FLUID_MIN_HU
    pericardium = _heart_shape(anatomy, layer_mm + (3 if is_fluid else 0))
    heart = _heart_shape(anatomy, 0)
    anatomy.displace_lung(pericardium)
    canvas.paint(pericardium, -90)
    if is_fluid:
        pericardium = _heart_shape(anatomy, layer_mm)
        canvas.paint(pericardium, layer_hu)
    canvas.paint(heart, physique.muscle_hu + 0.35 * max(physique.blood_hu - 50, 0))
    _paint_chambers(anatomy, heart)
    anatomy.shapes["pericardium"], anatomy.shapes["heart"] = pericardium, heart
    anatomy.masks["heart"] = canvas.mask(pericardium)
    anatomy.add_to_region("mediastinum", anatomy.masks["heart"] & (canvas.z > anatomy.diaphragm_height))
    _paint_coronary_arteries(anatomy, rng)


def _heart_shape(anatomy: Anatomy, layer_mm: float) -> Shape:
    """Return the union of ventricles and atria above the diaphragm and inside the chest, enlarged by a layer."""
    canvas = anatomy.canvas
    parts = [canvas.ellipsoid(center, radii, _AXES) for center, radii in _ellipsoids(anatomy, layer_mm)]
    spans = zip(*(part.box for part in parts), strict=True)
    zs, ys, xs = (slice(min(s.start for s in span), max(s.stop for s in span)) for span in spans)
    box = (zs, ys, xs)
    coverage = np.zeros([s.stop - s.start for s in box], np.float32)
    for part in parts:
        inner = coverage[relative_box(part.box, box)]
        np.maximum(inner, part.coverage, out=inner)
    bottom = anatomy.diaphragm_height[:, ys, xs] - 10
    coverage *= canvas.coverage(bottom - canvas.z[zs], canvas.spacing[2])
    coverage *= canvas.coverage(anatomy.cavity_distance[box] + 2)
    return Shape(box, coverage)


def _paint_chambers(anatomy: Anatomy, heart: Shape) -> None:
    """Paint blood into the left and right ventricle and the left and right atrium."""
    canvas, physique, scale = anatomy.canvas, anatomy.physique, _heart_scale(anatomy)
    u, v, w = _AXES * scale
    center = anatomy.surfaces.heart_center
    heart_coverage = np.zeros(canvas.shape, np.float32)
    heart_coverage[heart.box] = heart.coverage
    for offset, size in (
        (18 * u + 11 * v - 2 * w, (30, 18, 19)),
        (12 * u - 17 * v - 4 * w, (32, 15, 24)),
        (-36 * u + 17 * v + 14 * w, (22, 17, 20)),
        (-40 * u - 10 * v - 4 * w, (20, 20, 26)),
    ):
        chamber = canvas.ellipsoid(center + offset, np.array(size) * scale, _AXES)
        canvas.paint(chamber.within(heart_coverage), physique.blood_hu)


def _paint_coronary_arteries(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint three arteries on the ventricles, in the fat of their grooves; set their paths "coronary <name>"."""
    canvas, physique = anatomy.canvas, anatomy.physique
    center, radii = _ellipsoids(anatomy, 1.5)[0]

    def on_heart(angles: np.ndarray, turns: np.ndarray) -> np.ndarray:
        local = np.stack([np.cos(angles), np.sin(angles) * np.sin(turns), np.sin(angles) * np.cos(turns)], axis=1)
        return center + (radii * local) @ _AXES

    steps = np.linspace(0, 1, 9)
    wobble = rng.uniform(-0.12, 0.12, 6)
    paths = {
        "anterior": on_heart(1.75 - 1.15 * steps, -0.75 + wobble[0] - 0.35 * steps),
        "circumflex": on_heart(1.72 + wobble[1] - 0.1 * steps, -0.45 + wobble[2] + 2.2 * steps),
        "right": on_heart(1.65 + wobble[3] + 0.1 * steps, -1.35 + wobble[4] - 1.6 * steps),
    }
    for name, path in paths.items():
        groove = canvas.tube(path, 5.0)
        canvas.paint(groove.times(0.7), -85)
        canvas.paint(canvas.tube(path, 1.9), physique.blood_hu)
        anatomy.landmarks[f"coronary {name}"] = path

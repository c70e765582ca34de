"""The heart: pericardium, muscle, chambers and the coronary arteries in their grooves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.body.canvas import Shape

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy

HEART_AXES = np.array([[0.80, -0.36, -0.48], [0.41, 0.91, 0.0], [0.44, -0.20, 0.88]])
"""Unit axes of the ventricles: towards the apex, to the back and left, upwards."""
_VENTRICLES = np.array([58.0, 44.0, 46.0])
_ATRIA = np.array([34.0, 42.0, 43.0])
_ATRIA_BEHIND = 32.0
"""Half axes of the two ellipsoids the heart is made of, and how far the atria lie from the ventricles' centre, mm."""


def heart_scale(anatomy: Anatomy) -> float:
    """The heart's size relative to _VENTRICLES."""
    return anatomy.build.heart_scale * anatomy.build.half_width / 126


def heart_parts(anatomy: Anatomy, thicker: float = 0.0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Centre and half axes of the ellipsoids that make the heart, optionally with a layer around."""
    centre, scale = anatomy.surfaces.heart_centre, heart_scale(anatomy)
    base = centre + scale * (_ATRIA_BEHIND * -HEART_AXES[0] + 4 * HEART_AXES[2])
    return [(centre, scale * _VENTRICLES + thicker), (base, scale * _ATRIA + thicker)]


def heart_distance(anatomy: Anatomy, points: np.ndarray) -> np.ndarray:
    """Distance of points (N, 3) to the heart's muscle, mm, negative inside; first order."""
    distances = []
    for centre, radii in heart_parts(anatomy):
        rho = np.linalg.norm((points - centre) @ HEART_AXES.T / radii, axis=1)
        distances.append((rho - 1) * radii.min())
    return np.minimum(*distances)


def paint_heart(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Sets the heart mask: all within the pericardium."""
    canvas, build = anatomy.canvas, anatomy.build
    thickness, layer = build.pericardium
    fluid = layer > -40
    sac = _heart(anatomy, thickness + (3 if fluid else 0))
    inner = _heart(anatomy, 0)
    anatomy.displace_lung(sac)
    canvas.paint(sac, -90)
    if fluid:
        layer_shape = _heart(anatomy, thickness)
        canvas.paint(layer_shape, layer)
        sac = layer_shape
    canvas.paint(inner, build.muscle + 0.35 * max(build.blood - 50, 0))
    _chambers(anatomy, inner)
    anatomy.shapes["pericardium"], anatomy.shapes["heart"] = sac, inner
    anatomy.masks["heart"] = canvas.mask(sac)
    anatomy.masks["mediastinum"] |= anatomy.masks["heart"] & (canvas.z > anatomy.diaphragm)
    _coronaries(anatomy, rng)


def _heart(anatomy: Anatomy, thicker: float) -> Shape:
    """The union of the heart's parts above the diaphragm and within the chest."""
    canvas = anatomy.canvas
    parts = [canvas.ellipsoid(centre, radii, HEART_AXES) for centre, radii in heart_parts(anatomy, thicker)]
    box = tuple(slice(min(p.box[axis].start for p in parts), max(p.box[axis].stop for p in parts)) for axis in range(3))
    coverage = np.zeros([s.stop - s.start for s in box], np.float32)
    for part in parts:
        inner = coverage[tuple(slice(p.start - b.start, p.stop - b.start) for p, b in zip(part.box, box, strict=True))]
        np.maximum(inner, part.coverage, out=inner)
    z = canvas.z[box[0]]
    bottom = anatomy.diaphragm[:, box[1], box[2]] - 10
    coverage *= canvas.soften(bottom - z, canvas.spacing[2])
    coverage *= canvas.soften(anatomy.cavity[box] + 2)
    return Shape(box, coverage)


def _chambers(anatomy: Anatomy, inner: Shape) -> None:
    canvas, build, scale = anatomy.canvas, anatomy.build, heart_scale(anatomy)
    u, v, w = HEART_AXES * scale
    centre = anatomy.surfaces.heart_centre
    whole = np.zeros(canvas.shape, np.float32)
    whole[inner.box] = inner.coverage
    for offset, size in (
        (18 * u + 11 * v - 2 * w, (30, 18, 19)),
        (12 * u - 17 * v - 4 * w, (32, 15, 24)),
        (-36 * u + 17 * v + 14 * w, (22, 17, 20)),
        (-40 * u - 10 * v - 4 * w, (20, 20, 26)),
    ):
        chamber = canvas.ellipsoid(centre + offset, np.array(size) * scale, HEART_AXES)
        canvas.paint(chamber.within(whole), build.blood)


def _coronaries(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Three arteries on the ventricles, in the fat of the grooves; sets their paths."""
    canvas, build = anatomy.canvas, anatomy.build
    centre, radii = heart_parts(anatomy, 1.5)[0]

    def on_heart(angles: np.ndarray, turns: np.ndarray) -> np.ndarray:
        local = np.stack([np.cos(angles), np.sin(angles) * np.sin(turns), np.sin(angles) * np.cos(turns)], axis=1)
        return centre + (radii * local) @ HEART_AXES

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
        canvas.paint(canvas.tube(path, 1.9), build.blood)
        anatomy.points[f"coronary {name}"] = path

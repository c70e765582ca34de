"""Ways in which findings change the image."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy, Canvas, Shape
from reg2rg.phantom.body.fields import random_field


def paint(anatomy: Anatomy, *shapes: Shape, hu: float) -> np.ndarray:
    """Paint shapes; return the voxels they took."""
    for shape in shapes:
        anatomy.canvas.paint(shape, hu)
    return anatomy.canvas.spot(*shapes)


def replace_lung(anatomy: Anatomy, coverage: np.ndarray, hu: float) -> None:
    """Put something of this HU where lung is, in each voxel as much as ``coverage`` says of the lung's share."""
    canvas, lung = anatomy.canvas, anatomy.lung
    # At the lung's edge voxels are mixed with the chest wall, which stays.
    before = np.where(lung > 0.9, canvas.hu, np.float32(anatomy.build.lung))
    canvas.hu += coverage * lung * (np.float32(hu) - before)


def take_from_lung(anatomy: Anatomy, coverage: np.ndarray) -> None:
    """What a coverage says is lung no longer."""
    anatomy.lung = anatomy.lung * (1 - coverage)


def lump(canvas: Canvas, centre: np.ndarray, size_mm: float, rng: np.random.Generator, flat: float = 0.8) -> Shape:
    """An ellipsoid in a random position with this longest diameter; the others are from ``flat`` times that."""
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    radii = size_mm / 2 * np.array([1.0, *rng.uniform(flat, 1.0, 2)])
    return canvas.ellipsoid(centre, radii, axes)


def cloud(canvas: Canvas, centre: np.ndarray, radii: np.ndarray, rng: np.random.Generator, soft: float) -> Shape:
    """A patch with an irregular outline that fades over about this share of its half axes."""
    box = canvas.box(centre - 1.5 * radii, centre + 1.5 * radii)
    axes = canvas.axes(box)
    rho = np.sqrt(sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, centre, radii.tolist(), strict=True)))
    ragged = 1 - rho + np.float32(0.16) * random_field(axes, float(0.7 * radii.mean()), rng)
    return Shape(box, np.clip(ragged / np.float32(soft) + np.float32(0.5), 0, 1))

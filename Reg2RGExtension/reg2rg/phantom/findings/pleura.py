"""Findings of the pleura: fluid, air and thickening."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.body.surfaces import BASE_MM
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.painting import replace_lung, take_from_lung

_AIR_MM = {"small": 14.0, "moderate": 24.0, "large": 40.0}
Field = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def effusion(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Lying on the back, fluid fills the chest from behind and from below; its size is its depth there."""
    surfaces, build, size = anatomy.surfaces, anatomy.build, finding.size_mm
    top = BASE_MM * build.stretch + 75 + 2.2 * size

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        back = surfaces.back(z)
        depth = size * np.sqrt(np.clip((top - z) / 50, 0, 1))
        meniscus = 0.0016 * np.maximum(np.abs(x) - 0.6 * build.half_width, 0) ** 2
        return np.maximum(back - depth - meniscus - y, (z - top) * 0.7)

    return _fill(anatomy, finding, distance, rng.uniform(0, 22))


def pneumothorax(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Lying on the back, air collects in front and at the apex; the lung behind it is a little denser."""
    surfaces = anatomy.surfaces
    depth = _AIR_MM[finding.severity or "moderate"] * rng.uniform(0.85, 1.15)

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        in_front = y - (surfaces.front(z) + depth)
        rim = -surfaces.cavity(x, y, z) - 0.35 * depth
        return np.minimum(in_front, np.maximum(rim, y - 25))

    mask = _fill(anatomy, finding, distance, -1000)
    side = _half(anatomy, finding.side)
    anatomy.canvas.hu += (2.0 * depth) * (anatomy.lung * side) * (anatomy.canvas.hu < -500)
    return mask


def thickening(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """A plaque on the chest wall, sometimes calcified."""
    surfaces, build = anatomy.surfaces, anatomy.build
    centre = build.at(0, rng.uniform(-10, 50), rng.uniform(-185, -80))
    spread = rng.uniform((28, 34), (45, 60))

    def distance(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        bump = np.exp(-(((y - centre[1]) / spread[0]) ** 2)) * np.exp(-(((z - centre[2]) / spread[1]) ** 2))
        lateral = np.clip((np.abs(x) - 0.3 * build.half_width) / 20, 0, 1)
        return -surfaces.cavity(x, y, z) - finding.size_mm * np.minimum(1.2 * bump, 1) * lateral

    return _fill(anatomy, finding, distance, rng.choice([35, 55, 220]))


def _half(anatomy: Anatomy, side: str) -> np.ndarray:
    x = anatomy.canvas.x
    return np.ones_like(x, bool) if side == "both" else (x > 0) if side == "left" else (x <= 0)


def _fill(anatomy: Anatomy, finding: Finding, distance: Field, hu: float) -> np.ndarray:
    """Put fluid, air or tissue into the pleural space where the distance is negative; the lung gives way."""
    canvas = anatomy.canvas
    coverage = canvas.soften(distance(canvas.x, canvas.y, canvas.z).astype(np.float32))
    coverage = coverage * _half(anatomy, finding.side)
    taken = coverage * anatomy.lung
    mask = taken >= min(0.5, 0.6 * float(taken.max()))
    replace_lung(anatomy, coverage, hu)
    take_from_lung(anatomy, coverage)
    anatomy.pleura |= mask
    sign = {"left": 1, "right": -1}.get(finding.side)
    anatomy.filled.append(
        distance if sign is None else lambda x, y, z: np.maximum(distance(x, y, z), -sign * np.asarray(x))
    )
    return mask & (taken > 0)

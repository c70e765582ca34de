"""Findings of the pleura, painted into a real scan."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from reg2rg.phantom.body import random_field
from reg2rg.phantom.findings import PlantedFinding
from reg2rg.planting.site import AIR_HU, Site

_PNEUMOTHORAX_MM = {"small": 14.0, "moderate": 24.0, "large": 40.0}
"""Depth of the air in front of the lung."""
_PLEURA_MM = 1.5
"""Distance of the visible pleural line from the air in front of it."""
_EDGE_MM = 2.0
"""Width of the soft edge between lung and what fills the pleural space."""


def effusion(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint fluid, which collects at the back and the base in a supine patient; its size is its depth there."""
    size_mm = finding.measured_mm
    top = min(0.95, 0.35 + size_mm / 110 + rng.uniform(-0.05, 0.1))
    layers = {}
    for side in finding.sides:
        thickness = size_mm * np.sqrt(np.clip((top - site.lung_places[side].height) / 0.25, 0, 1))
        layers[side] = thickness - _from_back(site, side)
    return _fill(site, layers, float(rng.uniform(0, 22)), rng)


def pneumothorax(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint air, which collects in front and at the apex in a supine patient; the lung behind it is slightly denser."""
    side = finding.lateral_side
    depth = _PNEUMOTHORAX_MM[finding.severity or "moderate"] * rng.uniform(0.85, 1.15)
    in_front = depth - _from_back(site, side, front=True)
    at_apex = 0.7 * depth * np.clip((site.lung_places[side].height - 0.75) / 0.15, 0, 1) - site.lung_depths[side]
    layer = np.maximum(in_front, at_apex)
    mask = _fill(site, {side: layer}, float(rng.uniform(-1000, -985)), rng)
    if mask is not None:
        remaining = gaussian_filter(site.lungs[side].astype(np.float32), 0.7) * (site.canvas.hu < -400)
        line = np.exp(-(((layer + _PLEURA_MM) / _PLEURA_MM) ** 2))
        site.canvas.hu += remaining * (2.0 * depth + 260 * line).astype(np.float32)
    return mask


def pleural_thickening(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint a plaque on the chest wall, sometimes calcified."""
    spread, layers = rng.uniform((22, 25), (45, 60)), {}
    for side in finding.sides:
        depth, lateral = site.lung_depths[side], _lateral(site, side)
        center = site.point((depth > 0) & (depth < 4) & (lateral > 0.9), rng)
        if center is not None:
            y, z = (site.canvas.y - center[1]) / spread[0], (site.canvas.z - center[2]) / spread[1]
            bump = np.minimum(1.3 * np.exp(-(y**2) - z**2), 1) * lateral
            layers[side] = np.where(bump > 0.1, finding.measured_mm * bump, -np.inf) - depth
    return _fill(site, layers, float(rng.choice([35.0, 55.0, 220.0])), rng)


def _from_back(site: Site, side: str, *, front: bool = False) -> np.ndarray:
    """Return the distance of each voxel from the back (or the front) of the lung in its column, in mm, (z, y, x).

    The distance is infinite in columns without lung.
    """
    lung = site.lungs[side]
    turned = lung if front else lung[:, ::-1]
    edge = turned.argmax(axis=1).astype(np.float32)
    edge = edge if front else lung.shape[1] - 1 - edge
    edge = np.where(lung.any(axis=1), edge, np.nan)
    rows = np.arange(lung.shape[1], dtype=np.float32)[None, :, None]
    distance = (rows - edge[:, None]) * (site.spacing[1] if front else -site.spacing[1])
    return np.where(np.isnan(distance), np.inf, distance)


def _fill(site: Site, layers: Mapping[str, np.ndarray], hu: float, rng: np.random.Generator) -> np.ndarray | None:
    """Replace a layer of the lungs, which is no longer lung afterwards.

    Args:
        site: the scan.
        layers: side -> depth in mm below the surface of the layer, negative outside it, (z, y, x).
        hu: density of the layer.
        rng: source of the noise.

    Returns:
        The mask (z, y, x), or None if there is no lung to replace.
    """
    mask = np.zeros(site.canvas.shape, bool)
    for side, inside in layers.items():
        waves = 2.0 * random_field((site.canvas.x, site.canvas.y, site.canvas.z), 50.0, rng)
        coverage = np.clip((inside + waves) / _EDGE_MM + 0.5, 0, 1) * (inside > -3 * _EDGE_MM)
        if hu > AIR_HU:
            near = binary_dilation(site.lungs[side], iterations=2)
            shape = site.paint_in_lung(site.whole((coverage * near).astype(np.float32)), side, hu, rng)
        else:
            lung = gaussian_filter(site.lungs[side].astype(np.float32), 0.7)
            shape = site.whole((coverage * lung).astype(np.float32))
            site.paint(shape, hu, rng)
        mask[shape.box] |= shape.coverage >= 0.5
        site.lungs[side] = site.lungs[side] & ~mask
    return mask if mask.any() else None


def _lateral(site: Site, side: str) -> np.ndarray:
    """Return how far a column lies in the outer half of a lung's extent, 0 to 1, (1, 1, x)."""
    columns = np.flatnonzero(site.lungs[side].any(axis=(0, 1)))
    if not columns.size:
        return np.zeros((1, 1, site.canvas.shape[2]))
    outward = np.arange(site.canvas.shape[2]) - (columns[0] + columns[-1]) / 2
    outward = outward if side == "left" else -outward
    return np.clip(outward * site.spacing[2] / 20, 0, 1)[None, None, :]

"""Mediastinal fat, the lungs with their lobes' fissures, and the mask of the mediastinum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy

MEDIASTINAL_FAT_HU = -90
_FISSURE_MM = 0.8


def paint_lungs(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Air-filled lung on both sides of the mediastinum, above the two domes of the diaphragm."""
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    x, y, z = canvas.x, canvas.y, canvas.z
    middle = surfaces.mediastinum(x, y, z)
    chest = canvas.soften(anatomy.cavity)
    chest = np.minimum(chest, canvas.soften(anatomy.diaphragm - z, canvas.spacing[2]), out=chest)
    between = np.maximum(middle, np.abs(x) - np.float32(62))
    canvas.paint(canvas.whole(chest), MEDIASTINAL_FAT_HU)
    anatomy.lung = np.minimum(chest, canvas.soften(-middle))
    canvas.paint(canvas.whole(anatomy.lung), build.lung + _texture(anatomy, rng))
    _fissures(anatomy)
    neck = np.maximum(np.maximum(np.abs(x) - 38, anatomy.cavity - 4), z)
    spine = surfaces.spine(x, y, z) > 0
    inside = (np.maximum(neck, anatomy.diaphragm - z) < 0) & (between < 0)
    anatomy.masks["mediastinum"] = inside & spine & (anatomy.lung < 0.5)


def _texture(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Lung density: denser towards the back, where blood collects, and slowly varying."""
    canvas = anatomy.canvas
    texture = np.float32(rng.uniform(0.2, 0.5)) * canvas.y
    for pitch in (0.03, 0.08, 0.2, 0.35):
        waves = [
            np.sin(axis * np.float32(rng.uniform(0.7, 1.5) * pitch) + np.float32(rng.uniform(0, 6.28)))
            for axis in (canvas.x, canvas.y, canvas.z)
        ]
        texture = texture + np.float32(14) * (waves[0] * waves[1]) * waves[2]
    return texture


def _fissures(anatomy: Anatomy) -> None:
    """Sheets thinner than a voxel, as dense as soft tissue."""
    canvas, surfaces = anatomy.canvas, anatomy.surfaces
    x, y, z = canvas.x, canvas.y, canvas.z
    right = canvas.x[0, 0] < 0
    columns = int(right.sum())
    for side, part in (("right", slice(0, columns)), ("left", slice(columns, None))):
        distance = surfaces.oblique(x[..., part], y, z, side)
        sheet = _sheet(distance, float(np.hypot(0.8 * canvas.spacing[1], 0.6 * canvas.spacing[2])))
        if side == "right":
            minor = _sheet(surfaces.horizontal(x[..., part], y, z), canvas.spacing[2]) * (distance > 0)
            sheet = np.maximum(sheet, minor)
        target = canvas.hu[..., part]
        target += sheet * anatomy.lung[..., part] * (0 - target)


def _sheet(distance: np.ndarray, width: float) -> np.ndarray:
    """Coverage by a thin sheet of voxels of this extent across it."""
    return np.float32(_FISSURE_MM / width) * np.clip(1 - np.abs(distance) * np.float32(1 / width), 0, 1)

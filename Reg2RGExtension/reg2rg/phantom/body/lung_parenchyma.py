"""The air-filled lungs with the fissures between their lobes, and the mediastinal fat between the lungs."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy

MEDIASTINAL_FAT_HU = -90
_FISSURE_MM = 0.4


def paint_lung_parenchyma(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the lungs on both sides of the mediastinum, above the domes of the diaphragm.

    Sets the lung coverage and the mask of the mediastinum.
    """
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    x, y, z = canvas.x, canvas.y, canvas.z
    middle = surfaces.mediastinum(x, y, z)
    chest = canvas.coverage(anatomy.cavity_distance)
    chest = np.minimum(chest, canvas.coverage(anatomy.diaphragm_height - z, canvas.spacing[2]), out=chest)
    between = np.maximum(middle, np.abs(x) - np.float32(62))
    canvas.paint(canvas.whole_grid(chest), MEDIASTINAL_FAT_HU)
    anatomy.lung_coverage = np.minimum(chest, canvas.coverage(-middle))
    canvas.paint(canvas.whole_grid(anatomy.lung_coverage), physique.lung_hu + _texture(anatomy, rng))
    _paint_fissures(anatomy)
    neck = np.maximum(np.maximum(np.abs(x) - 38, anatomy.cavity_distance - 4), z)
    spine = surfaces.spine(x, y, z) > 0
    inside = (np.maximum(neck, anatomy.diaphragm_height - z) < 0) & (between < 0)
    anatomy.masks["mediastinum"] = inside & spine & (anatomy.lung_coverage < 0.5)


def _texture(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Return a slowly varying offset (HU), higher toward the back, where blood collects in the supine patient."""
    canvas = anatomy.canvas
    texture = np.float32(rng.uniform(0.2, 0.5)) * canvas.y
    for pitch in (0.03, 0.08, 0.2, 0.35):
        waves = [
            np.sin(axis * np.float32(rng.uniform(0.7, 1.5) * pitch) + np.float32(rng.uniform(0, 6.28)))
            for axis in (canvas.x, canvas.y, canvas.z)
        ]
        texture = texture + np.float32(14) * (waves[0] * waves[1]) * waves[2]
    return texture


def _paint_fissures(anatomy: Anatomy) -> None:
    """Paint the fissures as sheets of soft tissue thinner than a voxel."""
    canvas, surfaces = anatomy.canvas, anatomy.surfaces
    x, y, z = canvas.x, canvas.y, canvas.z
    right = canvas.x[0, 0] < 0
    columns = int(right.sum())
    for side, part in (("right", slice(0, columns)), ("left", slice(columns, None))):
        distance = surfaces.oblique_fissure(x[..., part], y, z, side)
        sheet = _sheet(distance, float(np.hypot(0.8 * canvas.spacing[1], 0.6 * canvas.spacing[2])))
        if side == "right":
            minor = _sheet(surfaces.horizontal_fissure(x[..., part], y, z), canvas.spacing[2]) * (distance > 0)
            sheet = np.maximum(sheet, minor)
        target = canvas.hu[..., part]
        target += sheet * anatomy.lung_coverage[..., part] * (0 - target)


def _sheet(distance: np.ndarray, width: float) -> np.ndarray:
    """Return the coverage by a thin sheet, given the distance from it and the voxel's width across it, both in mm."""
    return np.float32(_FISSURE_MM / width) * np.clip(1 - np.abs(distance) * np.float32(1 / width), 0, 1)

"""The true values of what is measured in a phantom, from the body as it is before it is scanned."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.body.central_airways import AIRWAY_WALL_MM
from reg2rg.phantom.body.skeleton import DISC_MM, VERTEBRA_PITCH_MM
from reg2rg.phantom.findings.planted_finding import PlantedFinding

LOW_ATTENUATION_HU = -950
CALCIUM_HU = 130


def known_values(anatomy: Anatomy, findings: Sequence[PlantedFinding], bits: np.ndarray) -> dict[str, float]:
    """Return the true values of measures, by the ID of the measure; "_right" and "_left" follow for each side.

    Args:
        anatomy: the painted chest.
        findings: the planted findings.
        bits: uint32 (z, y, x); bit i is set in the voxels of finding i.
    """
    physique, landmarks = anatomy.physique, anatomy.landmarks
    trachea = 2 * (float(landmarks["trachea radius"][0]) - AIRWAY_WALL_MM)
    height = VERTEBRA_PITCH_MM * physique.stretch - DISC_MM
    z = landmarks["trachea"][-1][2] - 20.0  # where the aorta is measured
    path, radii = landmarks["aorta"], landmarks["aorta radii"]
    rising, falling = slice(0, 3), slice(5, None)
    voxel_ml = float(np.prod(anatomy.canvas.spacing)) / 1000
    left = np.broadcast_to(anatomy.canvas.x > 0, anatomy.lung_coverage.shape)
    hu, lungs = anatomy.canvas.hu, anatomy.aerated_lung & ~anatomy.masks["trachea and bronchie"]
    pericardial = _planted("Pericardial effusion", findings, bits)
    values = {
        "lung_volume_right": float(anatomy.lung_coverage[~left].sum()) * voxel_ml,
        "lung_volume_left": float(anatomy.lung_coverage[left].sum()) * voxel_ml,
        "low_attenuation": 100 * float((hu[lungs] <= LOW_ATTENUATION_HU).mean()),
        "cardiothoracic_ratio": _width(anatomy.masks["heart"] & ~pericardial) / _width(anatomy.cavity_distance < 0),
        "heart_calcium_volume": float((hu[anatomy.masks["heart"]] >= CALCIUM_HU).sum()) * voxel_ml * 1000,
        "ascending_aorta": 2 * float(np.interp(z, path[rising, 2], radii[rising])),
        "descending_aorta": 2 * float(np.interp(z, path[falling, 2][::-1], radii[falling][::-1])),
        "liver_hu": physique.liver_hu,
        "spleen_hu": physique.spleen_hu,
        "vertebra_hu_mean": physique.marrow_hu,
        "vertebra_height": height,
        "trachea_coronal": trachea,
        "trachea_sagittal": trachea,
        "pulmonary_artery": 2 * _widest_radius(landmarks),
    }
    fluid = anatomy.pleural_coverage.get("Pleural effusion", np.zeros((1, 1, 1), np.float32))
    for side, half in (("right", fluid * (anatomy.canvas.x <= 0)), ("left", fluid * (anatomy.canvas.x > 0))):
        values[f"effusion_volume_{side}"] = float(half.sum()) * voxel_ml
        if half.any() and (hemithorax_mm := _hemithorax_depth(anatomy, side)):
            depth_mm = float(half.sum(axis=1).max()) * anatomy.canvas.spacing[1]
            values[f"effusion_depth_{side}"] = 100 * depth_mm / hemithorax_mm
    return values


def _hemithorax_depth(anatomy: Anatomy, side: str) -> float:
    """Return the greatest extent (mm) of a side's lung from front to back, every 0.5 mm; 0 if it is hardly in view."""
    x = anatomy.canvas.x[:, :, :: max(1, round(4.0 / anatomy.canvas.spacing[0]))]
    x = x[:, :, x.ravel() > 0 if side == "left" else x.ravel() <= 0]
    y = np.arange(anatomy.canvas.y.min(), anatomy.canvas.y.max(), 0.5, dtype=np.float32)[None, :, None]
    z = anatomy.canvas.z[:: max(1, round(4.0 / anatomy.canvas.spacing[2]))]
    rows = np.flatnonzero((anatomy.surfaces.lung(x, y, z) < 0).any(axis=(0, 2)))
    return 0.5 * float(rows[-1] - rows[0] + 1) if rows.size else 0.0


def _widest_radius(landmarks: dict[str, np.ndarray]) -> float:
    """Return the radius (mm) of the largest ball in the pulmonary trunk, which ends where the aorta begins.

    The aorta of the phantoms cuts into their trunk, which leaves less of it than its own radius.
    """
    center, reach = landmarks["pulmonary trunk"][1], 24.0
    radius = 0.0
    for step in (2.0, 0.4):
        offsets = np.arange(-reach, reach + step / 2, step)
        points = center + np.stack(np.meshgrid(offsets, offsets, offsets), axis=-1).reshape(-1, 3)
        arteries = (_depth(points, landmarks, name) for name in ("pulmonary trunk", "right pulmonary artery"))
        balls = np.minimum(np.maximum(*arteries), -_depth(points, landmarks, "aorta"))
        center, radius, reach = points[int(balls.argmax())], float(balls.max()), 2.0
    return radius


def _depth(points: np.ndarray, landmarks: dict[str, np.ndarray], vessel: str) -> np.ndarray:
    """Return how deep (mm) points (N, 3) lie in a vessel, negative outside."""
    path, radii = landmarks[vessel], landmarks[f"{vessel} radii"]
    depths = []
    for (start, first), (end, last) in pairwise(zip(path, radii, strict=True)):
        along = end - start
        share = np.clip((points - start) @ along / float(along @ along), 0, 1)
        distance = np.linalg.norm(points - start - share[:, None] * along, axis=1)
        depths.append(first + share * (last - first) - distance)
    return np.max(depths, axis=0)


def _width(mask: np.ndarray) -> int:
    """Return the greatest extent of a mask from left to right in any slice, in voxels."""
    profile: np.ndarray = np.any(mask, axis=1)  # (z, x)
    extents = profile.shape[1] - profile[:, ::-1].argmax(axis=1) - profile.argmax(axis=1)
    return int(np.where(profile.any(axis=1), extents, 0).max())


def _planted(label: str, findings: Sequence[PlantedFinding], bits: np.ndarray) -> np.ndarray:
    """Return the voxels of a planted finding, boolean (z, y, x)."""
    flags = sum(1 << index for index, finding in enumerate(findings) if finding.label == label)
    return (bits & np.uint32(flags)) != 0

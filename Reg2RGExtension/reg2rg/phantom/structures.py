"""The exact structures of a phantom, and the true values of what is measured in them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.body.central_airways import AIRWAY_WALL_MM
from reg2rg.phantom.body.skeleton import DISC_MM, VERTEBRA_PITCH_MM
from reg2rg.phantom.findings.lung_locations import lobe_coverage
from reg2rg.phantom.findings.planted_finding import PlantedFinding
from reg2rg.segmentation.structures import LOBES, Structures

LOW_ATTENUATION_HU = -950
CALCIUM_HU = 130

_FLUIDS = {
    "Pleural effusion": "pleural_effusion",
    "Pneumothorax": "pneumothorax",
    "Pericardial effusion": "pericardial_effusion",
}
"""Finding -> the structure that its voxels form."""


def build_structures(
    anatomy: Anatomy, findings: Sequence[PlantedFinding], bits: np.ndarray, volume: sitk.Image
) -> Structures:
    """Build the structures of a phantom.

    Args:
        anatomy: the painted chest.
        findings: the planted findings.
        bits: uint32 (z, y, x); bit i is set in the voxels of finding i.
        volume: the image that provides the grid.
    """
    arrays = dict(anatomy.structures)
    arrays["trachea"] = anatomy.masks["trachea and bronchie"]
    arrays["heart"] = anatomy.masks["heart"] & ~_any(arrays, "aorta", "pulmonary_artery")
    for side, lobes in LOBES.items():
        for level, name in lobes.items():
            arrays[name] = (lobe_coverage(anatomy, side, level) >= 0.5) & anatomy.aerated_lung
    remaining = anatomy.aerated_lung & ~_any(arrays, *LOBES["right"].values(), *LOBES["left"].values())
    left = np.broadcast_to(anatomy.canvas.x > 0, remaining.shape)
    # Voxels that a fissure splits belong to no lobe by more than half.
    arrays[LOBES["left"]["lower"]] |= remaining & left
    arrays[LOBES["right"]["lower"]] |= remaining & ~left
    for index, finding in enumerate(findings):
        if finding.label in _FLUIDS:
            arrays[_FLUIDS[finding.label]] = (bits & np.uint32(1 << index)) != 0
    return Structures.from_arrays(arrays, volume, method="phantom")


def _any(arrays: dict[str, np.ndarray], *names: str) -> np.ndarray:
    return np.logical_or.reduce([arrays[name] for name in names])


def known_values(anatomy: Anatomy, findings: Sequence[PlantedFinding], bits: np.ndarray) -> dict[str, float]:
    """Return the values of measures that follow from the body, as it is before it is scanned.

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
    fluid, pericardial = (_planted(label, findings, bits) for label in ("Pleural effusion", "Pericardial effusion"))
    return {
        "lung_volume_right": float(anatomy.lung_coverage[~left].sum()) * voxel_ml,
        "lung_volume_left": float(anatomy.lung_coverage[left].sum()) * voxel_ml,
        "low_attenuation": 100 * float((hu[lungs] <= LOW_ATTENUATION_HU).mean()),
        "effusion_volume_right": float((fluid & ~left).sum()) * voxel_ml,
        "effusion_volume_left": float((fluid & left).sum()) * voxel_ml,
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
    }


def _width(mask: np.ndarray) -> int:
    """Return the greatest extent of a mask from left to right in any slice, in voxels."""
    profile: np.ndarray = np.any(mask, axis=1)  # (z, x)
    extents = profile.shape[1] - profile[:, ::-1].argmax(axis=1) - profile.argmax(axis=1)
    return int(np.where(profile.any(axis=1), extents, 0).max())


def _planted(label: str, findings: Sequence[PlantedFinding], bits: np.ndarray) -> np.ndarray:
    """Return the voxels of a planted finding, boolean (z, y, x)."""
    flags = sum(1 << index for index, finding in enumerate(findings) if finding.label == label)
    return (bits & np.uint32(flags)) != 0

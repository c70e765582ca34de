"""The exact structures of a phantom."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings.lung_locations import lobe_coverage
from reg2rg.phantom.findings.planted_finding import PlantedFinding
from reg2rg.segmentation.structures import LOBES, Structures

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

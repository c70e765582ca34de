"""Painting the findings of a case into its anatomy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings import (
    abdominal_findings,
    airway_findings,
    bone_findings,
    breast_findings,
    diffuse_lung_findings,
    esophageal_findings,
    focal_lung_findings,
    heart_findings,
    mediastinal_findings,
    pleural_findings,
    thyroid_findings,
)
from reg2rg.phantom.findings.finding_kinds import FINDING_LABELS, sort_findings
from reg2rg.phantom.findings.planted_finding import PlantedFinding

Planter = Callable[[Anatomy, PlantedFinding, np.random.Generator], np.ndarray]
"""Paints a finding into an anatomy and returns its mask, boolean (z, y, x)."""

_PLANTERS: dict[str, Planter] = {
    "Pleural effusion": pleural_findings.effusion,
    "Pneumothorax": pleural_findings.pneumothorax,
    "Pleural thickening": pleural_findings.pleural_thickening,
    "Mosaic attenuation pattern": diffuse_lung_findings.mosaic_attenuation,
    "Emphysema": diffuse_lung_findings.emphysema,
    "Interlobular septal thickening": diffuse_lung_findings.septal_thickening,
    "Lung opacity": focal_lung_findings.opacity,
    "Consolidation": focal_lung_findings.consolidation,
    "Atelectasis": focal_lung_findings.atelectasis,
    "Pulmonary fibrotic sequela": focal_lung_findings.fibrosis,
    "Bronchiectasis": airway_findings.bronchiectasis,
    "Lung nodule": focal_lung_findings.nodule,
    "Peribronchial thickening": airway_findings.peribronchial_thickening,
    "Lymphadenopathy": mediastinal_findings.lymphadenopathy,
    "Arterial wall calcification": mediastinal_findings.aortic_calcification,
    "Medical material": mediastinal_findings.catheter,
    "Cardiomegaly": heart_findings.cardiomegaly,
    "Pericardial effusion": heart_findings.pericardial_effusion,
    "Coronary artery wall calcification": heart_findings.coronary_calcification,
    "Hiatal hernia": esophageal_findings.hiatal_hernia,
    "Thyroid nodule": thyroid_findings.thyroid_nodule,
    "Breast mass": breast_findings.breast_mass,
    "Fracture": bone_findings.fracture,
    "Lytic bone lesion": bone_findings.lytic_lesion,
    "Sclerotic bone lesion": bone_findings.sclerotic_lesion,
    "Liver cyst": abdominal_findings.liver_cyst,
    "Kidney stone": abdominal_findings.kidney_stone,
}
"""In the order of planting: whatever fills the pleural space comes before the findings that lie in the lungs."""


def plant_findings(
    anatomy: Anatomy, findings: Iterable[PlantedFinding], seed: tuple[int, ...]
) -> tuple[tuple[PlantedFinding, ...], np.ndarray]:
    """Paint findings into an anatomy.

    Args:
        anatomy: painted in place.
        findings: at most one per label.
        seed: seed of the generators; each finding has its own, so it does not depend on the others.

    Returns:
        The findings that lie in the volume, in the order of FINDING_LABELS and with their centers; and their bits,
        uint32 (z, y, x), where bit i is set in the voxels of finding i.
    """
    ordered = sort_findings(findings)
    masks = {}
    for label, planter in _PLANTERS.items():
        for finding in ordered:
            if finding.label == label:
                rng = np.random.default_rng((*seed, FINDING_LABELS.index(label)))
                masks[label] = planter(anatomy, finding, rng)
    bits = np.zeros(anatomy.canvas.shape, np.uint32)
    planted: list[PlantedFinding] = []
    for finding in ordered:
        mask = masks[finding.label]
        if mask.any():
            np.bitwise_or(bits, np.uint32(1 << len(planted)), out=bits, where=mask)
            planted.append(replace(finding, center_mm=_center_of_mass(anatomy, mask)))
    return tuple(planted), bits


def _center_of_mass(anatomy: Anatomy, mask: np.ndarray) -> tuple[float, float, float]:
    """Return the center of a mask (z, y, x) as x, y, z in mm, rounded to 0.1 mm."""
    canvas, total = anatomy.canvas, mask.sum()

    def mean(counts: np.ndarray, axis: np.ndarray) -> float:
        return round(float(counts @ axis.ravel() / total), 1)

    return (
        mean(mask.sum(axis=(0, 1)), canvas.x),
        mean(mask.sum(axis=(0, 2)), canvas.y),
        mean(mask.sum(axis=(1, 2)), canvas.z),
    )

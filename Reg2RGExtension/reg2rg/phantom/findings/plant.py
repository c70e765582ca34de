"""Planting findings in a phantom's anatomy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from reg2rg.phantom.body import Anatomy
from reg2rg.phantom.findings import abdomen, airways, bone, heart, lung, mediastinum, patterns, pleura, soft
from reg2rg.phantom.findings.draw import in_order
from reg2rg.phantom.findings.finding import Finding
from reg2rg.phantom.findings.kinds import FINDINGS

Planter = Callable[[Anatomy, Finding, np.random.Generator], np.ndarray]
"""Paints a finding and returns its mask, boolean (z, y, x)."""

_PLANTERS: dict[str, Planter] = {
    "Pleural effusion": pleura.effusion,
    "Pneumothorax": pleura.pneumothorax,
    "Pleural thickening": pleura.thickening,
    "Mosaic attenuation pattern": patterns.mosaic,
    "Emphysema": patterns.emphysema,
    "Interlobular septal thickening": patterns.septa,
    "Lung opacity": lung.opacity,
    "Consolidation": lung.consolidation,
    "Atelectasis": lung.atelectasis,
    "Pulmonary fibrotic sequela": lung.fibrosis,
    "Bronchiectasis": airways.bronchiectasis,
    "Lung nodule": lung.nodule,
    "Peribronchial thickening": airways.thick_walls,
    "Lymphadenopathy": mediastinum.lymph_nodes,
    "Arterial wall calcification": mediastinum.aortic_plaques,
    "Medical material": mediastinum.catheter,
    "Cardiomegaly": heart.large_heart,
    "Pericardial effusion": heart.pericardial_fluid,
    "Coronary artery wall calcification": heart.coronary_plaques,
    "Hiatal hernia": soft.hernia,
    "Thyroid nodule": soft.thyroid_nodule,
    "Breast mass": soft.breast_mass,
    "Fracture": bone.fracture,
    "Lytic bone lesion": bone.lytic_lesion,
    "Sclerotic bone lesion": bone.sclerotic_lesion,
    "Liver cyst": abdomen.liver_cyst,
    "Kidney stone": abdomen.kidney_stone,
}
"""In the order of planting: what fills the pleural space takes room from what lies in the lungs."""


def plant_findings(anatomy: Anatomy, findings: Iterable[Finding], seed: int) -> tuple[tuple[Finding, ...], np.ndarray]:
    """Paint the findings.

    Returns those that lie in the volume, in the order of FINDINGS, with their centres, and their bits: uint32
    (z, y, x), bit i where finding i lies. What else is planted does not change where a finding lies.
    """
    ordered = in_order(findings)
    masks = {}
    for label, planter in _PLANTERS.items():
        for finding in ordered:
            if finding.label == label:
                rng = np.random.default_rng((seed, FINDINGS.index(label)))
                masks[label] = planter(anatomy, finding, rng)
    bits = np.zeros(anatomy.canvas.shape, np.uint32)
    planted: list[Finding] = []
    for finding in ordered:
        mask = masks[finding.label]
        if mask.any():
            np.bitwise_or(bits, np.uint32(1 << len(planted)), out=bits, where=mask)
            planted.append(replace(finding, center_mm=_centre(anatomy, mask)))
    return tuple(planted), bits


def _centre(anatomy: Anatomy, mask: np.ndarray) -> tuple[float, float, float]:
    canvas = anatomy.canvas
    total = mask.sum()
    sums = (mask.sum(axis=(0, 1)), mask.sum(axis=(0, 2)), mask.sum(axis=(1, 2)))
    axes = (canvas.x, canvas.y, canvas.z)
    return tuple(round(float(count @ axis.ravel() / total), 1) for count, axis in zip(sums, axes, strict=True))

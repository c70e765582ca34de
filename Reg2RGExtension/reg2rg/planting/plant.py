"""Painting the findings of a case into a real scan."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
from scipy.ndimage import center_of_mass

from reg2rg.phantom.findings import FINDING_LABELS, PlantedFinding, sort_findings
from reg2rg.planting import bone_and_abdomen_painters, lung_painters, pleural_painters, trunk_painters
from reg2rg.planting.site import Site
from reg2rg.segmentation.morphology import dilated

Painter = Callable[[Site, PlantedFinding, np.random.Generator], np.ndarray | None]
"""Paints a finding and returns its mask, boolean (z, y, x); None if the scan has no place for it."""

PAINTERS: dict[str, Painter] = {
    "Pleural effusion": pleural_painters.effusion,
    "Pneumothorax": pleural_painters.pneumothorax,
    "Pleural thickening": pleural_painters.pleural_thickening,
    "Pericardial effusion": trunk_painters.pericardial_effusion,
    "Mosaic attenuation pattern": lung_painters.mosaic_attenuation,
    "Emphysema": lung_painters.emphysema,
    "Interlobular septal thickening": lung_painters.septal_thickening,
    "Lung opacity": lung_painters.opacity,
    "Consolidation": lung_painters.consolidation,
    "Atelectasis": lung_painters.atelectasis,
    "Pulmonary fibrotic sequela": lung_painters.fibrosis,
    "Bronchiectasis": lung_painters.bronchiectasis,
    "Lung nodule": lung_painters.nodule,
    "Peribronchial thickening": trunk_painters.peribronchial_thickening,
    "Lymphadenopathy": trunk_painters.lymphadenopathy,
    "Arterial wall calcification": trunk_painters.aortic_calcification,
    "Medical material": trunk_painters.catheter,
    "Coronary artery wall calcification": trunk_painters.coronary_calcification,
    "Fracture": bone_and_abdomen_painters.fracture,
    "Lytic bone lesion": bone_and_abdomen_painters.lytic_lesion,
    "Sclerotic bone lesion": bone_and_abdomen_painters.sclerotic_lesion,
    "Liver cyst": bone_and_abdomen_painters.liver_cyst,
}
"""In the order of planting: whatever fills the pleural space comes before the findings that lie in the lungs.

Cardiomegaly would change the shape of the heart. Hiatal hernia, thyroid nodule, breast mass and kidney stone need
regions that thresholds do not find.
"""

_APART_MM = 6.0
"""Distance between findings."""
_DIFFUSE = ("Emphysema", "Mosaic attenuation pattern", "Interlobular septal thickening")
"""Findings that others may overlap."""


def plant_findings(
    site: Site, findings: Iterable[PlantedFinding], seed: tuple[int, ...]
) -> tuple[tuple[PlantedFinding, ...], np.ndarray]:
    """Paint findings into a scan.

    Args:
        site: the scan, painted in place.
        findings: at most one per label.
        seed: seed of the generators; each finding has its own, so it does not depend on the others.

    Returns:
        The findings that were painted, in the order of FINDING_LABELS and with their centers; and their bits, uint32
        (z, y, x), where bit i is set in the voxels of finding i.
    """
    wanted = {finding.label: finding for finding in findings}
    masks: dict[str, np.ndarray] = {}
    for label, painter in PAINTERS.items():
        if label in wanted and _has_side(site, wanted[label]):
            mask = painter(
                site, _located(site, wanted[label]), np.random.default_rng((*seed, FINDING_LABELS.index(label)))
            )
            if mask is not None and mask.any():
                masks[label] = mask
                if label not in _DIFFUSE:
                    site.occupied |= dilated(mask, _APART_MM, site.spacing)
    bits = np.zeros(site.canvas.shape, np.uint32)
    planted = []
    for index, finding in enumerate(sort_findings(wanted[label] for label in masks)):
        np.bitwise_or(bits, np.uint32(1 << index), out=bits, where=masks[finding.label])
        center = site.to_mm(center_of_mass(masks[finding.label]))
        planted.append(replace(_located(site, finding), center_mm=tuple(np.round(center, 1).tolist())))
    return tuple(planted), bits


def _has_side(site: Site, finding: PlantedFinding) -> bool:
    """Return whether the scan shows lung on the sides that a finding is planted on."""
    return all(side in site.lungs and site.lungs[side].any() for side in finding.sides)


def _located(site: Site, finding: PlantedFinding) -> PlantedFinding:
    """Return a finding of the lung without its lobe if the lobes of the scan cannot be told."""
    is_unclear = any(site.lung_places[side].cut for side in finding.sides)
    return replace(finding, level=None) if finding.region == "lung" and is_unclear else finding

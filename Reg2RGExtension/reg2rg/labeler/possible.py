"""Which finding can be in which region: the only table of it.

A finding can be in a region if it is seen in the region's structures, or at their border: a subpleural nodule is in the
pleura, too. Reports list no other findings, whoever names them, and a reviewer cannot add any.
"""

from __future__ import annotations

from functools import lru_cache

from reg2rg.labeler.mention import ALL_LABELS
from reg2rg.regions import REGION_NAMES, get_region

_LUNG, _PLEURA, _AIRWAYS, _MEDIASTINUM = "lung", "pleura", "trachea and bronchie", "mediastinum"

POSSIBLE_REGIONS: dict[str, tuple[str, ...]] = {
    "Medical material": REGION_NAMES,
    "Arterial wall calcification": (_MEDIASTINUM, "heart", "abdomen"),
    "Cardiomegaly": ("heart", _MEDIASTINUM),
    "Pericardial effusion": ("heart", _MEDIASTINUM),
    "Coronary artery wall calcification": ("heart", _MEDIASTINUM),
    "Hiatal hernia": ("esophagus", _MEDIASTINUM, "abdomen"),
    "Lymphadenopathy": (_MEDIASTINUM, _LUNG, _AIRWAYS, "esophagus", "thyroid", "breast", "abdomen"),
    "Emphysema": (_LUNG,),
    "Atelectasis": (_LUNG, _PLEURA),
    "Lung nodule": (_LUNG, _PLEURA, _AIRWAYS),
    "Lung opacity": (_LUNG, _PLEURA),
    "Pulmonary fibrotic sequela": (_LUNG, _PLEURA),
    "Pleural effusion": (_PLEURA, _LUNG),
    "Mosaic attenuation pattern": (_LUNG,),
    "Peribronchial thickening": (_AIRWAYS, _LUNG),
    "Consolidation": (_LUNG, _PLEURA),
    "Bronchiectasis": (_LUNG, _AIRWAYS),
    "Interlobular septal thickening": (_LUNG, _PLEURA),
    "Pneumothorax": (_PLEURA, _LUNG),
    "Pleural thickening": (_PLEURA, _LUNG),
    "Thyroid nodule": ("thyroid", _MEDIASTINUM),
    "Breast mass": ("breast",),
    "Fracture": ("bone",),
    "Lytic bone lesion": ("bone",),
    "Sclerotic bone lesion": ("bone",),
    "Liver cyst": ("abdomen",),
    "Kidney stone": ("abdomen",),
}
"""Label to the regions that can have the finding, the most frequent first."""


@lru_cache
def possible_labels(region: str) -> tuple[str, ...]:
    """Return the labels of the findings that a region can have, in the order of ALL_LABELS.

    Args:
        region: name of the region.
    """
    name = get_region(region).name
    return tuple(label for label in ALL_LABELS if name in POSSIBLE_REGIONS[label])

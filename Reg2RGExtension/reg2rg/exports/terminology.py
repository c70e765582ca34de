"""Slicer's serialized terminology entries for regions and findings, with SNOMED CT codes."""

from __future__ import annotations

from reg2rg.regions import Region

ABNORMAL = ("49755003", "Morphologically Abnormal Structure")

_KINDS = {
    "Arterial wall calcification": ("237897009", "Vascular Calcification"),
    "Cardiomegaly": ("8186001", "Cardiomegaly"),
    "Pericardial effusion": ("373945007", "Pericardial effusion"),
    "Hiatal hernia": ("84089009", "Hiatal hernia"),
    "Lymphadenopathy": ("30746006", "Lymphadenopathy"),
    "Emphysema": ("87433001", "Pulmonary emphysema"),
    "Atelectasis": ("46621007", "Atelectasis"),
    "Lung nodule": ("27925004", "Nodule"),
    "Pulmonary fibrotic sequela": ("112674009", "Fibrosis"),
    "Pleural effusion": ("60046008", "Pleural effusion"),
    "Consolidation": ("95436008", "Lung consolidation"),
    "Bronchiectasis": ("12295008", "Bronchiectasis"),
    "Pneumothorax": ("36118008", "Pneumothorax"),
    "Thyroid nodule": ("27925004", "Nodule"),
    "Breast mass": ("4147007", "Mass"),
    "Fracture": ("72704001", "Fracture"),
    "Liver cyst": ("12494005", "Cyst"),
    "Kidney stone": ("56381008", "Calculus"),
}
"""Findings that have a SNOMED CT code; in Slicer's terminology, all others are abnormal structures."""


def finding_kind(label: str) -> tuple[str, str] | None:
    """Return the SNOMED CT code of a finding and its meaning; None if it has none."""
    return _KINDS.get(label)


def region_entry(region: Region) -> str:
    """Return the terminology entry of a region, an anatomical structure."""
    return _entry(("123037004", "Anatomical Structure"), region.snomed, ("", ""))


def finding_entry(label: str, region: Region) -> str:
    """Return the terminology entry of a finding, a morphologically abnormal structure in its region."""
    return _entry(ABNORMAL, _KINDS.get(label, ABNORMAL), region.snomed)


def _entry(category: tuple[str, str], kind: tuple[str, str], site: tuple[str, str]) -> str:
    return (
        "Segmentation category and type - 3D Slicer General Anatomy list"
        f"~{_code(category)}~{_code(kind)}~^^~Anatomic codes - DICOM master list~{_code(site)}~^^"
    )


def _code(coded: tuple[str, str]) -> str:
    value, meaning = coded
    return f"SCT^{value}^{meaning}" if value else "^^"

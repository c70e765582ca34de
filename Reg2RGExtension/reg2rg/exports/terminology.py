"""Slicer's serialized terminology entries for regions and findings, with SNOMED CT codes."""

from __future__ import annotations

from reg2rg.regions import Region

ABNORMAL = ("49755003", "Morphologically Abnormal Structure")

_KINDS = {
    "Lung nodule": ("27925004", "Nodule"),
    "Thyroid nodule": ("27925004", "Nodule"),
    "Breast mass": ("4147007", "Mass"),
    "Fracture": ("72704001", "Fracture"),
    "Liver cyst": ("12494005", "Cyst"),
    "Kidney stone": ("56381008", "Calculus"),
    "Pulmonary fibrotic sequela": ("112674009", "Fibrosis"),
}
"""Morphology of findings that have a specific SNOMED CT code; all others are coded as abnormal structures."""


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

"""Codes of structures, findings, measures and units.

Codes are SNOMED CT, DICOM and UCUM where they have one that means the same. All others are private: scheme 99REG2RG,
with the meaning next to the code, and declared in each object that uses them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reg2rg.exports.terminology import finding_kind
from reg2rg.regions import Region
from reg2rg.segmentation.structures import VERTEBRA_LEVELS

if TYPE_CHECKING:
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from pydicom.sr.coding import Code

SCHEME = "99REG2RG"

_MAXIMUM_VALUE, _MAXIMUM_MEANING = 16, 64
"""Lengths of a code and of its meaning (value representations SH and LO)."""

_SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}

_STRUCTURES = {
    "lung_right": ("39607008", "Lung"),
    "lung_left": ("39607008", "Lung"),
    "lung_upper_lobe_right": ("45653009", "Upper lobe of lung"),
    "lung_middle_lobe_right": ("72481006", "Middle lobe of right lung"),
    "lung_lower_lobe_right": ("90572001", "Lower lobe of lung"),
    "lung_upper_lobe_left": ("45653009", "Upper lobe of lung"),
    "lung_lower_lobe_left": ("90572001", "Lower lobe of lung"),
    "trachea": ("44567001", "Trachea"),
    "aorta": ("15825003", "Aorta"),
    "pulmonary_artery": ("81040000", "Pulmonary artery"),
    "heart": ("80891009", "Heart"),
    "liver": ("10200004", "Liver"),
    "spleen": ("78961009", "Spleen"),
    "kidney_right": ("64033007", "Kidney"),
    "kidney_left": ("64033007", "Kidney"),
    "thyroid_gland": ("69748006", "Thyroid gland"),
    "pleural_effusion": ("60046008", "Pleural effusion"),
    "pericardial_effusion": ("373945007", "Pericardial effusion"),
    "pneumothorax": ("36118008", "Pneumothorax"),
}
"""Structure -> its code, as in the table of TotalSegmentator and in the context groups of DICOM (PS3.16)."""

_VERTEBRA_CODES = (
    "14806007 39976000 113205007 5329002 36978003 36054005 87391001 "
    "64864005 53733008 1626008 73071006 56401006 45296009 62487009 11068009 82687006 7610001 12989004 23215003 "
    "66794005 14293000 36470004 11994002 49668003"
).split()
_VERTEBRAE = dict(zip(VERTEBRA_LEVELS, _VERTEBRA_CODES, strict=True))
"""Level of a vertebra -> its code."""

_ABNORMAL_STRUCTURES = ("pleural_effusion", "pericardial_effusion", "pneumothorax")

_MEASURES = {
    "lung_volume": ("SCT", "118565006", "Volume"),
    "heart_volume": ("SCT", "118565006", "Volume"),
    "effusion_volume": ("SCT", "118565006", "Volume"),
    "organ_volume": ("SCT", "118565006", "Volume"),
    "thyroid_volume": ("SCT", "118565006", "Volume"),
    "trachea_area": ("SCT", "42798000", "Area"),
    "heart_calcium_volume": ("DCM", "122660", "Calcium Volume"),
    "heart_calcium_score": ("DCM", "112058", "Calcium Score"),
    "vertebra_height": ("DCM", "121207", "Height"),
}
"""Measures that mean the same as a standard code."""

_UNITS = {
    "mL": ("mL", "milliliter"),
    "mm": ("mm", "millimeter"),
    "mm²": ("mm2", "square millimeter"),
    "mm³": ("mm3", "cubic millimeter"),
    "%": ("%", "percent"),
    "HU": ("[hnsf'U]", "Hounsfield unit"),
    "": ("1", "no units"),
}


def private_scheme() -> CodingSchemeIdentificationItem:
    """Return the declaration of the private coding scheme."""
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    return CodingSchemeIdentificationItem(
        designator=SCHEME, name="Reg2RG measures and findings", responsible_organization="Reg2RG for 3D Slicer"
    )


def region_code(region: Region) -> Code:
    """Return the code of a region."""
    return _code("SCT", *region.snomed)


def structure_codes(name: str) -> tuple[Code, Code, Code | None]:
    """Return category, type and side of a structure; None if its type says which side it is on, or it has no side."""
    category = abnormal() if name in _ABNORMAL_STRUCTURES else anatomical()
    kind, _, level = name.partition("_")
    if kind == "vertebrae":
        return category, _code("SCT", _VERTEBRAE[level], f"{level} vertebra"), None
    if kind == "vertebra":
        return category, _code("SCT", "51282000", "Vertebra"), None
    value, meaning = _STRUCTURES[name]
    side = name.rpartition("_")[2]
    return category, _code("SCT", value, meaning), side_code(side) if side not in meaning.split() else None


def side_code(side: str) -> Code | None:
    """Return the code of "left" or "right"; None for anything else."""
    return _code("SCT", *_SIDES[side]) if side in _SIDES else None


def finding_code(label: str) -> Code:
    """Return the code of a finding."""
    return _code("SCT", *kind) if (kind := finding_kind(label)) else private_code(label, label)


def measure_code(measure: str, label: str) -> Code:
    """Return the code of a measure.

    Args:
        measure: ID of the measure.
        label: what it is called.
    """
    return _code(*_MEASURES[measure]) if measure in _MEASURES else private_code(measure, label)


def private_code(name: str, meaning: str) -> Code:
    """Return a private code: the letters and digits of a name, as many as fit."""
    value = "".join(character for character in name.upper() if character.isalnum())
    if len(meaning) > _MAXIMUM_MEANING:
        meaning = meaning.partition(" (")[0]
    return _code(SCHEME, value[:_MAXIMUM_VALUE], meaning[:_MAXIMUM_MEANING])


def unit_code(unit: str) -> Code:
    """Return the code of a unit."""
    return _code("UCUM", *_UNITS[unit])


def anatomical() -> Code:
    """Return the category of regions and most structures."""
    return _code("SCT", "123037004", "Anatomical Structure")


def abnormal() -> Code:
    """Return the category of findings."""
    return _code("SCT", "49755003", "Morphologically Abnormal Structure")


def _code(scheme: str, value: str, meaning: str) -> Code:
    from pydicom.sr.coding import Code

    return Code(value, scheme, meaning)

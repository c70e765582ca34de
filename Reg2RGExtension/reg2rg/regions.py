"""The ten regions of a chest CT, in one table: names, codes, colors, display windows and structures.

Names and their alphabetical order are those of the published model (Reg2RG, IEEE TMI 2025), because its prompts,
reports and slot numbers depend on both. Structures are class names of TotalSegmentator 2
(https://github.com/wasserth/TotalSegmentator). Codes are SNOMED CT, as used in the DICOM exports. Colors are Paul Tol's
"light" scheme (https://personal.sron.nl/~pault/), which color-blind readers can distinguish on a dark image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from reg2rg.errors import InputError


@dataclass(frozen=True)
class Window:
    """Display window of a CT viewer.

    Attributes:
        level: center of the window, in HU.
        width: range of the window, in HU.
    """

    level: float
    width: float

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest values of the window, in HU."""
        return self.level - self.width / 2, self.level + self.width / 2


LUNG_WINDOW = Window(-600, 1500)
SOFT_TISSUE_WINDOW = Window(40, 400)
BONE_WINDOW = Window(400, 1800)


@dataclass(frozen=True)
class Region:
    """One of the ten regions.

    Attributes:
        name: name as the published model spells it.
        display_name: name shown to users.
        color: red, green and blue, 0 to 255.
        snomed: SNOMED CT code and its meaning.
        structures: TotalSegmentator task -> names of the classes whose union is the region.
        window: display window in which the region is read.
        reading_order: position in the report; 0 comes first.
        shell_mm: if set, the region is not the union of its structures but a layer around it, this thick in mm.
        spellings: further names of the whole region.
        parts: further names of its parts, which segmentations use. Together with ``structures`` they say which segments
            are united to the region.
    """

    name: str
    display_name: str
    color: tuple[int, int, int]
    snomed: tuple[str, str]
    structures: dict[str, tuple[str, ...]]
    window: Window
    reading_order: int
    shell_mm: float | None = None
    spellings: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def bright_color(self) -> tuple[int, int, int]:
        """Color of findings in the region: the region's own color, almost halfway to white."""
        red, green, blue = (round(channel + 0.45 * (255 - channel)) for channel in self.color)
        return red, green, blue


_LOBES = (
    "lung_upper_lobe_left",
    "lung_lower_lobe_left",
    "lung_upper_lobe_right",
    "lung_middle_lobe_right",
    "lung_lower_lobe_right",
)
_SIDES = ("left", "right")
_BONES = (
    *(
        f"vertebrae_{level}"
        for level in ("C6", "C7", *(f"T{i}" for i in range(1, 13)), *(f"L{i}" for i in range(1, 6)))
    ),
    *(f"rib_{side}_{number}" for side in _SIDES for number in range(1, 13)),
    *(f"{bone}_{side}" for bone in ("humerus", "scapula", "clavicula") for side in _SIDES),
    "sternum",
    "costal_cartilages",
)
_ABDOMEN = (
    "liver",
    "spleen",
    "kidney_right",
    "kidney_left",
    "adrenal_gland_right",
    "adrenal_gland_left",
    "pancreas",
    "gallbladder",
    "stomach",
    "duodenum",
    "small_bowel",
    "colon",
)

REGIONS: tuple[Region, ...] = (
    Region(
        "abdomen",
        "Abdomen",
        (238, 221, 136),
        ("818981001", "Abdomen"),
        {"total": _ABDOMEN},
        SOFT_TISSUE_WINDOW,
        9,
        spellings=("upper abdomen", "abdominal organs"),
        parts=("kidneys", "adrenal glands", "small intestine", "large intestine", "bowel"),
    ),
    Region(
        "bone",
        "Bones",
        (221, 221, 221),
        ("272673000", "Bone"),
        {"total": _BONES},
        BONE_WINDOW,
        8,
        spellings=("skeleton", "bone structures", "osseous structures"),
        parts=(
            "rib",
            "left ribs",
            "right ribs",
            "spine",
            "vertebral column",
            "vertebra",
            "clavicle",
            "left clavicle",
            "right clavicle",
            "scapula",
            "humerus",
        ),
    ),
    Region(
        "breast",
        "Breast",
        (255, 170, 187),
        ("76752008", "Breast"),
        {"breasts": ("breast",)},
        SOFT_TISSUE_WINDOW,
        7,
        spellings=("mamma", "mammary gland"),
        parts=("left breast", "right breast"),
    ),
    Region(
        "esophagus",
        "Esophagus",
        (170, 170, 0),
        ("32849002", "Esophagus"),
        {"total": ("esophagus",)},
        SOFT_TISSUE_WINDOW,
        5,
        spellings=("oesophagus",),
    ),
    Region(
        "heart",
        "Heart",
        (204, 102, 119),
        ("80891009", "Heart"),
        {"total": ("heart", "atrial_appendage_left")},
        SOFT_TISSUE_WINDOW,
        4,
        spellings=("whole heart",),
        parts=(
            "myocardium",
            "heart_myocardium",
            *(
                f"{prefix}{chamber}_{side}"
                for prefix in ("", "heart_")
                for chamber in ("atrium", "ventricle")
                for side in _SIDES
            ),
        ),
    ),
    Region(
        "lung",
        "Lungs",
        (119, 170, 221),
        ("39607008", "Lung"),
        {"total": _LOBES},
        LUNG_WINDOW,
        0,
        spellings=("both lungs", "lung parenchyma"),
        parts=("left lung", "right lung", *(lobe.removeprefix("lung_") for lobe in _LOBES)),
    ),
    Region(
        "mediastinum",
        "Mediastinum",
        (238, 136, 102),
        ("72410000", "Mediastinum"),
        {"trunk_cavities": ("mediastinum",)},
        SOFT_TISSUE_WINDOW,
        3,
    ),
    Region(
        "pleura",
        "Pleura",
        (68, 187, 153),
        ("3120008", "Pleura"),
        {"total": _LOBES, "pleural_pericard_effusion": ("pleural_effusion",)},
        SOFT_TISSUE_WINDOW,
        2,
        shell_mm=5.0,
        spellings=("pleurae", "pleural space"),
        parts=("left pleura", "right pleura"),
    ),
    Region(
        "thyroid",
        "Thyroid",
        (187, 204, 51),
        ("69748006", "Thyroid"),
        {"total": ("thyroid_gland",)},
        SOFT_TISSUE_WINDOW,
        6,
        spellings=("thyroid gland",),
        parts=("left thyroid lobe", "right thyroid lobe"),
    ),
    Region(
        "trachea and bronchie",
        "Trachea and bronchi",
        (153, 221, 255),
        ("110726009", "Trachea and bronchus"),
        {"total": ("trachea",), "lung_vessels": ("lung_airways",)},
        LUNG_WINDOW,
        1,
        spellings=("trachea", "bronchi", "bronchus", "airway", "central airways", "tracheobronchial tree"),
        parts=("left main bronchus", "right main bronchus", "lung_trachea_bronchia"),
    ),
)
"""All regions, in published order."""

Corrections = Mapping[str, Mapping[str, bool]]
"""Region -> finding label -> whether a reviewer marked the finding as present (True) or absent (False)."""

REGION_NAMES: tuple[str, ...] = tuple(region.name for region in REGIONS)
"""Names of all regions, in published order."""

_BY_NAME = {region.name: region for region in REGIONS}


def _words(name: str) -> frozenset[str]:
    """Return what two spellings of a name have in common: its words, whatever their order, case, number and joints.

    "Upper lobe of left lung" and "lung_upper_lobe_left" have the same words.
    """
    words = set(re.findall(r"\w+", name.casefold().replace("_", " "))) - {"and", "of", "the"}
    return frozenset(word[:-1] if re.fullmatch(r"\w{2,}[^suai]s", word) else word for word in words)


def _names(region: Region) -> list[str]:
    return [region.name, region.display_name, region.snomed[1], *region.spellings]


def _structures(region: Region) -> list[str]:
    """Names of a region's parts. The lobes are parts of the lung and not of the layer around it."""
    classes = [] if region.shell_mm else [name for names in region.structures.values() for name in names]
    return [*classes, *region.parts]


_BY_SPELLING = {_words(name): region for region in REGIONS for name in _names(region)}
_BY_STRUCTURE = {_words(name): region for region in REGIONS for name in _structures(region)} | _BY_SPELLING
_BY_CODE = {region.snomed[0]: region for region in REGIONS}


def get_region(name: str) -> Region:
    """Look up a region by its published name, the name that is shown, or another common spelling.

    Args:
        name: such as "lung", "Lungs", "oesophagus" or "airways".

    Raises:
        InputError: no region has this name.
    """
    region = find_region(name)
    if region is None:
        raise InputError(f"Unknown region {name!r}; expected one of: {', '.join(REGION_NAMES)}.")
    return region


def find_region(name: str) -> Region | None:
    """Look up a region by any of its spellings. None if there is no such region."""
    return _BY_NAME.get(name) or _BY_SPELLING.get(_words(name))


def region_of_structure(name: str, code: str = "") -> Region | None:
    """Look up the region that a segment belongs to.

    Args:
        name: name of the segment: a region, or one of its parts, such as "lung_upper_lobe_left" or "Left kidney".
        code: SNOMED CT code of what the segment shows, if known.

    Returns:
        None if no region has this part.
    """
    return _BY_STRUCTURE.get(_words(name)) or _BY_CODE.get(code)


def in_reading_order(names: Iterable[str]) -> list[Region]:
    """Look up regions and sort them in the order in which a radiologist reports them.

    Args:
        names: names of regions, in any order.

    Raises:
        InputError: a name is unknown.
    """
    return sorted((get_region(name) for name in names), key=lambda region: region.reading_order)

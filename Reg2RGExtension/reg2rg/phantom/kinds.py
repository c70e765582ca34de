"""The kinds of finding a phantom can have, and one finding of a case."""

from __future__ import annotations

from dataclasses import dataclass

ALL_LEVELS = ("upper", "middle", "lower")
SIDES = ("left", "right")


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding.

    Attributes:
        label: CT-RATE's name where it has one.
        region: the region whose section reports it.
        weight: how often it is drawn, relative to the region's other kinds.
        sided: it is reported with a side.
        levels: what its level is drawn from; None in it stands for the whole region.
        sizes: its size (mm) is drawn evenly from one of these ranges; none if empty.
    """

    label: str
    region: str
    weight: float = 1.0
    sided: bool = False
    levels: tuple[str | None, ...] = (None,)
    sizes: tuple[tuple[float, float], ...] = ()


KINDS: tuple[FindingKind, ...] = (
    FindingKind("Lung nodule", "lung", 1.5, True, ALL_LEVELS, ((11, 32),)),
    FindingKind("Consolidation", "lung", 1.0, True, ALL_LEVELS),
    FindingKind("Emphysema", "lung", 1.0, False, ("upper", "lower", None)),
    FindingKind("Peribronchial thickening", "trachea and bronchie"),
    FindingKind("Mucus plug", "trachea and bronchie", 1.0, True),
    FindingKind("Pleural effusion", "pleura", 1.5, True, sizes=((18, 27), (35, 46), (56, 75))),
    FindingKind("Pneumothorax", "pleura", 1.0, True),
    FindingKind("Lymphadenopathy", "mediastinum", 1.0, True, sizes=((18, 37),)),
    FindingKind("Arterial wall calcification", "mediastinum"),
    FindingKind("Cardiomegaly", "heart"),
    FindingKind("Pericardial effusion", "heart"),
    FindingKind("Coronary artery wall calcification", "heart"),
    FindingKind("Hiatal hernia", "esophagus", sizes=((30, 60),)),
    FindingKind("Thyroid nodule", "thyroid", 1.0, True, sizes=((10, 27),)),
    FindingKind("Breast mass", "breast", 1.0, True, sizes=((13, 32),)),
    FindingKind("Lytic bone lesion", "bone", 1.5, False, ALL_LEVELS),
    FindingKind("Rib fracture", "bone", 1.0, True),
    FindingKind("Liver cyst", "abdomen", 1.0, False, sizes=((18, 47),)),
    FindingKind("Kidney stone", "abdomen", 1.0, True),
)

FINDINGS: tuple[str, ...] = tuple(kind.label for kind in KINDS)
"""Labels in the order of the finding label image: voxels of FINDINGS[n] have the value n + 1."""


@dataclass(frozen=True)
class Finding:
    """One finding of a case.

    Attributes:
        label: one of FINDINGS.
        side: the patient's "left" or "right", or None.
        level: "upper", "middle", "lower" or None: the third of its region's height.
        size_mm: longest diameter, or thickness of the fluid of an effusion; reports round it to 5 mm.
        center_mm: x, y, z of its centre of mass, LPS.
    """

    label: str
    region: str
    side: str | None = None
    level: str | None = None
    size_mm: float | None = None
    center_mm: tuple[float, float, float] | None = None

    @property
    def kind(self) -> FindingKind:
        """What kind of finding it is."""
        return KINDS[FINDINGS.index(self.label)]

"""The 27 kinds of finding a phantom can have: how often, where, how large."""

from __future__ import annotations

from dataclasses import dataclass

Place = tuple[float, str | None, str | None]
"""Weight, side, level."""

DEGREES = ("mild", "moderate", "severe")
AMOUNTS = ("small", "moderate", "large")

_ANYWHERE: tuple[Place, ...] = ((1, None, None),)
_SIDES: tuple[Place, ...] = ((1, "right", None), (1, "left", None))
_PAIR: tuple[Place, ...] = (*_SIDES, (1, "both", None))
_PART: tuple[Place, ...] = ((2, None, "upper"), (3, None, "middle"), (3, None, "lower"))


def _lobes(upper: float, middle: float, lower: float) -> tuple[Place, ...]:
    return tuple(
        (weight * share, side, level)
        for side, levels in (("right", (upper, middle, lower)), ("left", (upper, 0, lower)))
        for weight, level, share in zip(levels, ("upper", "middle", "lower"), (1, 1, 1), strict=True)
        if weight
    )


def _both(upper: float, lower: float, whole: float) -> tuple[Place, ...]:
    places = ((upper, "both", "upper"), (lower, "both", "lower"), (whole, "both", None))
    return tuple(place for place in places if place[0])


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding.

    Attributes:
        label: CT-RATE's name where it has one.
        region: the region whose section reports it.
        share: of all cases that have it (breast masses: of women).
        places: what its side and level are drawn from.
        sizes: range (mm) and skew of its size, 1 for even, higher for mostly small; None if it is not measured.
        severities: words from mild to severe; drawn, or given by the size.
        limits: sizes (mm) from which the second and the third word apply.
    """

    label: str
    region: str
    share: float
    places: tuple[Place, ...] = _ANYWHERE
    sizes: tuple[float, float, float] | None = None
    severities: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    def severity_of(self, size_mm: float) -> str | None:
        """The word for a size."""
        return self.severities[sum(size_mm >= limit for limit in self.limits)] if self.limits else None


KINDS: tuple[FindingKind, ...] = (
    FindingKind("Lung nodule", "lung", 0.26, _lobes(3, 1.5, 3), (4, 30, 2.6)),
    FindingKind("Lung opacity", "lung", 0.13, (*_lobes(2, 1.5, 3), *_both(2, 4, 3))),
    FindingKind("Consolidation", "lung", 0.09, (*_lobes(2, 1.5, 4), *_both(0, 4, 0))),
    FindingKind("Emphysema", "lung", 0.11, (*_lobes(1, 0, 0.4), *_both(5, 1, 4)), None, DEGREES),
    FindingKind("Atelectasis", "lung", 0.17, (*_lobes(0.7, 2, 4), *_both(0, 5, 0))),
    FindingKind("Pulmonary fibrotic sequela", "lung", 0.12, (*_lobes(3, 2, 2), *_both(3, 2, 0))),
    FindingKind("Interlobular septal thickening", "lung", 0.06, (*_lobes(0.5, 0, 0.5), *_both(1, 4, 3)), None, DEGREES),
    FindingKind("Bronchiectasis", "lung", 0.07, (*_lobes(2, 2, 3), *_both(1, 4, 1))),
    FindingKind("Mosaic attenuation pattern", "lung", 0.06, _both(1, 2, 4)),
    FindingKind("Peribronchial thickening", "trachea and bronchie", 0.08, (*_SIDES, (4, "both", None)), None, DEGREES),
    FindingKind(
        "Pleural effusion",
        "pleura",
        0.14,
        ((1, "right", None), (1, "left", None), (1.3, "both", None)),
        (6, 70, 1.7),
        AMOUNTS,
        (20, 45),
    ),
    FindingKind("Pleural thickening", "pleura", 0.06, _PAIR, (4, 14, 1.5)),
    FindingKind("Pneumothorax", "pleura", 0.036, _SIDES, None, AMOUNTS),
    FindingKind("Lymphadenopathy", "mediastinum", 0.10, (*_SIDES, (1, None, None)), (10, 30, 2.0)),
    FindingKind("Arterial wall calcification", "mediastinum", 0.19, _ANYWHERE, None, DEGREES),
    FindingKind("Medical material", "mediastinum", 0.07, _SIDES),
    FindingKind("Cardiomegaly", "heart", 0.08, _ANYWHERE, None, DEGREES),
    FindingKind("Pericardial effusion", "heart", 0.06, _ANYWHERE, (6, 26, 1.5), AMOUNTS, (11, 19)),
    FindingKind("Coronary artery wall calcification", "heart", 0.17, _ANYWHERE, None, DEGREES),
    FindingKind("Hiatal hernia", "esophagus", 0.09, _ANYWHERE, (20, 80, 1.8)),
    FindingKind("Thyroid nodule", "thyroid", 0.08, _SIDES, (6, 36, 2.0)),
    FindingKind("Breast mass", "breast", 0.075, _SIDES, (8, 42, 1.8)),
    FindingKind("Fracture", "bone", 0.055, ((3, "right", None), (3, "left", None), *_PART)),
    FindingKind("Lytic bone lesion", "bone", 0.036, ((1, "right", None), (1, "left", None), *_PART), (8, 28, 1.5)),
    FindingKind("Sclerotic bone lesion", "bone", 0.05, ((1, "right", None), (1, "left", None), *_PART), (6, 22, 1.8)),
    FindingKind("Liver cyst", "abdomen", 0.09, _ANYWHERE, (6, 60, 2.2)),
    FindingKind("Kidney stone", "abdomen", 0.055, _SIDES, (4, 15, 1.6)),
)

FINDINGS: tuple[str, ...] = tuple(kind.label for kind in KINDS)

_BY_LABEL = {kind.label: kind for kind in KINDS}


def kind_of(label: str) -> FindingKind:
    """The kind of finding that a label names."""
    return _BY_LABEL[label]

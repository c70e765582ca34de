"""The 27 kinds of findings a phantom can have: how frequent each is, where it occurs and how large it gets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reg2rg.phantom.findings.planted_finding import PlantedFinding

Location = tuple[float, str | None, str | None]
"""Weight, side, level."""

_DEGREES = ("mild", "moderate", "severe")
_AMOUNTS = ("small", "moderate", "large")

_UNLOCATED: tuple[Location, ...] = ((1, None, None),)
_ONE_SIDE: tuple[Location, ...] = ((1, "right", None), (1, "left", None))
_ONE_OR_BOTH_SIDES: tuple[Location, ...] = (*_ONE_SIDE, (1, "both", None))
_SPINE_LEVELS: tuple[Location, ...] = ((2, None, "upper"), (3, None, "middle"), (3, None, "lower"))


def _lobes(upper: float, middle: float, lower: float) -> tuple[Location, ...]:
    """Return the five lobes with these weights, omitting those with weight 0."""
    locations: tuple[Location, ...] = (
        (upper, "right", "upper"),
        (middle, "right", "middle"),
        (lower, "right", "lower"),
        (upper, "left", "upper"),
        (lower, "left", "lower"),
    )
    return tuple(location for location in locations if location[0])


def _both_lungs(upper: float, lower: float, whole: float) -> tuple[Location, ...]:
    """Return both upper lobes, both lower lobes and both lungs with these weights, omitting those with weight 0."""
    locations: tuple[Location, ...] = ((upper, "both", "upper"), (lower, "both", "lower"), (whole, "both", None))
    return tuple(location for location in locations if location[0])


@dataclass(frozen=True)
class FindingKind:
    """A kind of finding.

    Attributes:
        label: name of the finding; CT-RATE's name if it has one.
        region: the region whose section reports it.
        share: fraction of all cases that have it (for breast masses, of women).
        locations: the sides and levels it is sampled from, with their weights.
        sizes: smallest and largest size in mm, and skew: 1 for a uniform distribution, higher for mostly small
            findings. None if this kind is not measured.
        severities: words from least to most severe, sampled uniformly or determined by the size.
        limits: smallest sizes (mm) for the second and the third word; None if the size does not determine the word.
    """

    label: str
    region: str
    share: float
    locations: tuple[Location, ...] = _UNLOCATED
    sizes: tuple[float, float, float] | None = None
    severities: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None

    def severity_of(self, size_mm: float) -> str | None:
        """Return the word for a size in mm, or None if sizes have no words."""
        return self.severities[sum(size_mm >= limit for limit in self.limits)] if self.limits else None


KINDS: tuple[FindingKind, ...] = (
    FindingKind("Lung nodule", "lung", 0.26, _lobes(3, 1.5, 3), (4, 30, 2.6)),
    FindingKind("Lung opacity", "lung", 0.13, (*_lobes(2, 1.5, 3), *_both_lungs(2, 4, 3))),
    FindingKind("Consolidation", "lung", 0.09, (*_lobes(2, 1.5, 4), *_both_lungs(0, 4, 0))),
    FindingKind("Emphysema", "lung", 0.11, (*_lobes(1, 0, 0.4), *_both_lungs(5, 1, 4)), None, _DEGREES),
    FindingKind("Atelectasis", "lung", 0.17, (*_lobes(0.7, 2, 4), *_both_lungs(0, 5, 0))),
    FindingKind("Pulmonary fibrotic sequela", "lung", 0.12, (*_lobes(3, 2, 2), *_both_lungs(3, 2, 0))),
    FindingKind(
        "Interlobular septal thickening", "lung", 0.06, (*_lobes(0.5, 0, 0.5), *_both_lungs(1, 4, 3)), None, _DEGREES
    ),
    FindingKind("Bronchiectasis", "lung", 0.07, (*_lobes(2, 2, 3), *_both_lungs(1, 4, 1))),
    FindingKind("Mosaic attenuation pattern", "lung", 0.06, _both_lungs(1, 2, 4)),
    FindingKind(
        "Peribronchial thickening", "trachea and bronchie", 0.08, (*_ONE_SIDE, (4, "both", None)), None, _DEGREES
    ),
    FindingKind(
        "Pleural effusion",
        "pleura",
        0.14,
        (*_ONE_SIDE, (1.3, "both", None)),
        (6, 70, 1.7),
        _AMOUNTS,
        (20, 45),
    ),
    FindingKind("Pleural thickening", "pleura", 0.06, _ONE_OR_BOTH_SIDES, (4, 14, 1.5)),
    FindingKind("Pneumothorax", "pleura", 0.036, _ONE_SIDE, None, _AMOUNTS),
    FindingKind("Lymphadenopathy", "mediastinum", 0.10, (*_ONE_SIDE, (1, None, None)), (10, 30, 2.0)),
    FindingKind("Arterial wall calcification", "mediastinum", 0.19, _UNLOCATED, None, _DEGREES),
    FindingKind("Medical material", "mediastinum", 0.07, _ONE_SIDE),
    FindingKind("Cardiomegaly", "heart", 0.08, _UNLOCATED, None, _DEGREES),
    FindingKind("Pericardial effusion", "heart", 0.06, _UNLOCATED, (6, 26, 1.5), _AMOUNTS, (11, 19)),
    FindingKind("Coronary artery wall calcification", "heart", 0.17, _UNLOCATED, None, _DEGREES),
    FindingKind("Hiatal hernia", "esophagus", 0.09, _UNLOCATED, (20, 80, 1.8)),
    FindingKind("Thyroid nodule", "thyroid", 0.08, _ONE_SIDE, (6, 36, 2.0)),
    FindingKind("Breast mass", "breast", 0.075, _ONE_SIDE, (8, 42, 1.8)),
    FindingKind("Fracture", "bone", 0.055, ((3, "right", None), (3, "left", None), *_SPINE_LEVELS)),
    FindingKind("Lytic bone lesion", "bone", 0.036, (*_ONE_SIDE, *_SPINE_LEVELS), (8, 28, 1.5)),
    FindingKind("Sclerotic bone lesion", "bone", 0.05, (*_ONE_SIDE, *_SPINE_LEVELS), (6, 22, 1.8)),
    FindingKind("Liver cyst", "abdomen", 0.09, _UNLOCATED, (6, 60, 2.2)),
    FindingKind("Kidney stone", "abdomen", 0.055, _ONE_SIDE, (4, 15, 1.6)),
)

FINDING_LABELS: tuple[str, ...] = tuple(kind.label for kind in KINDS)


def sort_findings(findings: Iterable[PlantedFinding]) -> list[PlantedFinding]:
    """Return the findings in the order of FINDING_LABELS."""
    return sorted(findings, key=lambda finding: FINDING_LABELS.index(finding.label))

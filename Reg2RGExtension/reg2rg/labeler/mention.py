"""What a sentence says about a finding: CT-RATE's 18 abnormalities and nine more, asserted, denied or left open."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LABELS: tuple[str, ...] = (
    "Medical material",
    "Arterial wall calcification",
    "Cardiomegaly",
    "Pericardial effusion",
    "Coronary artery wall calcification",
    "Hiatal hernia",
    "Lymphadenopathy",
    "Emphysema",
    "Atelectasis",
    "Lung nodule",
    "Lung opacity",
    "Pulmonary fibrotic sequela",
    "Pleural effusion",
    "Mosaic attenuation pattern",
    "Peribronchial thickening",
    "Consolidation",
    "Bronchiectasis",
    "Interlobular septal thickening",
)
"""The published 18, in the order of the published classifier's outputs and tables (reference C.2)."""

FURTHER_LABELS: tuple[str, ...] = (
    "Pneumothorax",
    "Pleural thickening",
    "Thyroid nodule",
    "Breast mass",
    "Fracture",
    "Lytic bone lesion",
    "Sclerotic bone lesion",
    "Liver cyst",
    "Kidney stone",
)
"""Read besides; nothing that is compared with published numbers counts them."""

ALL_LABELS: tuple[str, ...] = LABELS + FURTHER_LABELS

_LEVELS = {"upper": "upper", "lingula": "upper", "middle": "middle", "lower": "lower"}


class Status(str, Enum):
    """How a sentence speaks of a finding."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Mention:
    """One finding in one sentence.

    Attributes:
        label: one of ALL_LABELS.
        status: asserted, denied or left open.
        sides: subset of {"left", "right"}; both for "bilateral", empty where the sentence does not say.
        levels: lobes or levels as the tables of terms name them, for example {"upper", "lingula"}; empty if not said.
        size_mm: largest size that the sentence gives for it, or None.
        start, end: the sentence's characters in the text that was read.
    """

    label: str
    status: Status
    sides: frozenset[str]
    levels: frozenset[str]
    size_mm: float | None
    start: int
    end: int


def side_and_level(finding: Mention) -> tuple[str | None, str | None]:
    """Where a finding is, in one word each.

    Returns:
        side: "left", "right", "both" or None.
        level: "upper" (the lingula, too), "middle", "lower"; None where several, none or another level is said.
    """
    side = "both" if len(finding.sides) > 1 else next(iter(finding.sides), None)
    levels = {_LEVELS.get(level) for level in finding.levels}
    return side, levels.pop() if len(levels) == 1 else None

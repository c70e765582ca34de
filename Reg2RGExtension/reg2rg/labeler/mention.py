"""The labels, and what a sentence says about one of them."""

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
"""The 18 abnormalities of CT-RATE, in the order of the published classifier's outputs and of the published tables."""

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
"""Nine more findings, which are excluded from all comparisons with published numbers."""

ALL_LABELS: tuple[str, ...] = LABELS + FURTHER_LABELS

_LEVELS = {"upper": "upper", "lingula": "upper", "middle": "middle", "lower": "lower"}


class Status(str, Enum):
    """Whether a sentence asserts a finding, denies it, or leaves it open."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Mention:
    """What one sentence says about one finding.

    Attributes:
        label: one of ALL_LABELS.
        status: whether the finding is asserted, denied, or left open.
        sides: subset of {"left", "right"}: both for "bilateral", empty if the sentence names none.
        levels: lobes or levels by their names in terms.tsv, such as {"upper", "lingula"}; empty if none is named.
        size_mm: largest size given for the finding, or None.
        start: index of the sentence's first character in the text.
        end: index after the sentence's last character.
    """

    label: str
    status: Status
    sides: frozenset[str]
    levels: frozenset[str]
    size_mm: float | None
    start: int
    end: int


def side_and_level(mention: Mention) -> tuple[str | None, str | None]:
    """Return the place of a finding, with one word each for side and level.

    Args:
        mention: what a sentence says about the finding.

    Returns:
        The side: "left", "right", "both", or None. The level: "upper" (also for the lingula), "middle", "lower", or
        None if the sentence names none, several, or one that is not a third of the lung or spine.
    """
    side = "both" if len(mention.sides) > 1 else next(iter(mention.sides), None)
    levels = {_LEVELS.get(level) for level in mention.levels}
    return side, levels.pop() if len(levels) == 1 else None

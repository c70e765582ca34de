"""What a sentence says about a finding: the 18 abnormalities of CT-RATE, asserted, denied or left open."""

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
"""In the order of the published classifier's outputs and tables (reference C.2)."""


class Status(str, Enum):
    """How a sentence speaks of a finding."""

    PRESENT = "present"
    ABSENT = "absent"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Finding:
    """One finding in one sentence.

    Attributes:
        label: one of LABELS.
        status: asserted, denied or left open.
        sides: subset of {"left", "right"}; both for "bilateral", empty where the sentence does not say.
        levels: lobes or levels as the table of terms names them, for example {"upper", "lingula"}; empty if not said.
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

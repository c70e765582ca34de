"""What a model answered about one phantom, beside what was planted: all that the tables need, as plain JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class PlantedRecord:
    """A finding of a phantom.

    Attributes:
        chance: share of its region's voxels that it fills: how often a blind guess would hit it.
    """

    label: str
    region: str
    side: str | None
    level: str | None
    size_mm: float | None
    chance: float


@dataclass(frozen=True)
class DetectionRecord:
    """What the finding head says of a label in a section's region.

    Attributes:
        distance_mm: from the maximum of its map, on the volume's grid, to the nearest voxel of the planted finding: 0
            is a hit. None where nothing was planted or the head gives no map.
    """

    label: str
    probability: float
    side: str | None
    level: str | None
    size_mm: float | None
    distance_mm: float | None


@dataclass(frozen=True)
class CorrectionRecord:
    """A section written again after a user said of one label whether it is there."""

    label: str
    present: bool
    text: str


@dataclass(frozen=True)
class SectionRecord:
    """A section.

    Attributes:
        reference: the phantom's own text; empty for a real CT.
        text: the model's.
        without_cues: the model's when it is told no cues; None if it takes none.
        recognised: the region's name as the model wrote it.
        seen: of the labels that belong to the region all, of others the probable ones.
    """

    region: str
    reference: str
    text: str
    without_cues: str | None
    recognised: str | None
    complete: bool
    seen: tuple[DetectionRecord, ...]
    corrections: tuple[CorrectionRecord, ...] = ()


@dataclass(frozen=True)
class CaseRecord:
    """A case; ``distance`` and ``limit`` are those of models.familiarity, None without a finding head."""

    name: str
    planted: tuple[PlantedRecord, ...]
    sections: tuple[SectionRecord, ...]
    distance: float | None
    limit: float | None


def to_json(record: CaseRecord) -> str:
    """One line."""
    return json.dumps(dataclasses.asdict(record), ensure_ascii=False) + "\n"


def from_json(line: str) -> CaseRecord:
    """What ``to_json`` wrote."""
    values = json.loads(line)
    planted = tuple(PlantedRecord(**finding) for finding in values.pop("planted"))
    return CaseRecord(**{**values, "planted": planted, "sections": tuple(map(_section, values["sections"]))})


def _section(values: dict) -> SectionRecord:
    seen = tuple(DetectionRecord(**finding) for finding in values["seen"])
    corrections = tuple(CorrectionRecord(**correction) for correction in values["corrections"])
    return SectionRecord(**{**values, "seen": seen, "corrections": corrections})

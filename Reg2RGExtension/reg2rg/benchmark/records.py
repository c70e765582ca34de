"""Records of a model's answers about a case, along with what was planted: everything that the tables need, as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from reg2rg.benchmark.finding_groups import REGION_OF

FORMAT_VERSION = 3
"""Version number that changes with the fields below or their meaning, so that old records are not read."""


@dataclass(frozen=True)
class PlantedRecord:
    """A finding planted in a phantom.

    Attributes:
        label: What was planted.
        region: The region whose section reports it.
        side: "left", "right", "both" or None.
        level: "upper", "middle", "lower" or None.
        size_mm: Longest diameter or thickness in mm; None for kinds without a size.
        chance_hit_rate: Share of the region's voxels that the finding fills, i.e. how often a random voxel hits it.
    """

    label: str
    region: str
    side: str | None
    level: str | None
    size_mm: float | None
    chance_hit_rate: float


@dataclass(frozen=True)
class DetectionRecord:
    """What the finding head detected for one label in one region.

    Attributes:
        label: The label.
        probability: Calibrated probability.
        side: "left", "right", "both" or None.
        level: "upper", "middle", "lower" or None.
        size_mm: Predicted size in mm, or None.
        distance_mm: Distance in mm from the maximum of the finding map to the nearest voxel of the planted finding; 0
            is a hit. None if nothing was planted or there is no map.
    """

    label: str
    probability: float
    side: str | None
    level: str | None
    size_mm: float | None
    distance_mm: float | None


@dataclass(frozen=True)
class CorrectionRecord:
    """A section regenerated after a correction.

    Attributes:
        label: The corrected label.
        present: Whether the correction marks the finding as present.
        text: The regenerated section.
    """

    label: str
    present: bool
    text: str


@dataclass(frozen=True)
class SectionRecord:
    """What the model answered about one region.

    Attributes:
        region: The region.
        reference: The phantom's own section; empty for a real CT.
        text: The generated section.
        text_without_cues: The section generated without cues; None if the model takes none.
        recognized: The region named by the model.
        complete: Whether the section was written to its end.
        detections: All labels of the region, and labels of other regions that have a finding map.
        corrections: Sections regenerated after corrections.
    """

    region: str
    reference: str
    text: str
    text_without_cues: str | None
    recognized: str | None
    complete: bool
    detections: tuple[DetectionRecord, ...]
    corrections: tuple[CorrectionRecord, ...] = ()


@dataclass(frozen=True)
class CaseRecord:
    """What the model answered about one case.

    Attributes:
        name: Seed of the phantom, or file name of the real CT.
        planted: Planted findings; empty for a real CT.
        sections: One per region.
        ood_distance: Out-of-distribution distance of the volume; None without a finding head.
        ood_limit: Distance above which a volume is flagged as out of distribution; None without a finding head.
        supported: Labels that a draft may state in this kind of volume; None for all.
    """

    name: str
    planted: tuple[PlantedRecord, ...]
    sections: tuple[SectionRecord, ...]
    ood_distance: float | None
    ood_limit: float | None
    supported: tuple[str, ...] | None = None

    @property
    def flagged(self) -> bool | None:
        """Whether the volume is flagged as out of distribution; None without a finding head."""
        if self.ood_distance is None or self.ood_limit is None:
            return None
        return self.ood_distance > self.ood_limit

    def may_state(self, label: str) -> bool:
        """Return whether a draft may state a finding: the volume is not flagged, and the finding is supported."""
        return not self.flagged and (self.supported is None or label in self.supported)


def own_detections(record: CaseRecord) -> list[DetectionRecord]:
    """Return the detections of each label in the region that reports it."""
    return [d for section in record.sections for d in section.detections if REGION_OF.get(d.label) == section.region]


def to_json(record: CaseRecord) -> str:
    """Serialize a record to one line of JSON."""
    return json.dumps(dataclasses.asdict(record), ensure_ascii=False) + "\n"


def from_json(line: str) -> CaseRecord:
    """Read a record written by ``to_json``."""
    values = json.loads(line)
    planted = tuple(PlantedRecord(**finding) for finding in values.pop("planted"))
    sections = tuple(_section(section) for section in values.pop("sections"))
    supported = values.pop("supported")
    supported = None if supported is None else tuple(supported)
    return CaseRecord(planted=planted, sections=sections, supported=supported, **values)


def _section(values: dict[str, Any]) -> SectionRecord:
    detections = tuple(DetectionRecord(**detection) for detection in values.pop("detections"))
    corrections = tuple(CorrectionRecord(**correction) for correction in values.pop("corrections"))
    return SectionRecord(detections=detections, corrections=corrections, **values)

"""A finding: an abnormality in a region, from detection to display."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from reg2rg.labeler import Status
from reg2rg.runtime.dataclass_io import Constraint

DETECTION_THRESHOLD = 0.5
"""Lowest probability at which a finding counts as detected. Detected findings are located in the volume."""


def _one_of(*values: str) -> Constraint:
    return Constraint(f"{', '.join(values)} or null", lambda value: value is None or value in values)


@dataclass(frozen=True)
class Location:
    """Where a finding is seen in the volume.

    Attributes:
        point_ras: a voxel of the finding near its center, in mm (right, anterior, superior).
        extent_mm: size along the same axes.
        lobe: lobe of the lung, such as "right upper lobe". None outside the lungs or if unknown.
        focal: True if the finding map has one distinct focus. If False, the map is weak or covers much of the region;
            show the whole region instead.
    """

    point_ras: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    lobe: str | None
    focal: bool


@dataclass(frozen=True)
class Finding:
    """A finding reported by the finding head, the section's text or the reviewer.

    The same class is used from detection to display. Detection sets ``label``, ``probability``, ``side``, ``level`` and
    ``size_mm``. Localization adds ``location`` and ``segment``. Building the report adds the remaining fields.

    Attributes:
        label: one of reg2rg.labeler.ALL_LABELS.
        probability: calibrated probability from the finding head. None if the model has no finding head.
        side: "left", "right", "both" or None.
        level: "upper", "middle", "lower" or None.
        size_mm: largest diameter. None if unknown.
        location: where the finding head sees it. None if it was not located.
        segment: ID of its segment in ``findings.seg.nrrd``. None if it has no segment.
        text_status: what the section's most definite sentence says about it. None if the text does not mention it.
        calibrated: False if the volume is out of distribution, so that ``probability`` is not reliable.
        correction: True if a reviewer marked it as present, False if absent, None if there is no correction.
    """

    derived: ClassVar[tuple[str, ...]] = ("source",)

    label: str
    probability: float | None = None
    side: Annotated[str | None, _one_of("left", "right", "both")] = None
    level: Annotated[str | None, _one_of("upper", "middle", "lower")] = None
    size_mm: float | None = None
    location: Location | None = None
    segment: str | None = None
    text_status: Status | None = None
    calibrated: bool = True
    correction: bool | None = None

    @property
    def detected(self) -> bool:
        """Whether the finding head detects it."""
        return self.probability is not None and self.probability >= DETECTION_THRESHOLD

    @property
    def stated(self) -> bool:
        """Whether the text states it, definitely or as a possibility."""
        return self.text_status in (Status.PRESENT, Status.UNCERTAIN)

    @property
    def source(self) -> str:
        """Who reports it: "text", "head" or "both". If neither does, "text" if the text mentions it."""
        if self.detected and self.stated:
            return "both"
        return "head" if self.detected or self.text_status is None else "text"

    @property
    def listed(self) -> bool:
        """Whether it is listed below its section: it is stated, detected or corrected."""
        return self.stated or self.detected or self.correction is not None

    @property
    def present(self) -> bool:
        """Whether it counts as present: by the correction if there is one, else by the text, else by the head."""
        if self.correction is not None:
            return self.correction
        return self.stated if self.text_status is not None else self.detected


def segment_id(region: str, label: str) -> str:
    """Return the ID of a finding's segment in ``findings.seg.nrrd``."""
    return f"{region}.{label}"

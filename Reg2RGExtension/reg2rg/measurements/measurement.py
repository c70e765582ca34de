"""Measurement: a number read off the image, with its unit, conditions and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

RasPoint = tuple[float, float, float]
"""Right, anterior, superior coordinates in mm, as 3D Slicer uses them."""


@dataclass(frozen=True)
class Condition:
    """Something that must hold for a measurement to be reliable.

    Attributes:
        name: what is required, such as "slices of 3 mm or less".
        met: whether the scan meets it; None if that could not be determined.
        reason: what was found, as a phrase such as "slices are 5 mm apart".
    """

    name: str
    met: bool | None
    reason: str


@dataclass(frozen=True)
class Line:
    """A straight line in the volume along which a distance was measured.

    Attributes:
        start_ras: one end.
        end_ras: the other end.
    """

    start_ras: RasPoint
    end_ras: RasPoint


@dataclass(frozen=True)
class Measurement:
    """One measured number, or the reason why it could not be measured.

    Attributes:
        measure: ID of the measure in the table of measures.
        region: region whose section reports it.
        label: what was measured, such as "Low-attenuation volume (below -950 HU)".
        part: what part of the body it refers to, such as "right lung" or "T8"; empty if the label says it.
        unit: unit of the value, such as "mL"; empty for ratios.
        value: the number; None if it is not given.
        uncertainty: half the width of the range in which the true value is expected; None if unknown.
        text: value with unit as shown to users, or why it is not given.
        adjective: what the value means by a published cut-off, such as "dilated"; None without a cut-off, or if a
            condition is not met.
        cutoff: the cut-off behind the adjective, such as "40 mm and more".
        structures: names of the structures it was taken from.
        lines: lines it was measured along.
        conditions: conditions that were checked, met or not.
        source: publication of the definition and cut-offs.
    """

    derived: ClassVar[tuple[str, ...]] = ("reserved",)

    measure: str
    region: str
    label: str
    part: str
    unit: str
    value: float | None
    uncertainty: float | None
    text: str
    adjective: str | None
    cutoff: str | None
    structures: tuple[str, ...]
    lines: tuple[Line, ...]
    conditions: tuple[Condition, ...]
    source: str

    @property
    def reserved(self) -> bool:
        """Whether a condition is not met, so that the value holds only with reservation."""
        return any(condition.met is False for condition in self.conditions)

    @property
    def reservations(self) -> tuple[str, ...]:
        """What was found for each condition that is not met."""
        return tuple(condition.reason for condition in self.conditions if condition.met is False)

    @property
    def key(self) -> str:
        """Identifier within a report, such as "vertebra_hu/bone/T8"."""
        return f"{self.measure}/{self.region}/{self.part}"

    @property
    def name(self) -> str:
        """Label and part, such as "Lung volume, right lung"."""
        return f"{self.label}, {self.part}" if self.part else self.label

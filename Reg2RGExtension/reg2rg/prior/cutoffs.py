"""Which differences count as a change, in one table, with their sources."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reg2rg.measurements.measures import Measure
from reg2rg.report.prior import ChangeKind

VOLUME_GROWTH = 0.25
DIAMETER_GROWTH_MM = 2.0
VOLUME_CUTOFF = "a volume change of at least 25% (BTS guideline, Callister et al., Thorax 2015;70 Suppl 2:ii1)"
DIAMETER_CUTOFF = (
    "a change of the mean diameter of at least 2 mm (Fleischner Society, MacMahon et al., Radiology 2017;284:228)"
)


@dataclass(frozen=True)
class ChangeCutoff:
    """From which difference on a measurement has changed.

    Attributes:
        absolute: least difference, in the unit of the measure.
        relative: least difference, as a share of the smaller value; both limits must be reached.
        source: publication of the limit, or that it is our choice.
        absent: whether a value of 0 means that there is nothing, so that it can be new or resolved.
    """

    absolute: float
    relative: float
    source: str
    absent: bool = False

    def within(self, measure: Measure) -> str:
        """Return in words that a difference of a measure does not count as a change."""
        unit = "percentage points" if measure.unit == "%" else measure.unit
        relative = f" or {self.relative:.0%}" if self.relative else ""
        return f"differs by less than {self.absolute:g} {unit}{relative}"


_OURS = "our choice"
_AORTA = "our choice: 5 mm, which the ACC/AHA guideline of 2022 calls rapid growth if it happens within a year"

MEASURE_CUTOFFS: dict[str, ChangeCutoff] = {
    "effusion_volume": ChangeCutoff(50, 0.25, _OURS, absent=True),
    "pleural_air": ChangeCutoff(20, 0.25, _OURS, absent=True),
    "pericardial_fluid": ChangeCutoff(4, 0.25, _OURS, absent=True),
    "ascending_aorta": ChangeCutoff(5, 0, _AORTA),
    "descending_aorta": ChangeCutoff(5, 0, _AORTA),
    "vertebra_height_loss": ChangeCutoff(20, 0, _OURS),
}
"""Measure -> cut-off. Other measures are not compared: they depend on breathing, contrast medium or scanner."""


def volume_change(volume: float, prior_volume: float) -> ChangeKind:
    """Return how the volume of a lesion changed."""
    if volume >= (1 + VOLUME_GROWTH) * prior_volume:
        return ChangeKind.LARGER
    return ChangeKind.SMALLER if volume <= (1 - VOLUME_GROWTH) * prior_volume else ChangeKind.STABLE


def diameter_change(mm: float, prior_mm: float) -> ChangeKind:
    """Return how the mean diameter of a lesion changed."""
    if abs(mm - prior_mm) < DIAMETER_GROWTH_MM:
        return ChangeKind.STABLE
    return ChangeKind.LARGER if mm > prior_mm else ChangeKind.SMALLER


def measure_change(cutoff: ChangeCutoff, value: float, prior_value: float) -> ChangeKind:
    """Return how a measurement changed."""
    difference = abs(value - prior_value)
    if difference < cutoff.absolute or difference < cutoff.relative * min(value, prior_value):
        return ChangeKind.STABLE
    if cutoff.absent and prior_value == 0:
        return ChangeKind.NEW
    if cutoff.absent and value == 0:
        return ChangeKind.RESOLVED
    return ChangeKind.LARGER if value > prior_value else ChangeKind.SMALLER


def doubling_days(volume: float, prior_volume: float, days: int | None) -> float | None:
    """Return the volume doubling time of a lesion that grew; None if the interval is unknown."""
    if not days or volume <= prior_volume:
        return None
    return round(days * math.log(2) / math.log(volume / prior_volume), 1)

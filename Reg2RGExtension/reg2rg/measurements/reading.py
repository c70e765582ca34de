"""Reading: the bare result of one measure, before the table adds words, conditions and cut-offs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from reg2rg.measurements.measurement import Line


@dataclass(frozen=True)
class Reading:
    """A number, or the reason why there is none.

    Attributes:
        measure: ID of the measure.
        value: the number in the unit of the measure; None if it could not be measured.
        structures: structures, groups or regions that it was taken from.
        part: part of the body it refers to, as shown to users; empty if the label says it.
        lines: lines it was measured along.
        uncertainty: half the width of the range in which the true value is expected; None if unknown.
        reason: why there is no value, as a phrase.
        region: region that reports it, if the measure belongs to no region of its own.
        detail: what the value was computed from, shown after it.
    """

    measure: str
    value: float | None
    structures: tuple[str, ...]
    part: str = ""
    lines: tuple[Line, ...] = ()
    uncertainty: float | None = None
    reason: str = ""
    region: str = ""
    detail: str = ""


Readings = Iterator[Reading]


def absent(measure: str, structure: str, reason: str, part: str = "") -> Reading:
    """Return a reading without a value."""
    return Reading(measure, None, (structure,), part, reason=reason)

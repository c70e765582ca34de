"""The comparison with a prior CT: what changed since, as the report stores it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from reg2rg.report.provenance import Geometry


def days_earlier(days: int) -> str:
    """Return an interval in words."""
    if days == 0:
        return "on the same day"
    return f"{days} {'day' if days == 1 else 'days'} earlier"


class ChangeKind(str, Enum):
    """How a finding or measurement differs from the prior CT."""

    NEW = "new"
    LARGER = "larger"
    SMALLER = "smaller"
    STABLE = "stable"
    RESOLVED = "resolved"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True)
class IntervalChange:
    """What became of one finding or measurement since the prior CT.

    Attributes:
        region: region whose section reports it.
        kind: how it changed.
        text: the change as one sentence.
        finding: label of the finding; None for a measurement of the region.
        measurement: key of the current measurement; None if there is none.
        value: current value; None if it is resolved or could not be measured.
        prior_value: prior value; None if it is new or could not be measured.
        unit: unit of both values.
        doubling_days: time in which a growing lesion doubles its volume; None unless it grew in a known interval.
        point_ras: where it is in the current CT (right, anterior, superior; mm); None if unknown.
        prior_point_ras: where it is in the prior CT.
        cutoff: from which difference on it counts as a change, and the source of this limit.
    """

    region: str
    kind: ChangeKind
    text: str
    finding: str | None
    measurement: str | None
    value: float | None
    prior_value: float | None
    unit: str
    doubling_days: float | None
    point_ras: tuple[float, float, float] | None
    prior_point_ras: tuple[float, float, float] | None
    cutoff: str

    @property
    def key(self) -> str:
        """What a reviewer's decision about it is stored under."""
        return f"change in {self.region}: {self.text}"

    @property
    def notable(self) -> bool:
        """Whether it differs from the prior CT by more than the cut-off."""
        return self.kind not in (ChangeKind.STABLE, ChangeKind.NOT_COMPARABLE)


@dataclass(frozen=True)
class PriorComparison:
    """The comparison with a prior CT. It contains no dates.

    Attributes:
        source: what the prior is: a CT, or the folder of its report.
        interval_days: days from the prior CT to the current one; None if unknown.
        lung_dice: Dice coefficient of the lungs after registration; None if the CTs could not be registered.
        detail: correlation of small structures in the lungs after registration; None if an image was missing.
        warnings: what a reader must know about the comparison, one sentence each.
        changes: the changes in reading order; empty if the comparison was refused.
        geometry: voxel grid of the prior CT, by which it can be found again; None if the comparison was refused.
    """

    source: Literal["ct", "report"]
    interval_days: int | None
    lung_dice: float | None
    detail: float | None
    warnings: tuple[str, ...]
    changes: tuple[IntervalChange, ...]
    geometry: Geometry | None = None

    @property
    def refused(self) -> bool:
        """Whether the CTs could not be compared; a warning says why."""
        return self.geometry is None

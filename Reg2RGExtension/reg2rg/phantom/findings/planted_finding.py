"""PlantedFinding: a finding that was planted in a phantom."""

from __future__ import annotations

from dataclasses import dataclass

from reg2rg.errors import InputError


@dataclass(frozen=True)
class PlantedFinding:
    """A finding that is planted in a phantom.

    Attributes:
        label: one of FINDING_LABELS.
        region: the region whose section reports it.
        side: the patient's "left" or "right", "both", or None.
        level: "upper", "middle", "lower" or None: the lobe of the lung, or the part of the thoracic spine.
        size_mm: longest diameter in mm; for fluid and pleural thickening, the thickness. Whole mm, or None if this
            kind of finding is not measured.
        severity: "mild", "moderate" or "severe"; "small", "moderate" or "large"; or None.
        center_mm: center of mass within the volume, x, y, z in mm, LPS; None until the finding is planted.
    """

    label: str
    region: str
    side: str | None = None
    level: str | None = None
    size_mm: float | None = None
    severity: str | None = None
    center_mm: tuple[float, float, float] | None = None

    @property
    def measured_mm(self) -> float:
        """Size in mm, for a finding that cannot be planted without one.

        Raises:
            InputError: if the finding has no size.
        """
        if self.size_mm is None:
            raise InputError(f"Cannot plant {self.label!r} without a size; set size_mm.")
        return self.size_mm

    @property
    def lateral_side(self) -> str:
        """Side, for a finding that cannot be planted without one.

        Raises:
            InputError: if the finding has no side.
        """
        if self.side is None:
            raise InputError(f"Cannot plant {self.label!r} without a side; set side.")
        return self.side

    @property
    def sides(self) -> tuple[str, ...]:
        """The sides the finding occupies, right before left; empty if it has none."""
        if self.side == "both":
            return ("right", "left")
        return () if self.side is None else (self.side,)

"""One finding of a case."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """One finding of a case.

    Attributes:
        label: one of FINDINGS.
        region: the region whose section reports it.
        side: the patient's "left" or "right", "both", or None.
        level: "upper", "middle", "lower" or None: the lobe of the lung, or the part of the thoracic spine.
        size_mm: longest diameter, for fluid and pleural thickening the thickness; whole mm; None where not measured.
        severity: a word, or None.
        center_mm: x, y, z of its centre of mass within the volume, LPS; None before it is planted.
    """

    label: str
    region: str
    side: str | None = None
    level: str | None = None
    size_mm: float | None = None
    severity: str | None = None
    center_mm: tuple[float, float, float] | None = None

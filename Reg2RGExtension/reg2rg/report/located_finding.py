"""Spots: where in the volume a finding is seen. Without SciPy, which Slicer's own Python does not have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reg2rg.segmentation.masks import Box

SEEN_FROM = 0.5
"""Probability from which the finding head sees a finding: more likely there than not. From here on it is located."""


@dataclass(frozen=True)
class Spot:
    """Where a finding is seen.

    Attributes:
        point_ras: mm (right, anterior, superior); the centre of a voxel of it, near its middle.
        extent_mm: along the same axes.
        focal: False where the map is weak or spread over much of the region: then the region is what to show.
        box: part of the volume's array (z, y, x) that holds it.
        mask: boolean array over ``box``; None where the map is too weak for an outline.
    """

    point_ras: tuple[float, float, float]
    extent_mm: tuple[float, float, float]
    focal: bool
    box: Box
    mask: np.ndarray | None


@dataclass(frozen=True)
class LocatedFinding:
    """What the finding head says of one finding in one region, and where (see reg2rg.inference.SeenFinding)."""

    label: str
    probability: float
    side: str | None
    level: str | None
    size_mm: float | None
    spot: Spot | None

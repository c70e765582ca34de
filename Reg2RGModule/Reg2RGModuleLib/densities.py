"""Densities of the voxels in a region, for the plot on its card."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import slicer

LOWEST_HU, HIGHEST_HU, BIN_HU = -1024, 96, 8


class Histogram(NamedTuple):
    """How many voxels of a region have which density.

    Attributes:
        lowest: lower limit of the first bin in HU.
        step: width of a bin in HU.
        counts: number of voxels per bin.
    """

    lowest: float
    step: float
    counts: tuple[int, ...]


def histogramOf(
    volume: slicer.vtkMRMLScalarVolumeNode, segmentation: slicer.vtkMRMLSegmentationNode, region: str
) -> Histogram | None:
    """Return the histogram of a region from -1024 to 96 HU, or None if the region is empty."""
    if segmentation.GetSegmentation().GetSegment(region) is None:
        return None
    inside = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, region, volume)
    if inside is None or not inside.any():
        return None
    values = slicer.util.arrayFromVolume(volume)[inside > 0]
    edges = np.arange(LOWEST_HU, HIGHEST_HU + BIN_HU, BIN_HU)
    counts, _edges = np.histogram(values, edges)
    return Histogram(float(LOWEST_HU), float(BIN_HU), tuple(counts.tolist()))

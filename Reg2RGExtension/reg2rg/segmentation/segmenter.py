"""The protocol that all segmenters follow."""

from __future__ import annotations

from typing import Protocol

import SimpleITK as sitk

from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.segmentation.masks import RegionMasks


class Segmenter(Protocol):
    """A method that finds the regions in a CT volume.

    Attributes:
        name: name of the method, recorded in the report's provenance.
    """

    name: str

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Find the regions in a volume.

        Args:
            volume: 3-D image in HU.
            progress: called with the fraction done and the current step.

        Returns:
            Masks on the grid of ``volume``.
        """
        ...

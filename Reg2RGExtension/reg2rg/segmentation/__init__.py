"""Segmentation: a CT volume in, RegionMasks on its own grid out. One protocol, several segmenters."""

from __future__ import annotations

from typing import Protocol

import SimpleITK as sitk

from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.segmentation.masks import RegionMasks


class Segmenter(Protocol):
    """What every segmenter can do."""

    name: str

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Masks of the regions in ``volume`` (3-D, HU), on the volume's own grid."""
        ...


__all__ = ["RegionMasks", "Segmenter"]

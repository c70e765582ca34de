"""Segmentation: a CT volume in, RegionMasks on its own grid out. One protocol, several segmenters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import SimpleITK as sitk

from reg2rg.segmentation.masks import RegionMasks

Progress = Callable[[float, str], None]
"""Called with the fraction done (0 to 1) and what is being done, in words."""


class Segmenter(Protocol):
    """What every segmenter can do."""

    name: str

    def segment(self, volume: sitk.Image, progress: Progress) -> RegionMasks:
        """Masks of the regions in ``volume`` (3-D, HU), on the volume's own grid."""
        ...


__all__ = ["Progress", "RegionMasks", "Segmenter"]

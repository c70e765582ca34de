"""Build the region masks of a phantom from its anatomy."""

from __future__ import annotations

import SimpleITK as sitk

from reg2rg.phantom.body import Anatomy
from reg2rg.regions import get_region
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import dilated


def build_region_masks(anatomy: Anatomy, volume: sitk.Image) -> RegionMasks:
    """Build the masks of all regions.

    The pleura consists of whatever fills the pleural space and a shell around that space and the lungs.

    Args:
        anatomy: the painted chest.
        volume: the image that provides the grid of the masks.
    """
    lung = anatomy.aerated_lung
    pleural_space = anatomy.pleural_filling | lung
    shell_mm = get_region("pleura").shell_mm
    assert shell_mm is not None
    z, y, x = anatomy.canvas.spacing[::-1]
    shell = dilated(pleural_space, shell_mm, (z, y, x)) & ~pleural_space
    arrays = {**anatomy.masks, "lung": lung, "pleura": anatomy.pleural_filling | shell}
    missing = {} if anatomy.physique.female else {"breast": "the phantom is male"}
    return RegionMasks.from_arrays(arrays, volume, segmenter="phantom", missing=missing)

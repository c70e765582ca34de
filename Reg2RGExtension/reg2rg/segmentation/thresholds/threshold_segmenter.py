"""The segmenter that combines thresholds and morphology, on a working grid of about 3 mm."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.regions import get_region
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import closed, shell
from reg2rg.segmentation.thresholds.airway_mask import find_airways
from reg2rg.segmentation.thresholds.body_mask import find_body
from reg2rg.segmentation.thresholds.lung_masks import find_lungs
from reg2rg.segmentation.thresholds.trunk_masks import find_abdomen, find_bones, find_heart, find_mediastinum
from reg2rg.volumes.geometry import Spacing, array_spacing, direction_matrix, image_like

WORKING_SPACING = 3.0
"""Approximate voxel size of the working grid, in mm."""

HILUM_CLOSING_MM = 15.0
"""Notches that vessels cut into the hilum, up to twice this wide, are closed before the pleura is drawn."""

INDISTINGUISHABLE = "cannot be distinguished from its surroundings by thresholds"
"""Reason why breast, esophagus and thyroid are missing."""


class ThresholdSegmenter:
    """Segments by thresholds and morphology. All its regions are approximate."""

    name = "thresholds"

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Find the regions that thresholds can find.

        Args:
            volume: 3-D image in HU, with any orientation and spacing.
            progress: called with the fraction done and the current step.

        Raises:
            InputError: the volume contains no body.
        """
        progress(0.0, "Finding the body")
        working = _to_working_grid(volume)
        hu = sitk.GetArrayFromImage(working)
        spacing = array_spacing(working)
        body = find_body(hu, spacing)
        if not body.any():
            raise InputError("No body was found in the volume; expected a CT of a chest.")
        progress(0.2, "Finding airways and lungs")
        airways = find_airways(hu, body, spacing)
        left, right = find_lungs(hu, body, airways, spacing)
        progress(0.5, "Finding bones, mediastinum, heart and abdomen")
        found = _find_trunk(hu, body, left | right, spacing)
        found |= {"lung": left | right, "trachea and bronchie": airways, "pleura": _pleura(left, right, body, spacing)}
        progress(0.8, "Resampling the regions to the volume's grid")
        arrays = {name: _to_volume_grid(mask, working, volume) for name, mask in found.items() if mask.any()}
        missing = {name: "not found by thresholds" for name, mask in found.items() if not mask.any()}
        missing |= dict.fromkeys(("breast", "esophagus", "thyroid"), INDISTINGUISHABLE)
        progress(1.0, "Regions found")
        return RegionMasks.from_arrays(
            arrays, volume, segmenter=self.name, approximate=frozenset(arrays), missing=missing
        )


def split_lungs(volume: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """Find the left and right lungs separately.

    Args:
        volume: 3-D image in HU, with any orientation and spacing.

    Returns:
        The left and right lungs as uint8 masks (0 or 1) on the grid of the volume.
    """
    working = _to_working_grid(volume)
    hu, spacing = sitk.GetArrayFromImage(working), array_spacing(working)
    body = find_body(hu, spacing)
    left, right = find_lungs(hu, body, find_airways(hu, body, spacing), spacing)
    return (
        image_like(_to_volume_grid(left, working, volume).astype(np.uint8), volume),
        image_like(_to_volume_grid(right, working, volume).astype(np.uint8), volume),
    )


def _find_trunk(hu: np.ndarray, body: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> dict[str, np.ndarray]:
    """Return the masks of the regions around the lungs, by name."""
    bones = find_bones(hu, body, lungs, spacing)
    abdomen = find_abdomen(hu, body, lungs, bones, spacing)
    mediastinum = find_mediastinum(hu, body, lungs, bones, abdomen, spacing)
    heart = find_heart(mediastinum, lungs, spacing)
    return {"bone": bones, "abdomen": abdomen, "mediastinum": mediastinum, "heart": heart}


def _pleura(left: np.ndarray, right: np.ndarray, body: np.ndarray, spacing: Spacing) -> np.ndarray:
    """Return a layer around each lung, after closing the notches that vessels cut into the hilum."""
    thickness = get_region("pleura").shell_mm
    assert thickness is not None
    sides = [shell(closed(side, HILUM_CLOSING_MM, spacing), thickness, spacing) for side in (left, right)]
    return (sides[0] | sides[1]) & body


def _to_working_grid(volume: sitk.Image) -> sitk.Image:
    """Resample to LPS order and about 3 mm; where the volume is finer, each voxel averages those it covers."""
    image = sitk.DICOMOrient(volume, "LPS")
    factors = [max(1, int(WORKING_SPACING / s + 0.34)) for s in image.GetSpacing()]
    image = sitk.BinShrink(sitk.Cast(image, sitk.sitkFloat32), factors)
    size = [max(1, round(n * s / WORKING_SPACING)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), image.GetSpacing(), size, strict=True)]
    shift = [(new - old) / 2 for new, old in zip(spacing, image.GetSpacing(), strict=True)]
    origin = np.asarray(image.GetOrigin()) + direction_matrix(image) @ shift
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, origin.tolist(), spacing, image.GetDirection(), -1024.0
    )


def _to_volume_grid(mask: np.ndarray, working: sitk.Image, volume: sitk.Image) -> np.ndarray:
    """Resample a boolean mask on the working grid to the grid of the volume."""
    image = image_like(mask.astype(np.float32), working)
    interpolated = sitk.Resample(image, volume, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.GetArrayViewFromImage(interpolated) > 0.5

"""Regions by thresholds and morphology: offline, approximate, no weights needed.

Works in LPS order on a grid of about 3 mm, so that orientation and slice thickness do not matter and a full-size CT
takes seconds, then goes back to the volume's own grid. Breast, thyroid and esophagus have no contrast to their
surroundings that a threshold could find.
"""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.regions import get_region
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import Spacing, closed, shell
from reg2rg.segmentation.thresholds.airways import find_airways
from reg2rg.segmentation.thresholds.body import find_body
from reg2rg.segmentation.thresholds.lungs import find_lungs
from reg2rg.segmentation.thresholds.trunk import find_abdomen, find_bones, find_heart, find_mediastinum

WORKING_SPACING = 3.0
HILUM_CLOSING_MM = 15.0
NOT_GIVEN = "it cannot be told from its surroundings by thresholds"


class ThresholdSegmenter:
    """Segments by thresholds and morphology; all its regions are approximate."""

    name = "thresholds"

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Masks of the regions that can be found; InputError if there is neither body nor lung."""
        progress(0.0, "Looking for the body")
        working = _to_working_grid(volume)
        hu = sitk.GetArrayFromImage(working)
        spacing: Spacing = working.GetSpacing()[::-1]
        body = find_body(hu, spacing)
        if not body.any():
            raise InputError("No body was found in the volume; expected a CT of a chest.")
        progress(0.2, "Looking for airways and lungs")
        airways = find_airways(hu, body, spacing)
        left, right = find_lungs(hu, body, airways, spacing)
        progress(0.5, "Looking for bones, mediastinum, heart and abdomen")
        found = _trunk(hu, body, left | right, spacing)
        found |= {"lung": left | right, "trachea and bronchie": airways, "pleura": _pleura(left, right, body, spacing)}
        progress(0.8, "Bringing the regions back to the volume's grid")
        arrays = {name: _to_volume_grid(mask, working, volume) for name, mask in found.items() if mask.any()}
        missing = {name: "none was found by thresholds" for name, mask in found.items() if not mask.any()}
        missing |= dict.fromkeys(("breast", "esophagus", "thyroid"), NOT_GIVEN)
        progress(1.0, "Regions found")
        return RegionMasks.from_arrays(
            arrays, volume, segmenter=self.name, approximate=frozenset(arrays), missing=missing
        )


def split_lungs(volume: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """Left and right lung of a volume as uint8 masks on its grid."""
    working = _to_working_grid(volume)
    hu, spacing = sitk.GetArrayFromImage(working), working.GetSpacing()[::-1]
    body = find_body(hu, spacing)
    sides = find_lungs(hu, body, find_airways(hu, body, spacing), spacing)
    images = []
    for side in sides:
        image = sitk.GetImageFromArray(_to_volume_grid(side, working, volume).astype(np.uint8))
        image.CopyInformation(volume)
        images.append(image)
    return images[0], images[1]


def _trunk(hu: np.ndarray, body: np.ndarray, lungs: np.ndarray, spacing: Spacing) -> dict[str, np.ndarray]:
    bones = find_bones(hu, body, lungs, spacing)
    abdomen = find_abdomen(hu, body, lungs, bones, spacing)
    mediastinum = find_mediastinum(hu, body, lungs, bones, abdomen, spacing)
    heart = find_heart(mediastinum, lungs, spacing)
    return {"bone": bones, "abdomen": abdomen, "mediastinum": mediastinum, "heart": heart}


def _pleura(left: np.ndarray, right: np.ndarray, body: np.ndarray, spacing: Spacing) -> np.ndarray:
    """A layer around each lung, the notches that vessels cut into the hilum closed before."""
    thickness = get_region("pleura").shell_mm
    sides = [shell(closed(side, HILUM_CLOSING_MM, spacing), thickness, spacing) for side in (left, right)]
    return (sides[0] | sides[1]) & body


def _to_working_grid(volume: sitk.Image) -> sitk.Image:
    """LPS order, about 3 mm in each direction; each voxel averages what it covers where the volume is finer."""
    image = sitk.DICOMOrient(volume, "LPS")
    factors = [max(1, int(WORKING_SPACING / s + 0.34)) for s in image.GetSpacing()]
    image = sitk.BinShrink(sitk.Cast(image, sitk.sitkFloat32), factors)
    size = [max(1, round(n * s / WORKING_SPACING)) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    spacing = [n * s / m for n, s, m in zip(image.GetSize(), image.GetSpacing(), size, strict=True)]
    shift = [(new - old) / 2 for new, old in zip(spacing, image.GetSpacing(), strict=True)]
    direction = np.reshape(image.GetDirection(), (3, 3))
    origin = np.asarray(image.GetOrigin()) + direction @ shift
    return sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkLinear, origin.tolist(), spacing, image.GetDirection(), -1024.0
    )


def _to_volume_grid(mask: np.ndarray, working: sitk.Image, volume: sitk.Image) -> np.ndarray:
    image = sitk.GetImageFromArray(mask.astype(np.float32))
    image.CopyInformation(working)
    interpolated = sitk.Resample(image, volume, sitk.Transform(), sitk.sitkLinear, 0.0)
    return sitk.GetArrayViewFromImage(interpolated) > 0.5

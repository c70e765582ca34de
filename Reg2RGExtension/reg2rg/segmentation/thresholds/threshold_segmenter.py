"""The segmenter that combines thresholds and morphology, on a working grid of about 3 mm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.regions import get_region
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.runtime.threads import two_threads
from reg2rg.segmentation.masks import RegionMasks, region_flag
from reg2rg.segmentation.morphology import box_around, closed, shell
from reg2rg.segmentation.thresholds.airway_mask import find_airways, find_carina
from reg2rg.segmentation.thresholds.body_mask import find_body
from reg2rg.segmentation.thresholds.bone_mask import find_bones
from reg2rg.segmentation.thresholds.diaphragm import find_diaphragm
from reg2rg.segmentation.thresholds.lung_masks import find_lungs
from reg2rg.segmentation.thresholds.plausibility import implausible
from reg2rg.segmentation.thresholds.spine import Spine, estimate_spine, find_spine
from reg2rg.segmentation.thresholds.trunk_masks import find_abdomen, find_heart, find_mediastinum
from reg2rg.segmentation.thresholds.working_grid import to_volume_grid, to_working_grid
from reg2rg.volumes.geometry import Spacing, array_spacing, image_like

HILUM_CLOSING_MM = 15.0
"""Notches that vessels cut into the hilum, up to twice this wide, are closed before the pleura is drawn."""

INDISTINGUISHABLE = "cannot be distinguished from its surroundings by thresholds"
"""Reason why breast, esophagus and thyroid are missing."""

NO_LUNGS = "not found by thresholds, because the lungs were not found"
"""Reason why regions that are located relative to the lungs are missing."""

NO_DIAPHRAGM = "not found by thresholds, because the volume ends above the bases of the lungs"
"""Reason why abdomen and heart are missing from a scan of the upper chest."""

NO_CARINA = "not found by thresholds, because the division of the trachea, which marks where it begins, is not in view"
"""Reason why the heart is missing from a scan that shows the lower chest only."""


UPSIDE_DOWN = (
    "The trachea divides toward the upper end of the volume, which seems to be upside down; check its orientation. "
    "Positions in this report may be wrong."
)


class ThresholdSegmenter:
    """Segments by thresholds and morphology. All its regions are approximate."""

    name = "thresholds"

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Find the regions that thresholds can find. Regions with an implausible size or shape are not given.

        Args:
            volume: 3-D image in HU, with any orientation and spacing.
            progress: called with the fraction done and the current step.

        Raises:
            InputError: the volume contains no body.
        """
        progress(0.0, "Finding the body")
        chest = _Chest.find(volume, progress)
        progress(0.5, "Finding bones, mediastinum, heart and abdomen")
        masks, missing = _find_regions(chest)
        for name in list(masks):
            reason = implausible(name, masks[name], chest.hu, chest.spacing)
            if reason is not None:
                del masks[name]
                missing.setdefault(name, reason)
        progress(0.8, "Resampling the regions to the volume's grid")
        bits = np.zeros(volume.GetSize()[::-1], np.uint16)

        def resample(slices: range) -> None:
            for name, mask in masks.items():
                for place, inside in chest.on_volume_grid(mask, volume, slices):
                    bits[place] |= inside * region_flag(name)

        middle = len(bits) // 2
        with two_threads() as pool:
            list(pool.map(resample, (range(middle), range(middle, len(bits)))))
        progress(1.0, "Regions found")
        provided = frozenset(masks)
        return RegionMasks.from_bits(
            bits,
            provided,
            volume,
            segmenter=self.name,
            approximate=provided,
            missing=missing,
            notices=(UPSIDE_DOWN,) if chest.is_upside_down else (),
        )


def split_lungs(volume: sitk.Image) -> tuple[sitk.Image, sitk.Image]:
    """Find the left and right lungs separately.

    Args:
        volume: 3-D image in HU, with any orientation and spacing.

    Returns:
        The left and right lungs as uint8 masks (0 or 1) on the grid of the volume.
    """
    chest = _Chest.find(volume)
    sides = []
    for side in (chest.left, chest.right):
        mask = np.zeros(volume.GetSize()[::-1], np.uint8)
        for place, inside in chest.on_volume_grid(side, volume, range(len(mask))):
            mask[place] = inside
        sides.append(image_like(mask, volume))
    return sides[0], sides[1]


@dataclass(frozen=True)
class _Chest:
    """The body on the working grid, cropped to its bounding box, with the regions that locate the others."""

    working: sitk.Image
    box: tuple[slice, slice, slice]
    hu: np.ndarray
    spacing: Spacing
    body: np.ndarray
    airways: np.ndarray
    left: np.ndarray
    right: np.ndarray
    spine: Spine | None

    @classmethod
    def find(cls, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> _Chest:
        """Find the body; raise InputError if there is none."""
        working = to_working_grid(volume)
        hu, spacing = sitk.GetArrayFromImage(working), array_spacing(working)
        body = find_body(hu, spacing)
        box = box_around(body, 0, spacing)
        if box is None:
            raise InputError("No body was found in the volume; expected a CT of a chest.")
        progress(0.2, "Finding airways and lungs")
        hu, body = np.ascontiguousarray(hu[box]), np.ascontiguousarray(body[box])
        airways = find_airways(hu, body, spacing)
        spine = find_spine(hu, body, spacing)
        left, right = find_lungs(hu, body, airways, spine, spacing)
        return cls(working, box, hu, spacing, body, airways, left, right, spine)

    @property
    def is_upside_down(self) -> bool:
        """Whether the trachea divides toward the end of the volume that should be the head's."""
        if find_carina(self.airways, self.spacing) is not None:
            return False
        turned = find_airways(self.hu[::-1], self.body[::-1], self.spacing)
        return find_carina(turned, self.spacing) is not None

    @property
    def lungs(self) -> np.ndarray:
        """Both lungs."""
        return self.left | self.right

    def on_volume_grid(
        self, mask: np.ndarray, volume: sitk.Image, slices: range
    ) -> Iterator[tuple[tuple[int, slice, slice], np.ndarray]]:
        """Yield slices of a mask on the grid of the volume, as ``to_volume_grid`` does."""
        full = np.zeros(self.working.GetSize()[::-1], bool)
        full[self.box] = mask
        return to_volume_grid(full, self.working, volume, slices)


def _find_regions(chest: _Chest) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Return the masks of all regions that were found, and reasons why others are missing."""
    hu, body, lungs, spacing = chest.hu, chest.body, chest.lungs, chest.spacing
    missing = dict.fromkeys(("breast", "esophagus", "thyroid"), INDISTINGUISHABLE)
    masks = {"trachea and bronchie": chest.airways, "bone": find_bones(hu, body, lungs, chest.spine, spacing)}
    reason = implausible("lung", lungs, hu, spacing)
    if reason is not None:
        others = dict.fromkeys(("abdomen", "heart", "mediastinum", "pleura"), NO_LUNGS)
        return masks, missing | others | {"lung": reason}
    masks |= {"lung": lungs, "pleura": _pleura(chest)}
    spine = chest.spine or estimate_spine(lungs, spacing)
    diaphragm, bases_in_view = find_diaphragm(lungs, spine, spacing) or (None, False)
    mediastinum = find_mediastinum(hu, body, lungs, masks["bone"], diaphragm, spine, spacing)
    masks["mediastinum"] = mediastinum
    if diaphragm is None or not bases_in_view:
        return masks, missing | dict.fromkeys(("abdomen", "heart"), NO_DIAPHRAGM)
    masks["abdomen"] = find_abdomen(hu, body, lungs, masks["bone"], diaphragm, spine, spacing)
    carina = find_carina(chest.airways, spacing)
    if carina is None:
        return masks, missing | {"heart": NO_CARINA}
    masks["heart"] = find_heart(hu, mediastinum, lungs | masks["bone"], carina, spine, spacing)
    return masks, missing


def _pleura(chest: _Chest) -> np.ndarray:
    """Return a layer around each lung, after closing the notches that vessels cut into the hilum."""
    thickness = get_region("pleura").shell_mm
    assert thickness is not None
    sides = [
        shell(closed(side, HILUM_CLOSING_MM, chest.spacing), thickness, chest.spacing)
        for side in (chest.left, chest.right)
    ]
    return (sides[0] | sides[1]) & chest.body

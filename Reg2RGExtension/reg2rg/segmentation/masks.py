"""RegionMasks: where each region lies in a volume, one bit per region in one label volume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from reg2rg.regions import REGION_NAMES, get_region


@dataclass(frozen=True)
class RegionMasks:
    """Region masks on a volume's own grid. Regions may overlap (the heart lies in the mediastinum).

    Attributes:
        bits: uint16 image with the volume's geometry; bit i of a voxel is set where it belongs to REGIONS[i].
        segmenter: name of what made the masks, for provenance.
        approximate: regions that were estimated rather than segmented.
        missing: region -> why there is no mask of it.
    """

    bits: sitk.Image
    segmenter: str
    approximate: frozenset[str] = frozenset()
    missing: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, np.ndarray],
        reference: sitk.Image,
        *,
        segmenter: str,
        approximate: frozenset[str] = frozenset(),
        missing: Mapping[str, str] | None = None,
    ) -> RegionMasks:
        """Pack boolean arrays (z, y, x), one per region, on the grid of ``reference``. Empty ones become missing."""
        missing = dict(missing or {})
        bits = np.zeros(reference.GetSize()[::-1], np.uint16)
        for name, array in arrays.items():
            array = np.asarray(array, bool)
            if array.any():
                bits |= array.astype(np.uint16) << region_bit(name)
            else:
                missing.setdefault(name, "no voxel of it was found in this volume")
        for name in REGION_NAMES:
            if name not in arrays:
                missing.setdefault(name, f"the {segmenter} segmenter does not give it")
        image = sitk.GetImageFromArray(bits)
        image.CopyInformation(reference)
        present = frozenset(arrays) - frozenset(missing)
        return cls(image, segmenter, approximate & present, missing)

    @property
    def present(self) -> tuple[str, ...]:
        """Regions that have a mask, in published order."""
        return tuple(name for name in REGION_NAMES if name not in self.missing)

    def array(self, name: str) -> np.ndarray:
        """Mask of one region as a boolean array (z, y, x)."""
        return (sitk.GetArrayViewFromImage(self.bits) & np.uint16(1 << region_bit(name))) != 0

    def image(self, name: str) -> sitk.Image:
        """Mask of one region as a uint8 image with the volume's geometry."""
        image = sitk.GetImageFromArray(self.array(name).astype(np.uint8))
        image.CopyInformation(self.bits)
        return image


def region_bit(name: str) -> int:
    """Bit number of a region: its index in REGIONS."""
    return REGION_NAMES.index(get_region(name).name)

"""RegionMasks: where each region lies in a volume, one bit per region in one label volume."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import SimpleITK as sitk

from reg2rg.regions import REGION_NAMES, get_region

Box = tuple[slice, slice, slice]
"""Part of an array (z, y, x)."""


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
        bits = np.zeros(reference.GetSize()[::-1], np.uint16)
        for name, array in arrays.items():
            np.bitwise_or(bits, region_flag(name), out=bits, where=np.asarray(array, bool))
        given = frozenset(arrays)
        return cls.from_bits(bits, given, reference, segmenter=segmenter, approximate=approximate, missing=missing)

    @classmethod
    def from_bits(
        cls,
        bits: np.ndarray,
        given: frozenset[str],
        reference: sitk.Image,
        *,
        segmenter: str,
        approximate: frozenset[str] = frozenset(),
        missing: Mapping[str, str] | None = None,
    ) -> RegionMasks:
        """Masks from packed bits (z, y, x), uint16, on the grid of ``reference``. Regions not ``given`` are missing."""
        missing = dict(missing or {})
        found = int(np.bitwise_or.reduce(bits, axis=None))
        for name in REGION_NAMES:
            if name not in given:
                missing.setdefault(name, f"the {segmenter} segmenter does not give it")
            elif not found & region_flag(name):
                missing.setdefault(name, "no voxel of it was found in this volume")
        image = sitk.GetImageFromArray(bits)
        image.CopyInformation(reference)
        return cls(image, segmenter, approximate & (given - frozenset(missing)), missing)

    @property
    def present(self) -> tuple[str, ...]:
        """Regions that have a mask, in published order."""
        return tuple(name for name in REGION_NAMES if name not in self.missing)

    @functools.cached_property
    def boxes(self) -> dict[str, Box]:
        """Smallest box (z, y, x) around each present region, all from one pass: bits united along lines and planes."""
        bits = sitk.GetArrayViewFromImage(self.bits)
        planes, lines = np.bitwise_or.reduce(bits, axis=0), np.bitwise_or.reduce(bits, axis=2)
        profiles = (
            np.bitwise_or.reduce(lines, axis=1),
            np.bitwise_or.reduce(planes, axis=1),
            np.bitwise_or.reduce(planes, axis=0),
        )
        return {name: tuple(_extent(profile & region_flag(name)) for profile in profiles) for name in self.present}

    def array(self, name: str, box: Box = (slice(None),) * 3) -> np.ndarray:
        """Mask of one region, or of what of it lies in a box, as a boolean array (z, y, x)."""
        return (sitk.GetArrayViewFromImage(self.bits)[box] & region_flag(name)) != 0

    def image(self, name: str) -> sitk.Image:
        """Mask of one region as a uint8 image with the volume's geometry."""
        image = sitk.GetImageFromArray(self.array(name).astype(np.uint8))
        image.CopyInformation(self.bits)
        return image


def region_index(name: str) -> int:
    """Bit number of a region: its index in REGIONS."""
    return REGION_NAMES.index(get_region(name).name)


def region_flag(name: str) -> np.uint16:
    """A voxel's bits with that of a region alone set."""
    return np.uint16(1 << region_index(name))


def _extent(profile: np.ndarray) -> slice:
    occupied = np.flatnonzero(profile)
    return slice(int(occupied[0]), int(occupied[-1]) + 1)

"""RegionMasks: the masks of all regions in a volume, stored as one bit per region and voxel."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import SimpleITK as sitk

from reg2rg.regions import REGION_NAMES, get_region
from reg2rg.segmentation.structures import Structures
from reg2rg.volumes.geometry import WHOLE, Box, image_like, oriented

NOT_REQUESTED = "not requested"
"""Reason given for a region that the user did not ask for."""


@dataclass(frozen=True)
class RegionMasks:
    """Masks of the regions on the grid of a volume. Regions may overlap: the heart lies in the mediastinum.

    Attributes:
        bits: uint16 image with the geometry of the volume; bit i of a voxel is set if it belongs to REGIONS[i].
        segmenter: name of the method that produced the masks, for the report's provenance.
        approximate: names of regions that were estimated rather than segmented.
        missing: region -> reason why it has no mask, as a phrase such as "not found in this volume".
        notices: what the user should know about the masks, one sentence each.
        structures: finer structures that the method found as well; None if it finds regions only.
    """

    bits: sitk.Image
    segmenter: str
    approximate: frozenset[str] = frozenset()
    missing: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    structures: Structures | None = None

    @classmethod
    def from_arrays(
        cls,
        arrays: Mapping[str, np.ndarray],
        reference: sitk.Image,
        *,
        segmenter: str,
        approximate: frozenset[str] = frozenset(),
        missing: Mapping[str, str] | None = None,
        structures: Structures | None = None,
    ) -> RegionMasks:
        """Pack one boolean array per region.

        Args:
            arrays: region -> mask in z, y, x order; regions whose mask is empty become missing.
            reference: image that provides the grid.
            segmenter: name of the method that produced the masks.
            approximate: names of regions that were estimated rather than segmented.
            missing: region -> reason; regions without an array get a default reason.
            structures: finer structures that the method found as well.
        """
        bits = np.zeros(reference.GetSize()[::-1], np.uint16)
        for name, array in arrays.items():
            np.bitwise_or(bits, region_flag(name), out=bits, where=np.asarray(array, bool))
        provided = frozenset(arrays)
        return cls.from_bits(
            bits,
            provided,
            reference,
            segmenter=segmenter,
            approximate=approximate,
            missing=missing,
            structures=structures,
        )

    @classmethod
    def from_bits(
        cls,
        bits: np.ndarray,
        provided: frozenset[str],
        reference: sitk.Image,
        *,
        segmenter: str,
        approximate: frozenset[str] = frozenset(),
        missing: Mapping[str, str] | None = None,
        notices: tuple[str, ...] = (),
        structures: Structures | None = None,
    ) -> RegionMasks:
        """Create masks from packed bits.

        Args:
            bits: uint16 array in z, y, x order, with the bits of :attr:`bits`.
            provided: names of the regions that the method looked for; the others become missing.
            reference: image that provides the grid.
            segmenter: name of the method that produced the masks.
            approximate: names of regions that were estimated rather than segmented.
            missing: region -> reason; other regions without voxels get a default reason.
            notices: what the user should know about the masks, one sentence each.
            structures: finer structures that the method found as well.
        """
        reasons = dict(missing or {})
        found = int(np.bitwise_or.reduce(bits, axis=None))
        for name in REGION_NAMES:
            if name not in provided:
                reasons.setdefault(name, f"not provided by the {segmenter} segmenter")
            elif not found & region_flag(name):
                reasons.setdefault(name, "not found in this volume")
        approximate = approximate & (provided - frozenset(reasons))
        return cls(image_like(bits, reference), segmenter, approximate, reasons, notices, structures)

    def only(self, regions: Collection[str]) -> RegionMasks:
        """Return the masks of some regions; the others become missing, because they were not requested.

        Args:
            regions: names of the regions; all if empty.
        """
        if not regions:
            return self
        reasons = {name: reason for name, reason in self.missing.items() if name in regions}
        others = {name: NOT_REQUESTED for name in REGION_NAMES if name not in regions}
        bits = self.bits & sum(map(region_flag, regions))
        return replace(self, bits=bits, approximate=self.approximate & set(regions), missing=reasons | others)

    def oriented(self, axes: str) -> RegionMasks:
        """Return the masks with their axes in another order, such as "LPS"; the same object if nothing changes."""
        bits = oriented(self.bits, axes)
        if bits is self.bits:
            return self
        structures = self.structures.oriented(axes) if self.structures is not None else None
        return replace(self, bits=bits, structures=structures)

    @property
    def present(self) -> tuple[str, ...]:
        """Names of the regions that have a mask, in published order."""
        return tuple(name for name in REGION_NAMES if name not in self.missing)

    @functools.cached_property
    def boxes(self) -> dict[str, Box]:
        """Bounding box of each present region.

        All boxes come from one pass over the volume: bits are combined along lines and planes, which leaves one profile
        per axis for all regions.
        """
        bits = sitk.GetArrayViewFromImage(self.bits)
        planes, lines = np.bitwise_or.reduce(bits, axis=0), np.bitwise_or.reduce(bits, axis=2)
        profiles = (
            np.bitwise_or.reduce(lines, axis=1),
            np.bitwise_or.reduce(planes, axis=1),
            np.bitwise_or.reduce(planes, axis=0),
        )
        return {name: _bounding_box(profiles, region_flag(name)) for name in self.present}

    def array(self, name: str, box: Box = WHOLE) -> np.ndarray:
        """Return the mask of a region as a boolean array in z, y, x order.

        Args:
            name: name of the region.
            box: part of the volume to return.
        """
        bits, flag = sitk.GetArrayViewFromImage(self.bits)[box], region_flag(name)
        mask = np.empty(bits.shape, bool)
        for plane, out in zip(bits, mask, strict=True):  # at once, it would need two more bytes per voxel
            np.not_equal(plane & flag, 0, out=out)
        return mask

    def image(self, name: str) -> sitk.Image:
        """Return the mask of a region as a uint8 image (0 or 1) with the geometry of the volume."""
        return image_like(self.array(name).astype(np.uint8), self.bits)


def region_index(name: str) -> int:
    """Return the index of a region in REGIONS, which is also the number of its bit."""
    return REGION_NAMES.index(get_region(name).name)


def region_flag(name: str) -> np.uint16:
    """Return the value of a voxel that belongs to one region only."""
    return np.uint16(1 << region_index(name))


def _bounding_box(profiles: Sequence[np.ndarray], flag: np.uint16) -> Box:
    z, y, x = (np.flatnonzero(profile & flag) for profile in profiles)
    return slice(int(z[0]), int(z[-1]) + 1), slice(int(y[0]), int(y[-1]) + 1), slice(int(x[0]), int(x[-1]) + 1)

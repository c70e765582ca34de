"""Scan: a CT volume with its structures and regions on one grid with LPS axes, as all measures see it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements.measurement import Line
from reg2rg.runtime.threads import two_threads
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.structures import Part, Structures
from reg2rg.volumes.acquisition import AcquisitionTags
from reg2rg.volumes.geometry import Box, Spacing, array_spacing, oriented

_SLAB = 32
"""Slices that are smoothed at a time."""


@dataclass(frozen=True)
class Scan:
    """A volume to measure.

    The array axes z, y, x point toward the head, the back and the left, up to the tilt of an oblique volume.

    Attributes:
        volume: image in HU with LPS axes.
        structures: the structures on the same grid.
        masks: the regions on the same grid.
        tags: what the header of the volume says about how it was acquired.
    """

    volume: sitk.Image
    structures: Structures
    masks: RegionMasks
    tags: AcquisitionTags = AcquisitionTags()

    @classmethod
    def create(cls, volume: sitk.Image, structures: Structures, masks: RegionMasks) -> Scan:
        """Create a scan from images of any orientation; nothing is resampled."""
        tags = AcquisitionTags.of(volume)
        return cls(oriented(volume, "LPS"), structures.oriented("LPS"), masks.oriented("LPS"), tags)

    @functools.cached_property
    def hu(self) -> np.ndarray:
        """HU values (z, y, x), read-only."""
        return sitk.GetArrayViewFromImage(self.volume)

    @functools.cached_property
    def spacing(self) -> Spacing:
        """Voxel size along z, y, x in mm."""
        return array_spacing(self.volume)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in mL."""
        z, y, x = self.spacing
        return z * y * x / 1000

    @functools.cached_property
    def lungs(self) -> Part | None:
        """Both lungs: their structures, or else the region."""
        return self.structures.part("lungs") or self.region("lung")

    def region(self, name: str) -> Part | None:
        """Return the mask of a region; None if it is missing."""
        if name not in self.masks.present:
            return None
        box = self.masks.boxes[name]
        return Part(box, self.masks.array(name, box))

    def values(self, part: Part) -> np.ndarray:
        """Return the HU values (N,) of a part."""
        return self.hu[part.box][part.mask]

    def core(self, part: Part, depth_mm: float) -> np.ndarray:
        """Return the HU values (N,) of a part's voxels farther than ``depth_mm`` from its surface."""
        from reg2rg.segmentation.morphology import eroded  # imports scipy; reports are read without it

        padded = np.pad(part.mask, 1)
        inside = eroded(padded, depth_mm, self.spacing)[1:-1, 1:-1, 1:-1]
        return self.hu[part.box][inside]

    def line(self, start: np.ndarray, end: np.ndarray) -> Line:
        """Return the line between two voxel indices (z, y, x), which may be fractional."""
        return Line(self.ras(start), self.ras(end))

    def ras(self, index: np.ndarray) -> tuple[float, float, float]:
        """Convert a voxel index (z, y, x) to RAS coordinates in mm."""
        x, y, z = self.volume.TransformContinuousIndexToPhysicalPoint([float(i) for i in index[::-1]])
        return round(-x, 2), round(-y, 2), round(z, 2)

    def touches_border(self, part: Part, axes: tuple[int, ...] = (0, 1, 2), voxels: int = 1) -> bool:
        """Return whether a part reaches the first or last voxels of the volume along any of some axes (z, y, x)."""
        return any(part.box[axis].start < voxels or part.box[axis].stop > self.hu.shape[axis] - voxels for axis in axes)


def smoothed(values: np.ndarray, mm: float, spacing: Spacing) -> np.ndarray:
    """Return values (z, y, x) smoothed with a Gaussian of the given standard deviation in mm, float32."""
    from scipy import ndimage  # reports are read without it

    return ndimage.gaussian_filter(values, [mm / s for s in spacing], output=np.float32, truncate=2.5)


def smoothed_between(values: np.ndarray, mm: float, spacing: Spacing, low: float, high: float) -> np.ndarray:
    """Return where values (z, y, x), once smoothed, lie between two limits, which are included.

    Smoothing slab by slab gives the same values without an array of floating-point numbers as large as the volume.
    """
    margin = int(2.5 * mm / spacing[0]) + 1
    result = np.empty(values.shape, bool)

    def smooth_slab(start: int) -> None:
        stop, first = min(start + _SLAB, len(values)), max(0, start - margin)
        smooth = smoothed(values[first : stop + margin], mm, spacing)[start - first : stop - first]
        result[start:stop] = (smooth >= low) & (smooth <= high)

    with two_threads() as pool:
        list(pool.map(smooth_slab, range(0, len(values), _SLAB)))
    return result


def expanded(box: Box, voxels: tuple[int, int, int], shape: tuple[int, ...]) -> Box:
    """Return a box (z, y, x) enlarged by some voxels per side, within the volume."""
    z, y, x = (slice(max(0, s.start - n), min(size, s.stop + n)) for s, n, size in zip(box, voxels, shape, strict=True))
    return z, y, x


def over_box(part: Part, box: Box) -> np.ndarray:
    """Return a part's mask over another box (z, y, x) of the volume."""
    result = np.zeros([s.stop - s.start for s in box], bool)
    common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(part.box, box, strict=True)]
    if all(s.start < s.stop for s in common):
        here = tuple(slice(s.start - b.start, s.stop - b.start) for s, b in zip(common, box, strict=True))
        there = tuple(slice(s.start - a.start, s.stop - a.start) for s, a in zip(common, part.box, strict=True))
        result[here] = part.mask[there]
    return result

"""A real scan that findings are painted into, and the places in it."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import SimpleITK as sitk
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter, zoom

from reg2rg.phantom.body import Canvas, Shape
from reg2rg.planting.grain import Grain
from reg2rg.planting.hosts import Host
from reg2rg.segmentation.structures_from_regions import split_lungs
from reg2rg.segmentation.thresholds.spine import Spine, find_spine
from reg2rg.volumes.geometry import Spacing, array_spacing

AIR_HU = -400
"""Air-filled lung is below this value."""

_COARSE = 2
"""Distances are computed on every second voxel and interpolated."""
_CUT_SHARE = 0.25
"""A lung is cut if its area in an outermost slice exceeds this share of its largest area."""
_VISIBLE_HU = 150.0
"""Tissue belongs to a finding in the lung where it is denser than before by at least this."""
_LEVEL_MARGIN = 0.08
"""Distance from the estimated fissures, in units of the lung's extent, that places in a lobe keep."""


class Site:
    """A scan while findings are planted into it.

    Attributes:
        canvas: the image in HU.
        spacing: voxel size along z, y, x in mm.
        original: the HU before planting, float32 (z, y, x).
        masks: region -> boolean mask (z, y, x).
        lungs: side -> boolean mask (z, y, x) of that lung, or what is left of it.
        grain: the scan's noise.
        occupied: boolean (z, y, x), places that have a finding or a lesion of the patient's own.
    """

    def __init__(self, host: Host) -> None:
        """Prepare a scan.

        Args:
            host: the scan, with a mask of the lung.
        """
        self.canvas = Canvas(host.volume.GetSize(), host.volume.GetSpacing(), host.volume.GetOrigin())
        self.spacing: Spacing = array_spacing(host.volume)
        self.original = sitk.GetArrayFromImage(host.volume).astype(np.float32)
        self.canvas.hu = self.original.copy()
        self.masks = {name: host.masks.array(name) for name in host.masks.present}
        self.grain = Grain.of_scan(self.original)
        self.occupied = np.zeros(self.canvas.shape, bool)
        middle = float(np.median(self.spine.x)) if self.spine else None
        sides = split_lungs(self.masks["lung"], middle) if "lung" in self.masks else None
        self.lungs: dict[str, np.ndarray] = {} if sides is None else dict(zip(("right", "left"), sides, strict=True))

    @functools.cached_property
    def spine(self) -> Spine | None:
        """Course of the spine, if it was found."""
        bone = self.masks.get("bone")
        return None if bone is None else find_spine(self.original, bone, self.spacing)

    @functools.cached_property
    def smooth(self) -> np.ndarray:
        """The scan before planting, without its noise, in HU."""
        return gaussian_filter(self.original, 1.2)

    @functools.cached_property
    def blood_hu(self) -> float:
        """Typical value of the mediastinum's soft tissue: about 40 HU, and more with contrast medium."""
        values = self.smooth[self.masks["mediastinum"]] if "mediastinum" in self.masks else np.zeros(0)
        values = values[(values > 0) & (values < 300)]
        return float(np.median(values)) if values.size else 40.0

    @functools.cached_property
    def lung_depths(self) -> dict[str, np.ndarray]:
        """Side -> distance in mm from the outside of that lung, float32 (z, y, x); 0 outside."""
        return {side: self.depth(mask) for side, mask in self.lungs.items()}

    @functools.cached_property
    def lung_places(self) -> dict[str, LungPlace]:
        """Side -> coordinates within that lung."""
        return {side: LungPlace.of_lung(mask) for side, mask in self.lungs.items()}

    def depth(self, mask: np.ndarray) -> np.ndarray:
        """Return the distance in mm of each voxel of a mask from its outside, float32 (z, y, x); 0 outside."""
        coarse = mask[::_COARSE, ::_COARSE, ::_COARSE]
        distance = distance_transform_edt(coarse, [_COARSE * s for s in self.spacing]).astype(np.float32)
        factors = [n / m for n, m in zip(mask.shape, distance.shape, strict=True)]
        return zoom(distance, factors, order=1, grid_mode=True, mode="nearest") * mask

    def lobe(self, side: str, level: str | None) -> np.ndarray:
        """Return the lung of a side, or the part of it that surely belongs to a lobe, boolean (z, y, x)."""
        lung = self.lungs[side]
        return lung if level is None else lung & self.lung_places[side].is_level(level, side)

    def point(self, allowed: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """Sample a voxel of a mask that is not occupied; return its center as x, y, z in mm, or None without one."""
        candidates = np.flatnonzero(allowed & ~self.occupied)
        if not candidates.size:
            return None
        z, y, x = np.unravel_index(candidates[rng.integers(candidates.size)], self.canvas.shape)
        return self.to_mm((z, y, x))

    def to_mm(self, index: Sequence[float]) -> np.ndarray:
        """Return the position x, y, z in mm of an index z, y, x."""
        return np.add(self.canvas.origin, np.multiply(self.canvas.spacing, list(index)[::-1]))

    def paint(self, shape: Shape, hu: float, rng: np.random.Generator) -> None:
        """Blend tissue of a density into the voxels a shape covers, with the scan's own noise."""
        if shape.coverage.size:
            self.canvas.paint(shape, hu + self.grain.sample(shape.coverage.shape, rng))

    def paint_in_lung(self, shape: Shape, side: str, hu: float, rng: np.random.Generator) -> Shape:
        """Blend tissue that is denser than lung into a lung, up to the tissue around it.

        Returns:
            The part of the shape that lies in the lung or in the blurred edge around it.
        """
        edge = binary_dilation(self.lungs[side][shape.box], iterations=2)
        painted = Shape(shape.box, shape.coverage * edge)
        before = self.canvas.hu[shape.box].copy()
        self.paint(painted, hu, rng)
        np.maximum(self.canvas.hu[shape.box], before, out=self.canvas.hu[shape.box])
        return Shape(shape.box, painted.coverage * (before < hu - _VISIBLE_HU))

    def whole_grid(self, shape: Shape) -> np.ndarray:
        """Return the coverage of a shape on the whole grid, float32 (z, y, x)."""
        coverage = np.zeros(self.canvas.shape, np.float32)
        coverage[shape.box] = shape.coverage
        return coverage

    def whole(self, coverage: np.ndarray) -> Shape:
        """Return a coverage of the whole grid as a shape, cropped to where it is not zero."""
        box = _box_of(coverage > 0)
        return Shape(box, coverage[box])


class LungPlace:
    """Coordinates within one lung: its height from the base, and the distance from its back.

    Attributes:
        height: (z, 1, 1), 0 at the base and 1 at the apex.
        front: (z, y, 1), 0 at the back and 1 at the front of each slice.
        cut: whether the scan ends within the lung, so that lobes cannot be told.
    """

    def __init__(self, height: np.ndarray, front: np.ndarray, *, cut: bool) -> None:
        self.height, self.front, self.cut = height, front, cut

    @classmethod
    def of_lung(cls, lung: np.ndarray) -> LungPlace:
        """Compute the coordinates of a lung, boolean (z, y, x)."""
        areas = lung.sum(axis=(1, 2))
        slices = np.flatnonzero(areas)
        if not slices.size:
            return cls(np.zeros((len(lung), 1, 1)), np.zeros((*lung.shape[:2], 1)), cut=True)
        height = (np.arange(len(lung)) - slices[0]) / max(1, slices[-1] - slices[0])
        rows: np.ndarray = np.logical_or.reduce(lung, axis=2)
        first = np.where(rows.any(axis=1), rows.argmax(axis=1), 0)
        last = np.where(rows.any(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1), 1)
        front = (last[:, None] - np.arange(rows.shape[1])) / np.maximum(last - first, 1)[:, None]
        cut = max(areas[0], areas[-1]) > _CUT_SHARE * areas.max()
        return cls(height[:, None, None], front[:, :, None], cut=bool(cut))

    def is_level(self, level: str, side: str) -> np.ndarray:
        """Return where a lobe surely is, by the usual course of the fissures, boolean (z, y, 1).

        The major fissure runs from the back at 72% of the height to the front of the base; the minor one of the right
        lung lies at 45% of the height.
        """
        above = self.height - 0.72 * (1 - self.front / 0.85)
        if level == "lower":
            return above < -_LEVEL_MARGIN
        if level == "middle":
            return (above > _LEVEL_MARGIN) & (self.height < 0.45 - _LEVEL_MARGIN)
        return (above > _LEVEL_MARGIN) & (self.height > (0.45 + _LEVEL_MARGIN if side == "right" else 0.0))


def _box_of(mask: np.ndarray) -> tuple[slice, slice, slice]:
    lines: list[np.ndarray] = [np.logical_or.reduce(mask, axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    if not lines[0].any():
        return slice(0, 0), slice(0, 0), slice(0, 0)
    z, y, x = (slice(int(line.argmax()), len(line) - int(line[::-1].argmax())) for line in lines)
    return z, y, x

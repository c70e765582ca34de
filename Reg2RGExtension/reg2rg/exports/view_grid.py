"""The view of a CT: the part around the regions, turned to the patient's axes and made as coarse as a screen allows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements.measurement import RasPoint
from reg2rg.report import Report
from reg2rg.segmentation.masks import region_flag

SURROUNDINGS_MM = 30.0
"""What is kept around the regions."""

MAX_VOXELS = 16_000_000
"""More voxels than this are resampled to fewer, so that a page stays below 15 MB."""

AIR_HU = -1024

Index = tuple[float, float, float]
"""Continuous voxel index (x, y, z) into a view."""


@dataclass(frozen=True)
class View:
    """A CT and its regions on one grid whose axes grow toward left, posterior and superior.

    Attributes:
        hu: int16 array (z, y, x), or None without a CT.
        bits: uint16 array (z, y, x) of region bits, as in RegionMasks.
        grid: empty image with the geometry of the arrays.
    """

    hu: np.ndarray | None
    bits: np.ndarray
    grid: sitk.Image

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Size of a voxel in mm (x, y, z)."""
        x, y, z = self.grid.GetSpacing()
        return x, y, z

    def index(self, point: RasPoint) -> Index:
        """Return the voxel of a point in RAS mm."""
        right, anterior, superior = point
        x, y, z = self.grid.TransformPhysicalPointToContinuousIndex((-right, -anterior, superior))
        return x, y, z

    def mask(self, region: str) -> np.ndarray:
        """Return the mask of a region (z, y, x)."""
        return (self.bits & region_flag(region)) != 0

    def resampled(self, mask: np.ndarray, grid: sitk.Image) -> np.ndarray:
        """Return a mask on another grid as a mask (z, y, x) of this view.

        Args:
            mask: boolean array (z, y, x).
            grid: image with its geometry.
        """
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.CopyInformation(grid)
        return sitk.GetArrayFromImage(sitk.Resample(image, self.grid, sitk.Transform(), sitk.sitkNearestNeighbor)) != 0


def make_view(report: Report, volume: sitk.Image | None) -> View:
    """Return the view of a report.

    Args:
        report: a report with a folder.
        volume: the CT in HU that the report was made from. Without it, there are only regions to see.
    """
    masks = report.masks
    spans = list(masks.boxes.values())
    box = []
    for axis, (size, spacing) in enumerate(zip(masks.bits.GetSize(), masks.bits.GetSpacing(), strict=True)):
        margin = round(SURROUNDINGS_MM / spacing)
        start = min(span[2 - axis].start for span in spans) - margin
        stop = max(span[2 - axis].stop for span in spans) + margin
        box.append(slice(max(0, start), min(size, stop)))
    bits = sitk.DICOMOrient(masks.bits[tuple(box)], "LPS")
    grid = _coarse_grid(bits)
    resample: Callable[..., sitk.Image] = sitk.Resample
    bits = resample(bits, grid, sitk.Transform(), sitk.sitkNearestNeighbor)
    hu = None
    if volume is not None:
        turned = sitk.DICOMOrient(volume[tuple(box)], "LPS")
        pairs = zip(turned.GetSpacing(), grid.GetSpacing(), strict=True)
        blur = [0.35 * new if new > 1.25 * old else 0.0 for old, new in pairs]  # against aliasing
        turned = sitk.Cast(turned, sitk.sitkFloat32)
        if any(blur):
            turned = sitk.DiscreteGaussian(turned, [sigma**2 for sigma in blur], 16, 0.02, True)
        resampled = resample(turned, grid, sitk.Transform(), sitk.sitkLinear, AIR_HU)
        hu = np.rint(sitk.GetArrayViewFromImage(resampled)).astype(np.int16)
    return View(hu, sitk.GetArrayFromImage(bits), grid)


def _coarse_grid(image: sitk.Image) -> sitk.Image:
    """Return a grid over an image that has at most MAX_VOXELS voxels, none finer than the image's own."""
    size, spacing = np.array(image.GetSize()), np.array(image.GetSpacing())
    wanted = spacing
    for step in np.arange(float(spacing.min()), 50.0, 0.05):
        wanted = np.maximum(spacing, step)
        if np.prod(np.ceil(size * spacing / wanted)) <= MAX_VOXELS:
            break
    counts = np.maximum(1, np.floor(size * spacing / wanted)).astype(int)
    grid = sitk.Image([int(count) for count in counts], sitk.sitkUInt8)
    grid.SetSpacing([float(mm) for mm in wanted])
    grid.SetDirection(image.GetDirection())
    offset = (wanted - spacing) / 2  # the outer faces of the first voxels coincide
    direction = np.reshape(image.GetDirection(), (3, 3))
    grid.SetOrigin([float(mm) for mm in np.array(image.GetOrigin()) + direction @ offset])
    return grid

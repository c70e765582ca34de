"""Localization: turn finding maps on the regions' crops into locations in the volume."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import SimpleITK as sitk
from scipy import ndimage
from torch import Tensor

from reg2rg.errors import Cancelled
from reg2rg.inference.detection import DetectedRegion
from reg2rg.labeler import possible_labels
from reg2rg.preprocessing import Crop
from reg2rg.report import Finding, Location, segment_id
from reg2rg.runtime.callbacks import ShouldCancel, never_cancel
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.volumes.geometry import Box

OUTLINE_THRESHOLD = 0.25
"""A map with a lower peak shows where to look rather than what is there, so it gets no outline. At such a peak, another
finding or none at all is three times as probable."""

MAX_FOCAL_SHARE = 1 / 3
"""A map that exceeds half its peak in more than this share of its region is diffuse, not focal."""

SAMPLED_VOXELS = 2_000_000
"""Number of voxels that is enough to estimate what share of its box a region fills."""


@dataclass(frozen=True)
class Outline:
    """The voxels of a located finding.

    Attributes:
        region: the region that the finding is in.
        label: the finding.
        box: part of the volume's array (z, y, x).
        mask: boolean array over ``box``.
    """

    region: str
    label: str
    box: Box
    mask: np.ndarray


@dataclass(frozen=True)
class LocatedFindings:
    """Findings with their locations.

    Attributes:
        findings: region -> its findings, most probable first.
        outlines: outlines of the findings that have a segment.
    """

    findings: Mapping[str, tuple[Finding, ...]]
    outlines: tuple[Outline, ...]


@dataclass(frozen=True)
class _Focus:
    """Where a finding map is high.

    Attributes:
        location: the location, without its lobe.
        box: part of the volume's array (z, y, x).
        mask: boolean array over ``box``.
        has_outline: whether the map is strong enough for an outline.
    """

    location: Location
    box: Box
    mask: np.ndarray
    has_outline: bool


def locate_findings(
    detected: Mapping[str, DetectedRegion],
    crops: Mapping[str, Crop],
    masks: RegionMasks,
    should_cancel: ShouldCancel = never_cancel,
) -> LocatedFindings:
    """Locate the detected findings of each region in the volume. Findings that the region cannot have are left out.

    Args:
        detected: region -> what the finding head says about it.
        crops: region -> its crop.
        masks: the region masks.
        should_cancel: checked between regions.

    Raises:
        Cancelled: ``should_cancel`` returned True.
    """
    findings: dict[str, tuple[Finding, ...]] = {}
    outlines: list[Outline] = []
    for region, detections in detected.items():
        possible = possible_labels(region)
        if should_cancel():
            raise Cancelled("Cancelled while locating findings.")
        located = []
        for finding in (finding for finding in detections.findings if finding.label in possible):
            values = detections.maps.get(finding.label)
            focus = _locate(values, region, crops[region], masks) if values is not None and finding.detected else None
            if focus is not None:
                finding = replace(finding, location=focus.location)
                if focus.has_outline:
                    finding = replace(finding, segment=segment_id(region, finding.label))
                    outlines.append(Outline(region, finding.label, focus.box, focus.mask))
            located.append(finding)
        findings[region] = tuple(located)
    return LocatedFindings(findings, tuple(outlines))


def _locate(values: Tensor, region: str, crop: Crop, masks: RegionMasks) -> _Focus | None:
    """Return where a finding map is high.

    This is the part of the region that is above half of the map's peak and connected to the peak. If the map is
    diffuse, it is everything above half of the peak.

    Args:
        values: finding map in [0, 1] on a grid over the region's crop, in model axes.
        region: name of the region.
        crop: the region's crop.
        masks: the region masks.

    Returns:
        The focus, or None if no such voxel is inside the region.
    """
    grid = np.ascontiguousarray(crop.in_array_order(values).numpy())
    shape = tuple(span.stop - span.start for span in crop.box)
    peak = np.unravel_index(grid.argmax(), grid.shape)
    half_peak = grid[peak] / 2
    components, _ = ndimage.label(grid >= half_peak, np.ones((3, 3, 3)))
    spread = np.count_nonzero(components) / grid.size > MAX_FOCAL_SHARE * _filled_share(region, crop.box, masks)
    other_components = (components > 0) & (components != components[peak]) & (not spread)
    cells = _bounding_box((components > 0) & ~other_components)
    assert cells is not None  # the peak is always in it
    part = voxels_of_cells(cells, grid.shape, shape)
    box = _shifted(part, crop.box)
    mask = upsampled_mask(np.where(other_components, 0, grid), half_peak, shape, part) & masks.array(region, box)
    inner = _bounding_box(mask)
    if inner is None:
        return None
    mask, box = mask[inner], _shifted(inner, box)
    if spread:
        center = [
            span.start + (cell + 0.5) * length / count - 0.5 - outer.start
            for span, cell, length, count, outer in zip(crop.box, peak, shape, grid.shape, box, strict=True)
        ]
    else:
        center = _center_of_mass(mask)
    voxel = [span.start + index for span, index in zip(box, _nearest_voxel(mask, center), strict=True)]
    strong = bool(grid[peak] >= OUTLINE_THRESHOLD)
    location = Location(
        point_ras=_to_ras(masks.bits, voxel),
        extent_mm=_extent_mm(mask, masks.bits),
        lobe=None,
        focal=strong and not spread,
    )
    return _Focus(location, box, mask, has_outline=strong)


def voxels_of_cells(cells: Box, grid: tuple[int, ...], shape: tuple[int, ...]) -> Box:
    """Return the voxels whose interpolated values depend on the given cells of a grid.

    Args:
        cells: part of the grid (z, y, x).
        grid: number of cells along each axis.
        shape: number of voxels along each axis that the grid covers.
    """
    spans = []
    for span, count, length in zip(cells, grid, shape, strict=True):
        first, end = (span.start - 0.5) * length / count, (span.stop + 0.5) * length / count
        spans.append(slice(max(0, int(first)), min(length, int(np.ceil(end)))))
    return cast(Box, tuple(spans))


def upsampled_mask(values: np.ndarray, level: float, shape: tuple[int, ...], part: Box) -> np.ndarray:
    """Return where an upsampled map reaches a level, without upsampling all of it.

    Args:
        values: map (z, y, x).
        level: the level.
        shape: number of voxels (z, y, x) that the map covers.
        part: the voxels to compute.

    Returns:
        Boolean array over ``part``, from linear interpolation between cell centers, as in ``Crop.to_volume``.
    """
    z, y, x = (_weights(*lengths) for lengths in zip(values.shape, shape, part, strict=True))
    result = np.empty([len(weights) for weights in (z, y, x)], bool)
    rows = np.einsum("yj,ijk,xk->iyx", y, values, x, optimize=True)
    for index, weights in enumerate(z):
        lower, upper = np.flatnonzero(weights)[[0, -1]]
        plane = weights[lower] * rows[lower]
        if upper != lower:
            plane += weights[upper] * rows[upper]
        np.greater_equal(plane, level, out=result[index])
    return result


def _weights(count: int, length: int, span: slice) -> np.ndarray:
    """Return the weight of each of ``count`` cells in each voxel of a span, (voxels, cells)."""
    position = ((np.arange(span.start, span.stop) + 0.5) * count / length - 0.5).clip(0, count - 1)
    return np.maximum(0, 1 - np.abs(position[:, None] - np.arange(count))).astype(np.float32)


def _filled_share(region: str, box: Box, masks: RegionMasks) -> float:
    """Estimate what share of a box a region fills, from some of the slices."""
    z, y, x = box
    plane = (y.stop - y.start) * (x.stop - x.start)
    step = 1 + (z.stop - z.start) * plane // SAMPLED_VOXELS
    return float(masks.array(region, (slice(z.start, z.stop, step), y, x)).mean())


def _shifted(box: Box, outer: Box) -> Box:
    """Translate a box given relative to ``outer`` into the coordinates in which ``outer`` is given."""
    return cast(Box, tuple(slice(o.start + b.start, o.start + b.stop) for b, o in zip(box, outer, strict=True)))


def _bounding_box(mask: np.ndarray) -> Box | None:
    return ndimage.find_objects(mask.view(np.uint8), 1)[0]


def _center_of_mass(mask: np.ndarray) -> list[float]:
    counts = [np.count_nonzero(mask, axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    return [float(np.average(np.arange(len(count)), weights=count)) for count in counts]


def _nearest_voxel(mask: np.ndarray, point: Sequence[float]) -> tuple[int, ...]:
    """Return the voxel of a non-empty mask that is nearest to a point, searching in growing windows around it."""
    start = [min(max(round(p), 0), n - 1) for p, n in zip(point, mask.shape, strict=True)]
    reach = 0
    while True:
        window = tuple(slice(max(0, s - reach), s + reach + 1) for s in start)
        voxels = np.argwhere(mask[window])
        if len(voxels):
            voxels += [span.start for span in window]
            return tuple(map(int, voxels[np.square(voxels - point).sum(axis=1).argmin()]))
        reach = 2 * reach + 1


def _to_ras(image: sitk.Image, voxel: Sequence[int]) -> tuple[float, float, float]:
    """Return the center of a voxel (z, y, x) in mm (right, anterior, superior)."""
    x, y, z = image.TransformIndexToPhysicalPoint([int(index) for index in voxel[::-1]])
    return round(-x, 2), round(-y, 2), round(z, 2)


def _extent_mm(mask: np.ndarray, image: sitk.Image) -> tuple[float, float, float]:
    """Return the size of a mask (z, y, x) along right, anterior and superior in mm, including the outer voxels."""
    steps = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()  # mm along each axis per step of x, y, z
    lines = np.argwhere(mask.any(axis=2))  # the outermost voxel in any direction is at the end of a line
    rows = mask[lines[:, 0], lines[:, 1]]
    ends = np.concatenate([rows.argmax(axis=1), mask.shape[2] - 1 - rows[:, ::-1].argmax(axis=1)])
    points = np.column_stack([ends, np.tile(lines[:, ::-1], (2, 1))]) @ steps.T
    extent = np.ptp(points, axis=0) + np.abs(steps).sum(axis=1)
    return round(float(extent[0]), 1), round(float(extent[1]), 1), round(float(extent[2]), 1)

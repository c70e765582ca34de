"""From a finding map to a spot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from reg2rg.errors import Cancelled
from reg2rg.report.located_finding import SEEN_FROM, LocatedFinding, Spot
from reg2rg.runtime.callbacks import ShouldCancel, never_cancel
from reg2rg.segmentation.masks import Box, RegionMasks

if TYPE_CHECKING:
    from torch import Tensor

    from reg2rg.inference import SeenFinding
    from reg2rg.preprocessing import Crop


def voxels_around(cells: Box, grid: tuple[int, ...], shape: tuple[int, ...]) -> Box:
    """The part of a crop of ``shape`` voxels whose values depend on the given cells of a ``grid`` over it."""
    spans = []
    for span, count, length in zip(cells, grid, shape, strict=True):
        first, end = (span.start - 0.5) * length / count, (span.stop + 0.5) * length / count
        spans.append(slice(max(0, int(first)), min(length, int(np.ceil(end)))))
    return tuple(spans)


def above(values: np.ndarray, level: float, shape: tuple[int, ...], part: Box) -> np.ndarray:
    """Where a map (z, y, x) reaches a level, on ``part`` of the ``shape`` voxels it lies over; boolean, linear between
    the centres of its cells, like Crop.to_volume."""
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
    """What each of ``count`` cells gives to each voxel of a span of the ``length`` voxels over them, (span, count)."""
    place = ((np.arange(span.start, span.stop) + 0.5) * count / length - 0.5).clip(0, count - 1)
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(count))).astype(np.float32)


STRONG_FROM = 0.25
"""A map whose peak is lower shows where to look rather than what: in its best cell, three times as much speaks for
something else or for nothing."""

SPOT_SHARE = 1 / 3
"""What fills more of its region than this is no spot in it."""

COUNTED_VOXELS = 2_000_000
"""How many voxels of a region's box are enough to know how much of it the region fills."""


def locate_findings(
    findings: Mapping[str, Sequence[SeenFinding]],
    crops: Mapping[str, Crop],
    masks: RegionMasks,
    should_cancel: ShouldCancel = never_cancel,
) -> dict[str, tuple[LocatedFinding, ...]]:
    """Region -> its findings in their order, those that the head sees with their spots; Cancelled when asked for."""
    located = {}
    for region, of_region in findings.items():
        if should_cancel():
            raise Cancelled("Cancelled while findings were located.")
        located[region] = tuple(
            LocatedFinding(f.label, f.probability, f.side, f.level, f.size_mm, _spot(f, region, crops[region], masks))
            for f in of_region
        )
    return located


def _spot(finding: SeenFinding, region: str, crop: Crop, masks: RegionMasks) -> Spot | None:
    seen = finding.map is not None and finding.probability >= SEEN_FROM
    return locate(finding.map, region, crop, masks) if seen else None


def locate(values: Tensor, region: str, crop: Crop, masks: RegionMasks) -> Spot | None:
    """The spot of a finding map, ``values`` in [0, 1] on a grid over the region's crop, in model axes.

    It is what of the region lies above half the map's peak and hangs together with the peak; where the map is spread,
    all above half the peak. None if that lies outside the region.
    """
    grid = np.ascontiguousarray(crop.in_array_order(values).numpy())
    shape = tuple(span.stop - span.start for span in crop.box)
    peak = np.unravel_index(grid.argmax(), grid.shape)
    labels, _ = ndimage.label(grid >= grid[peak] / 2, np.ones((3, 3, 3)))
    spread = np.count_nonzero(labels) / grid.size > SPOT_SHARE * _share_of(region, crop.box, masks)
    others = (labels > 0) & (labels != labels[peak]) & (not spread)
    cells = _box_of((labels > 0) & ~others)
    part = voxels_around(cells, grid.shape, shape)
    box = tuple(slice(c.start + p.start, c.start + p.stop) for c, p in zip(crop.box, part, strict=True))
    mask = above(np.where(others, 0, grid), grid[peak] / 2, shape, part) & masks.array(region, box)
    inner = _box_of(mask)
    if inner is None:
        return None
    mask, box = mask[inner], tuple(slice(b.start + i.start, b.start + i.stop) for b, i in zip(box, inner, strict=True))
    middle = _centre_of(mask)
    if spread:
        middle = [
            c.start + (cell + 0.5) * n / count - 0.5 - b.start
            for c, cell, n, count, b in zip(crop.box, peak, shape, grid.shape, box, strict=True)
        ]
    voxel = _nearest(mask, middle)
    strong = bool(grid[peak] >= STRONG_FROM)
    point = _ras(masks.bits, [b.start + v for b, v in zip(box, voxel, strict=True)])
    return Spot(point, _extent_mm(mask, masks.bits), strong and not spread, box, mask if strong else None)


def _share_of(region: str, box: Box, masks: RegionMasks) -> float:
    """How much of a box a region fills, from some of its slices."""
    z, y, x = box
    plane = (y.stop - y.start) * (x.stop - x.start)
    step = 1 + (z.stop - z.start) * plane // COUNTED_VOXELS
    return float(masks.array(region, (slice(z.start, z.stop, step), y, x)).mean())


def _box_of(mask: np.ndarray) -> Box | None:
    return ndimage.find_objects(mask.view(np.uint8), 1)[0]


def _centre_of(mask: np.ndarray) -> list[float]:
    counts = [np.count_nonzero(mask, axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    return [float(np.average(np.arange(len(count)), weights=count)) for count in counts]


def _nearest(mask: np.ndarray, place: Sequence[float]) -> tuple[int, ...]:
    """The voxel of a mask, which is not empty, that is next to a place: searched for around it."""
    start = [min(max(round(p), 0), n - 1) for p, n in zip(place, mask.shape, strict=True)]
    reach = 0
    while True:
        window = tuple(slice(max(0, s - reach), s + reach + 1) for s in start)
        voxels = np.argwhere(mask[window])
        if len(voxels):
            voxels += [span.start for span in window]
            return tuple(map(int, voxels[np.square(voxels - place).sum(axis=1).argmin()]))
        reach = 2 * reach + 1


def _ras(image: sitk.Image, voxel: Sequence[int]) -> tuple[float, float, float]:
    x, y, z = image.TransformIndexToPhysicalPoint([int(index) for index in voxel[::-1]])
    return round(-x, 2), round(-y, 2), round(z, 2)


def _extent_mm(mask: np.ndarray, image: sitk.Image) -> tuple[float, float, float]:
    """How far a mask (z, y, x) reaches along right, anterior and superior, its outer voxels included."""
    steps = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()  # mm along each axis per step of x, y, z
    lines = np.argwhere(mask.any(axis=2))  # what is outermost in any direction lies at an end of a line
    rows = mask[lines[:, 0], lines[:, 1]]
    ends = np.concatenate([rows.argmax(axis=1), mask.shape[2] - 1 - rows[:, ::-1].argmax(axis=1)])
    points = np.column_stack([ends, np.tile(lines[:, ::-1], (2, 1))]) @ steps.T
    return tuple(round(float(mm), 1) for mm in np.ptp(points, axis=0) + np.abs(steps).sum(axis=1))

"""Structures estimated from region masks and HU, for segmenters that find the ten regions only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from reg2rg.runtime.threads import two_threads
from reg2rg.segmentation.bright_aorta import descending_aorta
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import components
from reg2rg.segmentation.structures import (
    BODY_HU,
    MAX_UNNUMBERED_VERTEBRAE,
    STRUCTURE_REGIONS,
    Part,
    Structures,
    structure_label,
)
from reg2rg.segmentation.thresholds.spine import Spine, find_spine, search_area
from reg2rg.volumes.geometry import Spacing, array_spacing, image_like, oriented

NOT_DISTINGUISHED = "the segmenter finds regions, not single organs"

SPINE_PIXEL_MM = 2.0
"""Size of the pixels in which the spine is looked for; it needs no finer ones."""

MAX_BEYOND_SPINE = 0.05
"""Largest share of a single lung beyond the spine; of two lungs, the smaller one is more."""

_BODY_RADIUS_MM = (9.0, 24.0)
"""Smallest and largest plausible radius of a vertebral body in the axial plane."""
_CANAL_RADIUS_MM, _DEPTH_MM, _HALF_WIDTH_MM = 7.0, 42.0, 30.0
"""Radius of the spinal canal, greatest depth of a vertebral body before it, and half the width that is searched."""
_VERTEBRA_PITCH_MM = (14.0, 42.0)
"""Smallest and largest plausible distance between neighboring discs."""


def find_structures(volume: sitk.Image, masks: RegionMasks) -> Structures:
    """Return the structures of a volume: those of the segmenter, and what can be estimated from the regions.

    Args:
        volume: image in HU, of any orientation.
        masks: the regions on the same grid.
    """
    turned = masks.oriented("LPS")
    known = turned.structures
    present = known.present if known is not None else ()
    parts, approximate, missing = _estimate(oriented(volume, "LPS"), turned, present)
    method = f"regions from {masks.segmenter}"
    labels = np.zeros(turned.bits.GetSize()[::-1], np.uint8)
    for name, part in parts.items():
        labels[part.box][part.mask] = structure_label(name)
    if known is not None:
        given = sitk.GetArrayViewFromImage(known.labels)
        np.copyto(labels, given, where=given > 0)
        method, approximate, missing = known.method, known.approximate | approximate, {**missing, **known.missing}
    return Structures(image_like(labels, turned.bits), method, approximate, missing).on_grid_of(volume)


def _estimate(
    volume: sitk.Image, masks: RegionMasks, known: Sequence[str]
) -> tuple[dict[str, Part], frozenset[str], dict[str, str]]:
    """Estimate the structures that follow from the regions.

    The lungs are split into left and right. Trachea, heart and thyroid are those of the regions. Vertebral bodies are
    found along the spine, between the discs, and numbered from the head downward because their levels are unknown. In
    scans with contrast medium, the descending aorta is found beside the spine.

    Args:
        volume: image in HU with LPS axes.
        masks: the regions on the same grid.
        known: structures that the segmenter found; they and others of their kind are not estimated.

    Returns:
        The structures, the names of those that are approximate, and the reasons for those that are missing.
    """
    parts: dict[str, Part] = {}
    approximate: set[str] = set()
    missing = dict.fromkeys(("pulmonary_artery", "liver", "spleen"), NOT_DISTINGUISHED)
    kinds = {STRUCTURE_REGIONS[name] for name in known}
    hu = sitk.GetArrayViewFromImage(volume)
    needs_vertebrae, needs_aorta = "bone" in masks.present and "bone" not in kinds, "aorta" not in known
    spine = None
    if needs_vertebrae or needs_aorta:
        bone = masks.array("bone") if "bone" in masks.present else hu > BODY_HU
        spine = _find_spine(hu, bone, array_spacing(volume))
    needs_lungs = "lung" in masks.present and "lung" not in kinds
    with two_threads() as pool:
        vertebrae = pool.submit(_vertebral_bodies, hu, bone, spine) if needs_vertebrae and spine is not None else None
        bright_tube = pool.submit(descending_aorta, hu, spine) if needs_aorta and spine is not None else None
        sides = pool.submit(_sides_of_lungs, masks, spine) if needs_lungs else None
    if needs_vertebrae:
        bodies = vertebrae.result() if vertebrae is not None else []
        for number, body in enumerate(bodies[:MAX_UNNUMBERED_VERTEBRAE], start=1):
            parts[f"vertebra_{number}"] = body
            approximate.add(f"vertebra_{number}")
        if not bodies:
            missing["vertebrae"] = "no row of vertebral bodies was found"
    if needs_aorta:
        aorta = bright_tube.result() if bright_tube is not None else None
        if aorta is None:
            missing["aorta"] = "it cannot be delineated without contrast medium"
        else:
            parts["aorta"] = aorta
            approximate.add("aorta")
    for region, structure in (("thyroid", "thyroid_gland"), ("heart", "heart"), ("trachea and bronchie", "trachea")):
        if structure in known:
            continue
        if region not in masks.present:
            missing[structure] = masks.missing[region]
            continue
        parts[structure] = Part(masks.boxes[region], masks.array(region, masks.boxes[region]))
        if region in masks.approximate:
            approximate.add(structure)
    if sides is not None:
        for structure, side in zip(("lung_right", "lung_left"), sides.result(), strict=True):
            if side.any():
                parts[structure] = Part(masks.boxes["lung"], side)
            else:
                missing[structure] = "the lungs' region lies on the other side of the spine"
        if "lung" in masks.approximate:
            approximate |= {"lung_right", "lung_left"}
    return parts, frozenset(approximate), missing


def _sides_of_lungs(masks: RegionMasks, spine: Spine | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the right and the left lung over the box of both."""
    box = masks.boxes["lung"]
    spine_column = None if spine is None else round(float(np.median(spine.x))) - box[2].start
    return split_lungs(masks.array("lung", box), spine_column)


def _find_spine(hu: np.ndarray, bone: np.ndarray, spacing: Spacing) -> Spine | None:
    """Find the spine of a volume in HU with LPS axes, given its bones or its body; None if its canal is not seen."""
    z, y, x = spacing
    step = max(1, round(SPINE_PIXEL_MM / x))
    rows, columns = (size // step * step for size in hu.shape[1:])
    coarse_bone, coarse_spacing = bone[:, :rows:step, :columns:step], (z, y * step, x * step)
    area = (slice(None), *search_area(coarse_bone, coarse_spacing))
    fine_area = tuple(slice((part.start or 0) * step, part.stop and part.stop * step) for part in area)
    coarse = np.empty(coarse_bone.shape, np.float32)  # uses no memory where nothing is written
    # Noise would break the ring of bone around the canal.
    coarse[area] = _block_means(hu[:, :rows, :columns][fine_area], step)
    spine = find_spine(coarse, coarse_bone, coarse_spacing)
    if spine is None:
        return None
    middle = (step - 1) / 2
    return Spine(spine.x * step + middle, spine.canal_y * step + middle, spacing)


def _block_means(hu: np.ndarray, step: int) -> np.ndarray:
    """Return the means of blocks of ``step`` x ``step`` pixels, several times as fast as ``mean`` over two axes."""
    total = np.zeros((len(hu), hu.shape[1] // step, hu.shape[2] // step), np.float32)
    for row in range(step):
        band = hu[:, row::step, ::step].astype(np.float32)
        for column in range(1, step):
            band += hu[:, row::step, column::step]
        total += band
    return total / np.float32(step**2)


def split_lungs(lungs: np.ndarray, spine_column: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Split the lungs into right and left.

    Components on one side of the midline belong to that side. A component that spans both is cut where it is thinnest
    near the midline, slice by slice. Lungs that lie on one side of the spine are a single lung.

    Args:
        lungs: boolean (z, y, x) with LPS axes.
        spine_column: column of the spine; None if it is unknown.

    Returns:
        The right and the left lung.
    """
    columns = np.flatnonzero(lungs.any(axis=(0, 1)))
    if not columns.size:
        return lungs.copy(), lungs.copy()
    if spine_column is not None:
        share = lungs[:, :, : max(0, round(spine_column))].sum() / lungs.sum()
        if share > 1 - MAX_BEYOND_SPINE or share < MAX_BEYOND_SPINE:
            nothing = np.zeros_like(lungs)
            return (lungs.copy(), nothing) if share > 0.5 else (nothing, lungs.copy())
    middle = (columns[0] + columns[-1]) // 2
    right, left = np.zeros_like(lungs), np.zeros_like(lungs)
    labels, sizes = components(lungs)
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == label
        start, stop = box[2].start, box[2].stop
        on_right = part[:, :, : max(0, middle - start)].sum()
        share = on_right / sizes[label - 1]
        if share > 0.9:
            right[box] |= part
        elif share < 0.1:
            left[box] |= part
        else:
            cut = _thinnest_columns(part, middle - start, (stop - start) // 8)
            is_right = np.arange(part.shape[2])[None, None, :] < cut[:, None, None]
            right[box] |= part & is_right
            left[box] |= part & ~is_right
    return right, left


def _thinnest_columns(part: np.ndarray, middle: int, reach: int) -> np.ndarray:
    """Return per slice the column near the middle with the fewest voxels, smoothed along z."""
    low, high = max(0, middle - reach), min(part.shape[2], middle + reach + 1)
    counts = ndimage.uniform_filter1d(part[:, :, low:high].sum(axis=1).astype(float), 5, axis=0)
    distance = np.abs(np.arange(low, high) - middle) / max(reach, 1)
    return low + np.argmin(counts + distance, axis=1)


def _vertebral_bodies(hu: np.ndarray, bone: np.ndarray, spine: Spine) -> list[Part]:
    """Return the vertebral bodies along the spine, from the head downward; empty if no row of them is found."""
    spacing = spine.spacing
    path = _spine_path(bone, spine)
    if path is None:
        return []
    bodies = []
    slices, centers, radius = path
    density = np.array(
        [_disc_mean(hu[z], center, 0.6 * radius, spacing) for z, center in zip(slices, centers, strict=True)]
    )
    step = spacing[0]
    smooth = ndimage.gaussian_filter1d(density, 2.0 / step)
    baseline = ndimage.gaussian_filter1d(density, 18.0 / step)
    discs = _minima(smooth - baseline, step)
    for top, bottom in pairwise(discs):
        length = (bottom - top) * step
        if not _VERTEBRA_PITCH_MM[0] <= length <= _VERTEBRA_PITCH_MM[1]:
            continue
        margin = max(1, round(0.12 * (bottom - top)))
        lowest = slices[bottom]
        body = np.zeros((slices[top] + 1 - lowest, *bone.shape[1:]), bool)
        for index in range(top + margin, bottom - margin + 1):
            box, disc = _disc(bone.shape[1:], centers[index], 0.9 * radius, spacing)
            body[slices[index] - lowest][box] = disc
        bodies.append(Part((slice(lowest, slices[top] + 1), slice(None), slice(None)), body))
    return bodies


def _spine_path(bone: np.ndarray, spine: Spine) -> tuple[list[int], list[np.ndarray], float] | None:
    """Return the course of the vertebral bodies, which lie in front of the spinal canal.

    Returns:
        Slices from the head downward, the center (row, column) in each, and the typical radius in mm; None if there are
        no bodies.
    """
    spacing = spine.spacing
    radii = []
    half, depth = round(_HALF_WIDTH_MM / spacing[2]), round(_DEPTH_MM / spacing[1])
    backs = np.rint(spine.canal_y - _CANAL_RADIUS_MM / spacing[1]).astype(int)
    for plane, back, column in zip(bone, backs, np.rint(spine.x).astype(int), strict=True):
        front, low = max(0, back - depth), max(0, column - half)
        near = plane[front : back + depth, low : low + 2 * half]  # the arch closes the outline behind
        solid = ndimage.binary_fill_holes(ndimage.binary_closing(near, iterations=2))[: max(0, back - front)]
        distance = ndimage.distance_transform_edt(np.pad(solid, 1), sampling=spacing[1:])
        if _BODY_RADIUS_MM[0] <= distance.max() <= _BODY_RADIUS_MM[1]:
            radii.append(float(distance.max()))
    if len(radii) * spacing[0] < 40 or len(radii) < 0.3 * len(bone):
        return None
    radius = float(np.median(radii))
    centers = np.stack([backs - radius / spacing[1], spine.x], axis=1)
    slices = [z for z in range(len(bone) - 1, -1, -1) if bone[z].any()]
    return slices, [centers[z] for z in slices], radius


def _disc(
    shape: tuple[int, ...], center: np.ndarray, radius: float, spacing: Spacing
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Return a box (y, x) in an axial slice, and the disc as a mask over it."""
    box = tuple(
        slice(max(0, int(c - radius / s)), max(0, min(size, int(c + radius / s) + 2)))
        for c, s, size in zip(center, spacing[1:], shape, strict=True)
    )
    rows, columns = np.ogrid[box]
    disc = ((rows - center[0]) * spacing[1]) ** 2 + ((columns - center[1]) * spacing[2]) ** 2 <= radius**2
    return (box[0], box[1]), disc


def _disc_mean(plane: np.ndarray, center: np.ndarray, radius: float, spacing: Spacing) -> float:
    box, disc = _disc(plane.shape, center, radius, spacing)
    return float(plane[box][disc].mean())


def _minima(profile: np.ndarray, step: float) -> list[int]:
    """Return the indices of the discs: minima at least as far apart as the smallest vertebra."""
    from scipy.signal import find_peaks

    distance = max(1, round(_VERTEBRA_PITCH_MM[0] / step))
    spread = float(np.std(profile))
    peaks, _ = find_peaks(-profile, distance=distance, prominence=0.7 * spread)
    return [int(peak) for peak in peaks]

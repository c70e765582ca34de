"""Three orthogonal slices of a CT with its regions and marked findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw
from scipy import ndimage

from reg2rg.exports.marks import Mark, draw_marks
from reg2rg.exports.text_column import TEXT, Color, load_font
from reg2rg.regions import Window, get_region
from reg2rg.segmentation.masks import RegionMasks, region_flag, region_index
from reg2rg.volumes.geometry import Box, array_spacing, lps_corner, lps_view

SLICES_WIDTH = 760
WINDOW = Window(-250, 1500)
"""Wide enough for lung and soft tissue in one picture."""

OPACITY = 0.28
SURROUNDINGS_MM = 45
CENTER_REGIONS = ("heart", "mediastinum", "lung")
"""Without a marked finding, the slices pass through the first of these regions that is present."""


@dataclass(frozen=True)
class Overlay:
    """A mask to draw over a slice.

    Attributes:
        mask: boolean array (rows, columns).
        color: red, green, blue, 0 to 255.
    """

    mask: np.ndarray
    color: Color


def draw_slices(volume: sitk.Image, masks: RegionMasks, marks: list[Mark], background: Color) -> Image.Image:
    """Draw an axial slice above a coronal and a sagittal slice.

    The slices are in radiological convention (the patient's right is on the left) and pass through the first mark.

    Args:
        volume: the CT in HU.
        masks: the region masks.
        marks: the findings to mark, most important first.
        background: color around the slices.

    Returns:
        A picture SLICES_WIDTH pixels wide.
    """
    box = _box_of_regions(volume, masks)
    hu, bits, corner = lps_view(volume, box), lps_view(masks.bits, box), lps_corner(volume, box)
    center = marks[0].voxel(corner) if marks else _center_of_region(bits, masks)
    z, y, x = (min(max(round(index), 0), size - 1) for index, size in zip(center, hu.shape, strict=True))
    slices_of_hu, slices_of_bits = (_slices(each, (z, y, x)) for each in (hu, bits))
    sz, sy, sx = array_spacing(corner)
    spacings = ((sy, sx), (sz, sx), (sz, sy))
    planes = zip(slices_of_hu, slices_of_bits, spacings, ("RLAP", "RLSI", "APSI"), strict=True)
    regions = [get_region(name) for name in masks.present]

    def overlays(bits: np.ndarray) -> list[Overlay]:
        return [Overlay(((bits >> region_index(region.name)) & 1) != 0, region.color) for region in regions]

    sizes = [(SLICES_WIDTH, 470), *[((SLICES_WIDTH - 10) // 2, 380)] * 2]
    pictures = [
        draw_plane(hu, overlays(bits), spacing, letters, size)
        for (hu, bits, spacing, letters), size in zip(planes, sizes, strict=True)
    ]
    for picture, axis, index in zip(pictures, range(3), (z, y, x), strict=True):
        draw_marks(picture, corner, hu.shape, marks, axis, index)
    axial, coronal, sagittal = pictures
    lower_height = max(coronal.height, sagittal.height)
    sheet = Image.new("RGB", (SLICES_WIDTH, axial.height + 10 + lower_height), background)
    sheet.paste(axial, ((SLICES_WIDTH - axial.width) // 2, 0))
    sheet.paste(coronal, (0, axial.height + 10))
    sheet.paste(sagittal, (SLICES_WIDTH - sagittal.width, axial.height + 10))
    return sheet


def _box_of_regions(volume: sitk.Image, masks: RegionMasks) -> Box:
    """Return the part of the volume's array without most of the table and the surrounding air."""
    box = []
    for axis, (size, spacing) in enumerate(zip(volume.GetSize()[::-1], array_spacing(volume), strict=True)):
        spans = [region[axis] for region in masks.boxes.values()]
        margin = round(SURROUNDINGS_MM / spacing)
        start, end = min(span.start for span in spans) - margin, max(span.stop for span in spans) + margin
        box.append(slice(max(0, start), min(size, end)))
    return box[0], box[1], box[2]


def _slices(voxels: np.ndarray, center: tuple[int, int, int]) -> list[np.ndarray]:
    """Return the axial, the coronal and the sagittal slice with LPS axes through a voxel (z, y, x), head up."""
    z, y, x = center
    return [voxels[z], voxels[::-1, y], voxels[::-1, :, x]]


def _center_of_region(bits: np.ndarray, masks: RegionMasks) -> tuple[float, ...]:
    """Return the center of mass (z, y, x) of the region that the slices pass through."""
    name = next((name for name in CENTER_REGIONS if name in masks.present), masks.present[0])
    counts = [np.zeros(size, np.int64) for size in bits.shape]
    for z, plane in enumerate(bits):
        inside = (plane & region_flag(name)) != 0
        counts[0][z] = np.count_nonzero(inside)
        counts[1] += np.count_nonzero(inside, axis=1)
        counts[2] += np.count_nonzero(inside, axis=0)
    return tuple(float(np.average(np.arange(len(count)), weights=count)) for count in counts)


def draw_plane(
    hu: np.ndarray,
    overlays: Sequence[Overlay],
    spacing: tuple[float, float],
    letters: str,
    available: tuple[int, int],
    window: Window = WINDOW,
) -> Image.Image:
    """Draw one slice as large as will fit, with tinted and outlined masks.

    Args:
        hu: (rows, columns) HU.
        overlays: the masks to draw, in any order.
        spacing: mm per row and column.
        letters: orientation letters for left, right, top and bottom.
        available: available width and height in pixels.
        window: display window.
    """
    rows, columns = hu.shape[0] * spacing[0], hu.shape[1] * spacing[1]
    scale = min(available[0] / columns, available[1] / rows)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    low, high = window.bounds
    gray = np.clip((hu - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    picture = np.array(Image.fromarray(gray).resize(size, Image.Resampling.BILINEAR).convert("RGB"), np.float32)
    # Large masks first: the heart is inside the mediastinum and must be drawn over it.
    for overlay in sorted(overlays, key=lambda overlay: -int(overlay.mask.sum())):
        mask = Image.fromarray(overlay.mask.astype(np.uint8) * 255)
        inside = np.asarray(mask.resize(size, Image.Resampling.BILINEAR)) > 127
        outline = inside & ~ndimage.binary_erosion(inside, iterations=2)
        color = np.array(overlay.color, np.float32)
        picture[inside] = (1 - OPACITY) * picture[inside] + OPACITY * color
        picture[outline] = color
    image = Image.fromarray(picture.astype(np.uint8))
    draw, (w, h) = ImageDraw.Draw(image), size
    places = ((8, h // 2, "lm"), (w - 8, h // 2, "rm"), (w // 2, 6, "ma"), (w // 2, h - 6, "md"))
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        draw.text((x, y), letter, font=load_font(18), fill=TEXT, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0))
    return image

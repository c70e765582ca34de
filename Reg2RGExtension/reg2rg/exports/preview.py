"""One picture of a report: three orthogonal slices with coloured regions and marked findings beside the sections."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from reg2rg.exports.marks import Mark, draw_marks, marks_of
from reg2rg.exports.text import measured, shown_findings, warnings_of, warnings_of_report
from reg2rg.regions import Region, Window, get_region, in_reading_order
from reg2rg.report import Report, Section, finding_words
from reg2rg.segmentation.masks import RegionMasks, region_flag, region_index

WIDTH, LEAST_HEIGHT, MARGIN = 1720, 900, 24
IMAGE_WIDTH = 760
BACKGROUND, PANEL, TEXT, FAINT, WARNING = (18, 20, 23), (30, 33, 38), (232, 234, 237), (160, 166, 174), (255, 196, 87)
WINDOW = Window(-250, 1500)
"""Wide enough for lung and soft tissue in one picture."""

OPACITY = 0.28
SURROUNDINGS_MM = 45
CENTRE_REGIONS = ("heart", "mediastinum", "lung")
"""Without a marked finding the slices go through the first of these that is present."""


def write_preview(report: Report, volume: sitk.Image, masks: RegionMasks, path: Path) -> None:
    """Write the picture as PNG; it grows in height until all text fits."""
    column = _Column(report)
    slices = _slices(volume, masks, marks_of(report))
    height = max(LEAST_HEIGHT, column.height, slices.height + 150)
    picture = Image.new("RGB", (WIDTH, height + MARGIN), BACKGROUND)
    _banner(picture, report)
    picture.paste(slices, (MARGIN, 84))
    _legend(picture, masks, 84 + slices.height + 14)
    column.draw(picture)
    picture.save(path, "PNG")


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)  # comes with Pillow: no system font is needed


def _banner(picture: Image.Image, report: Report) -> None:
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 0, WIDTH, 64), fill=(122, 74, 0))
    draw.text((MARGIN, 32), report.label, font=_font(26), fill=(255, 255, 255), anchor="lm")
    made = f"model {report.provenance.model}  -  regions: {report.provenance.segmenter}"
    room = WIDTH - 3 * MARGIN - draw.textlength(report.label, font=_font(26))  # nothing may cover the label
    draw.text((WIDTH - MARGIN, 32), _shortened(made, 17, room), font=_font(17), fill=(255, 236, 204), anchor="rm")


def _shortened(text: str, size: int, room: float) -> str:
    """The text, or as much of its beginning as fits into so many pixels."""
    if _font(size).getlength(text) <= room:
        return text
    while text and _font(size).getlength(text + "...") > room:
        text = text[:-1]
    return text + "..."


def _slices(volume: sitk.Image, masks: RegionMasks, marks: list[Mark]) -> Image.Image:
    """Axial above, coronal and sagittal below, in radiological convention: the patient's right is on the left.

    They go through the first mark, which is the most probable finding's.
    """
    volume, bits_image = (sitk.DICOMOrient(image, "LPS") for image in _around_the_regions(volume, masks))
    hu, bits = sitk.GetArrayViewFromImage(volume), sitk.GetArrayViewFromImage(bits_image)
    centre = marks[0].voxel(volume) if marks else _centre(bits, masks)
    z, y, x = (min(max(round(index), 0), size - 1) for index, size in zip(centre, hu.shape, strict=True))
    sx, sy, sz = volume.GetSpacing()
    planes = [
        (hu[z], bits[z], (sy, sx), "RLAP"),
        (hu[::-1, y], bits[::-1, y], (sz, sx), "RLSI"),
        (hu[::-1, :, x], bits[::-1, :, x], (sz, sy), "APSI"),
    ]
    present = [get_region(name) for name in masks.present]
    room = [(IMAGE_WIDTH, 470), *[((IMAGE_WIDTH - 10) // 2, 380)] * 2]
    pictures = [_plane(*plane, present, *size) for plane, size in zip(planes, room, strict=True)]
    for picture, across, index in zip(pictures, range(3), (z, y, x), strict=True):
        draw_marks(picture, volume, marks, across, index)
    axial, *below = pictures
    low = max(image.height for image in below)
    sheet = Image.new("RGB", (IMAGE_WIDTH, axial.height + 10 + low), BACKGROUND)
    sheet.paste(axial, ((IMAGE_WIDTH - axial.width) // 2, 0))
    sheet.paste(below[0], (0, axial.height + 10))
    sheet.paste(below[1], (IMAGE_WIDTH - below[1].width, axial.height + 10))
    return sheet


def _around_the_regions(volume: sitk.Image, masks: RegionMasks) -> tuple[sitk.Image, sitk.Image]:
    """Volume and bits cut to where regions are, and some millimetres around: a scan shows much table and air."""
    box = []
    for axis, (size, spacing) in enumerate(zip(volume.GetSize(), volume.GetSpacing(), strict=True)):
        spans = [region[2 - axis] for region in masks.boxes.values()]
        margin = round(SURROUNDINGS_MM / spacing)
        first, end = min(span.start for span in spans) - margin, max(span.stop for span in spans) + margin
        box.append(slice(max(0, first), min(size, end)))
    return volume[tuple(box)], masks.bits[tuple(box)]


def _centre(bits: np.ndarray, masks: RegionMasks) -> tuple[float, ...]:
    """Centre of mass (z, y, x) of the region that the slices go through."""
    name = next((name for name in CENTRE_REGIONS if name in masks.present), masks.present[0])
    mask = (bits & region_flag(name)) != 0
    counts = [np.count_nonzero(mask, axis=axes) for axes in ((1, 2), (0, 2), (0, 1))]
    return tuple(float(np.average(np.arange(len(count)), weights=count)) for count in counts)


def _plane(
    hu: np.ndarray,
    bits: np.ndarray,
    spacing: tuple[float, float],
    letters: str,
    regions: list[Region],
    width: int,
    height: int,
) -> Image.Image:
    """One slice as large as fits, regions tinted and outlined; ``letters`` go left, right, above and below."""
    rows, columns = hu.shape[0] * spacing[0], hu.shape[1] * spacing[1]
    scale = min(width / columns, height / rows)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    low, high = WINDOW.bounds
    grey = np.clip((hu - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    picture = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BILINEAR).convert("RGB"), np.float32)
    masks = [(((bits >> region_index(region.name)) & 1).astype(np.uint8), region) for region in regions]
    # Large regions first: the heart lies in the mediastinum and is to be seen in front of it.
    for mask, region in sorted(masks, key=lambda pair: -int(pair[0].sum())):
        inside = np.asarray(Image.fromarray(mask * 255).resize(size, Image.Resampling.BILINEAR)) > 127
        outline = inside & ~ndimage.binary_erosion(inside, iterations=2)
        colour = np.array(region.color, np.float32)
        picture = np.where(inside[..., None], (1 - OPACITY) * picture + OPACITY * colour, picture)
        picture = np.where(outline[..., None], colour, picture)
    image = Image.fromarray(picture.astype(np.uint8))
    draw, (w, h) = ImageDraw.Draw(image), size
    places = ((8, h // 2, "lm"), (w - 8, h // 2, "rm"), (w // 2, 6, "ma"), (w // 2, h - 6, "md"))
    for letter, (x, y, anchor) in zip(letters, places, strict=True):
        draw.text((x, y), letter, font=_font(18), fill=TEXT, anchor=anchor, stroke_width=2, stroke_fill=(0, 0, 0))
    return image


def _legend(picture: Image.Image, masks: RegionMasks, top: int) -> None:
    draw, font, x, y = ImageDraw.Draw(picture), _font(15), MARGIN, top
    for region in in_reading_order(masks.present):
        width = 24 + draw.textlength(region.display_name, font=font) + 18
        if x + width > MARGIN + IMAGE_WIDTH:
            x, y = MARGIN, y + 24
        draw.rectangle((x, y, x + 15, y + 15), fill=region.color)
        draw.text((x + 22, y - 1), region.display_name, font=font, fill=FAINT)
        x += width


@dataclass(frozen=True)
class _Line:
    """A line of the right column: text, size, colour, where it lies."""

    text: str
    size: int
    colour: tuple[int, int, int]
    x: int
    y: int


class _Column:
    """The sections, laid out before they are drawn, so that the picture can be as high as they need."""

    left = MARGIN + IMAGE_WIDTH + 30

    def __init__(self, report: Report) -> None:
        self._lines: list[_Line] = []
        self._boxes: list[tuple[Region, int, int]] = []
        self._y = 84
        self._measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
        for warning in warnings_of_report(report):
            self._paragraph(f"! {warning}", 17, WARNING)
            self._y += 9
        for section in report.sections:
            self._section(section)
        if report.without_section:
            self._add("Not described", 16, FAINT)
            for name, reason in report.without_section.items():
                self._paragraph(f"{get_region(name).display_name}: {reason}", 15, FAINT)

    @property
    def height(self) -> int:
        return self._y

    def draw(self, picture: Image.Image) -> None:
        draw = ImageDraw.Draw(picture)
        for region, top, bottom in self._boxes:
            draw.rounded_rectangle((self.left - 14, top, WIDTH - MARGIN, bottom), 6, fill=PANEL)
            draw.rectangle((self.left - 14, top, self.left - 6, bottom), fill=region.color)
        for line in self._lines:
            draw.text((line.x, line.y), line.text, font=_font(line.size), fill=line.colour)

    def _section(self, section: Section) -> None:
        region, top = get_region(section.region), self._y
        self._y += 8
        facts = measured(section)
        self._lines.append(_Line(facts, 15, FAINT, WIDTH - MARGIN - 12 - self._length(facts, 15), self._y + 3))
        self._add(region.display_name, 19, region.color)
        self._paragraph(section.text or "No text.", 17, TEXT)
        for finding in shown_findings(section):
            self._paragraph(f"- {finding_words(section.region, finding)}", 15, FAINT)
        for warning in warnings_of(section):
            self._paragraph(f"! {warning}", 15, WARNING)
        self._y += 6
        self._boxes.append((region, top, self._y))
        self._y += 9

    def _paragraph(self, text: str, size: int, colour: tuple[int, int, int]) -> None:
        line = ""
        for word in text.split():
            longer = f"{line} {word}".strip()
            if line and not self._fits(longer, size):
                self._add(line, size, colour)
                longer = word
            while not self._fits(longer, size):  # a word longer than a line, as a looping model may write
                count = next(n for n in range(len(longer) - 1, 0, -1) if n == 1 or self._fits(longer[:n], size))
                self._add(longer[:count], size, colour)
                longer = longer[count:]
            line = longer
        self._add(line, size, colour)

    def _fits(self, text: str, size: int) -> bool:
        return self.left + self._length(text, size) <= WIDTH - MARGIN - 12

    def _add(self, text: str, size: int, colour: tuple[int, int, int]) -> None:
        self._lines.append(_Line(text, size, colour, self.left + 6, self._y))
        self._y += round(size * 1.38)

    def _length(self, text: str, size: int) -> int:
        return int(self._measure.textlength(text, font=_font(size))) + 1

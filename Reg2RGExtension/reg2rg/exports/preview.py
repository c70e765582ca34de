"""The preview: one picture of orthogonal slices with regions and marked findings, next to the report's sections."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk
from PIL import Image, ImageDraw

from reg2rg.exports.marks import marks_of
from reg2rg.exports.slices import SLICES_WIDTH, draw_slices
from reg2rg.exports.text_column import BACKGROUND, FAINT, TextColumn, load_font
from reg2rg.regions import in_reading_order
from reg2rg.report import Content, Provenance, Report, report_content
from reg2rg.segmentation import RegionMasks

WIDTH, MIN_HEIGHT, MARGIN = 1720, 900, 24
TOP = 84
"""Pixels above the slices and the sections."""


def write_preview(report: Report, volume: sitk.Image, masks: RegionMasks, path: Path) -> None:
    """Write the preview as a PNG file that is as tall as its text requires.

    Args:
        report: the report.
        volume: the CT in HU.
        masks: the region masks.
        path: file to write.
    """
    content = report_content(report)
    column = TextColumn(content, left=MARGIN + SLICES_WIDTH + 30, right=WIDTH - MARGIN, top=TOP)
    slices = draw_slices(volume, masks, marks_of(content), BACKGROUND)
    height = max(MIN_HEIGHT, column.bottom, slices.height + 150)
    picture = Image.new("RGB", (WIDTH, height + MARGIN), BACKGROUND)
    _draw_banner(picture, content, report.provenance)
    picture.paste(slices, (MARGIN, TOP))
    _draw_legend(picture, masks, TOP + slices.height + 14)
    column.draw(picture)
    picture.save(path, "PNG", compress_level=4)  # twice as fast as the default, and hardly larger


def _draw_banner(picture: Image.Image, content: Content, provenance: Provenance) -> None:
    draw, label = ImageDraw.Draw(picture), content.banner or content.disclaimer
    draft_color, signed_color = (122, 74, 0), (27, 77, 50)
    draw.rectangle((0, 0, WIDTH, 64), fill=draft_color if content.banner else signed_color)
    draw.text((MARGIN, 32), label, font=load_font(26), fill=(255, 255, 255), anchor="lm")
    source = f"model {provenance.model}  -  regions: {provenance.segmenter}"
    if content.signature is not None:
        source = f"signed by {content.signature.words}"
    room = WIDTH - 3 * MARGIN - draw.textlength(label, font=load_font(26))  # nothing may cover it
    draw.text((WIDTH - MARGIN, 32), _truncate(source, 17, room), font=load_font(17), fill=(255, 236, 204), anchor="rm")


def _truncate(text: str, size: int, width: float) -> str:
    """Truncate a text to a width in pixels."""
    if load_font(size).getlength(text) <= width:
        return text
    while text and load_font(size).getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."


def _draw_legend(picture: Image.Image, masks: RegionMasks, top: int) -> None:
    draw, font, x, y = ImageDraw.Draw(picture), load_font(15), float(MARGIN), top
    for region in in_reading_order(masks.present):
        width = 24 + draw.textlength(region.display_name, font=font) + 18
        if x + width > MARGIN + SLICES_WIDTH:
            x, y = MARGIN, y + 24
        draw.rectangle((x, y, x + 15, y + 15), fill=region.color)
        draw.text((x + 22, y - 1), region.display_name, font=font, fill=FAINT)
        x += width

"""The sections of a report as a column of text in a picture."""

from __future__ import annotations

import bisect
import functools
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from reg2rg.regions import Region, get_region
from reg2rg.report import Content, ContentSection, technique_line

Color = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""

BACKGROUND, PANEL, TEXT, FAINT, WARNING = (18, 20, 23), (30, 33, 38), (232, 234, 237), (160, 166, 174), (255, 196, 87)


@functools.cache
def load_font(size: int) -> ImageFont.FreeTypeFont:
    """Return the font that comes with Pillow, so that no system font is needed.

    Args:
        size: height in pixels.
    """
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # Pillow is built with FreeType
    return font


@dataclass(frozen=True)
class _Line:
    """A line of text and its place in the picture."""

    text: str
    size: int
    color: Color
    x: int
    y: int


class TextColumn:
    """The sections as text, laid out before they are drawn so that the picture can be made tall enough.

    Attributes:
        bottom: lowest pixel of the column.
    """

    def __init__(self, content: Content, *, left: int, right: int, top: int) -> None:
        """Lay out a report between two pixel columns, starting at ``top``."""
        self.bottom = top
        self._left = left
        self._right = right
        self._lines: list[_Line] = []
        self._panels: list[tuple[Region, int, int]] = []
        for warning in content.warnings:
            self._add_paragraph(f"! {warning}", 17, WARNING)
            self.bottom += 9
        if content.technique:
            self._add_paragraph(f"Technique: {technique_line(dict(content.technique))}", 15, FAINT)
            self.bottom += 9
        for section in content.sections:
            self._add_section(section)
        if content.impression:
            self._add_line("Impression", 19, TEXT)
            for line in content.impression.splitlines():
                self._add_paragraph(line, 17, TEXT)
            self.bottom += 9
        if content.skipped:
            self._add_line("Not described", 16, FAINT)
            for name, reason in content.skipped:
                self._add_paragraph(f"{get_region(name).display_name}: {reason}", 15, FAINT)

    def draw(self, picture: Image.Image) -> None:
        """Draw the column onto a picture."""
        draw = ImageDraw.Draw(picture)
        for region, top, bottom in self._panels:
            draw.rounded_rectangle((self._left - 14, top, self._right, bottom), 6, fill=PANEL)
            draw.rectangle((self._left - 14, top, self._left - 6, bottom), fill=region.color)
        for line in self._lines:
            draw.text((line.x, line.y), line.text, font=load_font(line.size), fill=line.color)

    def _add_section(self, section: ContentSection) -> None:
        region, top = get_region(section.region), self.bottom
        self.bottom += 8
        x = self._right - 12 - _text_width(section.facts, 15)
        self._lines.append(_Line(section.facts, 15, FAINT, x, self.bottom + 3))
        self._add_line(section.title, 19, region.color)
        if section.text or not section.sentences:
            self._add_paragraph(section.text or "No text.", 17, TEXT)
        for line in section.finding_lines:
            self._add_paragraph(f"- {line}", 15, FAINT)
        for sentence in section.sentences:
            if sentence.measured:
                size, color = (15, FAINT) if section.text else (17, TEXT)
                self._add_paragraph(f"= {sentence.text}", size, color)
        for warning in section.warnings:
            self._add_paragraph(f"! {warning}", 15, WARNING)
        self.bottom += 6
        self._panels.append((region, top, self.bottom))
        self.bottom += 9

    def _add_paragraph(self, text: str, size: int, color: Color) -> None:
        line = ""
        for word in text.replace("³", "^3").split():  # the font has no superscript three
            extended = f"{line} {word}".strip()
            if line and not self._fits(extended, size):
                self._add_line(line, size, color)
                extended = word
            while not self._fits(extended, size):  # a word longer than a line, as a looping model may generate
                count = max(1, self._count_fitting(extended, size))
                self._add_line(extended[:count], size, color)
                extended = extended[count:]
            line = extended
        self._add_line(line, size, color)

    def _count_fitting(self, text: str, size: int) -> int:
        """Return how many characters of a text that is too long for a line fit into it."""
        return bisect.bisect(range(1, len(text)), False, key=lambda count: not self._fits(text[:count], size))

    def _fits(self, text: str, size: int) -> bool:
        return self._left + _text_width(text, size) <= self._right - 12

    def _add_line(self, text: str, size: int, color: Color) -> None:
        self._lines.append(_Line(text, size, color, self._left + 6, self.bottom))
        self.bottom += round(size * 1.38)


def _text_width(text: str, size: int) -> int:
    return int(load_font(size).getlength(text)) + 1

"""Marks in the slices of the preview: a ring around a finding that is a spot, a cross in one that is spread; names."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from reg2rg.regions import get_region
from reg2rg.report import Location, Report, SectionFinding

LEAST_RADIUS, ROOM_AROUND_MM = 13, 4.0
"""Of a ring: pixels, and mm between it and the finding."""

CROSS, CROSS_REACH_MM = 9, 10.0
"""Of a cross: half its pixels, and how far from its point, mm, a slice still shows it."""

SIZE = 16
DARK = (0, 0, 0)


@dataclass(frozen=True)
class Mark:
    """A finding to mark: its name, colour and place."""

    name: str
    colour: tuple[int, int, int]
    location: Location

    def voxel(self, volume: sitk.Image) -> tuple[float, float, float]:
        """Its point as an index (z, y, x) into a volume."""
        right, anterior, superior = self.location.point_ras
        return volume.TransformPhysicalPointToContinuousIndex((-right, -anterior, superior))[::-1]


def marks_of(report: Report) -> list[Mark]:
    """The findings of a report that have a segment: spots before those that are spread, the most probable first."""
    located = [
        (finding, section.region)
        for section in report.sections
        for finding in section.findings
        if finding.location is not None and finding.segment is not None
    ]
    located.sort(key=lambda pair: (not pair[0].location.focal, -pair[0].probability))
    return [Mark(_name(finding), get_region(region).bright_color, finding.location) for finding, region in located]


def draw_marks(picture: Image.Image, volume: sitk.Image, marks: list[Mark], across: int, index: int) -> None:
    """Draw the marks that a slice cuts into its picture.

    Args:
        volume: in LPS order; the picture shows all of a slice of it, head or front up.
        across: array axis (z, y, x) that the slice lies across; ``index`` is its place on it.
    """
    draw, font, taken = ImageDraw.Draw(picture), ImageFont.load_default(SIZE), []
    sizes, spacing = volume.GetSize()[::-1], volume.GetSpacing()[::-1]
    row, column = (axis for axis in range(3) if axis != across)
    scale = picture.width / (sizes[column] * spacing[column])  # pixels per mm
    for mark in marks:
        voxel, extent = mark.voxel(volume), mark.location.extent_mm[::-1]
        reach = extent[across] / 2 if mark.location.focal else CROSS_REACH_MM
        if abs(voxel[across] - index) * spacing[across] > max(reach, spacing[across]):
            continue
        place = [(voxel[axis] + 0.5) * spacing[axis] * scale for axis in (row, column)]
        y, x = picture.height - place[0] if across else place[0], place[1]  # the head is up, and last in the array
        if mark.location.focal:
            radius = max(LEAST_RADIUS, (max(extent[row], extent[column]) / 2 + ROOM_AROUND_MM) * scale)
            for grow, width, colour in ((1, 5, DARK), (0, 3, mark.colour)):
                reach = radius + grow
                draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=colour, width=width)
        else:
            radius = CROSS
            for width, colour in ((7, DARK), (3, mark.colour)):
                draw.line((x - radius, y, x + radius, y), colour, width)
                draw.line((x, y - radius, x, y + radius), colour, width)
        box = _free_place(draw.textbbox((0, 0), mark.name, font=font), (x, y, radius), picture.size, taken)
        taken.append(box)
        draw.text(box[:2], mark.name, font=font, fill=mark.colour, stroke_width=3, stroke_fill=DARK)


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def _free_place(text: Box, ring: tuple[float, float, float], size: tuple[int, int], taken: list[Box]) -> Box:
    """Where a name fits: right of its ring, else left of it, else below; and lower where other names are."""
    width, height = text[2], text[3]
    x, y, radius = ring
    left, top = x + radius + 5, y - height / 2
    if left + width > size[0]:
        left = x - radius - 5 - width
    if left < 0:
        left, top = min(max(2, x - width / 2), size[0] - width - 2), y + radius + 3
    top = min(max(2, top), size[1] - height - 2)
    while any(_overlap((left, top, left + width, top + height), other) for other in taken):
        top += 2
    return left, top, left + width, top + height


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _name(finding: SectionFinding) -> str:
    return finding.label if finding.calibrated else f"{finding.label}?"

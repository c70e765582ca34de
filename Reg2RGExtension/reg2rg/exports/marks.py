"""Finding marks on the slices of the preview: a ring around a focal finding, a cross in a diffuse one, and names."""

from __future__ import annotations

from dataclasses import dataclass

import SimpleITK as sitk
from PIL import Image, ImageDraw, ImageFont

from reg2rg.regions import get_region
from reg2rg.report import Content, Finding, Location
from reg2rg.volumes.geometry import array_spacing

MIN_RADIUS = 13
"""Smallest radius of a ring in pixels."""

RING_MARGIN_MM = 4.0
"""Distance between a ring and its finding."""

CROSS_SIZE = 9
"""Half the size of a cross in pixels."""

CROSS_REACH_MM = 10.0
"""Largest distance between a slice and the point of a diffuse finding at which the slice shows its cross."""

FONT_SIZE = 16
OUTLINE_COLOR = (0, 0, 0)


@dataclass(frozen=True)
class Mark:
    """A finding to mark.

    Attributes:
        name: the finding's label, with a question mark if its probability is not calibrated.
        color: red, green, blue, 0 to 255.
        location: where the finding is.
    """

    name: str
    color: tuple[int, int, int]
    location: Location

    def voxel(self, volume: sitk.Image) -> tuple[float, float, float]:
        """Return the finding's point as a continuous index (z, y, x) into a volume."""
        right, anterior, superior = self.location.point_ras
        x, y, z = volume.TransformPhysicalPointToContinuousIndex((-right, -anterior, superior))
        return z, y, x


def marks_of(content: Content) -> list[Mark]:
    """Return the findings of a report that have a segment: focal ones first, then by probability."""
    marks = []
    for section in content.sections:
        color = get_region(section.region).bright_color
        for finding in section.findings:
            if finding.location is not None and finding.segment is not None:
                priority = (not finding.location.focal, -(finding.probability or 0.0))
                marks.append((priority, Mark(_name(finding), color, finding.location)))
    return [mark for _, mark in sorted(marks, key=lambda pair: pair[0])]


def draw_marks(
    picture: Image.Image, volume: sitk.Image, shape: tuple[int, ...], marks: list[Mark], axis: int, index: int
) -> None:
    """Draw the marks that a slice intersects.

    Args:
        picture: the picture of a whole slice, with the head or the front up.
        volume: image with the geometry of the volume, in LPS orientation.
        shape: shape of the volume's array (z, y, x).
        marks: the marks.
        axis: array axis (z, y, x) perpendicular to the slice.
        index: index of the slice along this axis.
    """
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(FONT_SIZE)
    taken: list[Box] = []
    spacing = array_spacing(volume)
    row, column = (each for each in range(3) if each != axis)
    scale = picture.width / (shape[column] * spacing[column])  # pixels per mm
    for mark in marks:
        voxel, extent = mark.voxel(volume), mark.location.extent_mm[::-1]
        reach = extent[axis] / 2 if mark.location.focal else CROSS_REACH_MM
        if abs(voxel[axis] - index) * spacing[axis] > max(reach, spacing[axis]):
            continue
        y, x = ((voxel[each] + 0.5) * spacing[each] * scale for each in (row, column))
        if axis != 0:
            y = picture.height - y  # the head is at the top of the picture but at the end of the array
        if mark.location.focal:
            radius = max(MIN_RADIUS, (max(extent[row], extent[column]) / 2 + RING_MARGIN_MM) * scale)
            _draw_ring(draw, x, y, radius, mark.color)
        else:
            radius = CROSS_SIZE
            _draw_cross(draw, x, y, mark.color)
        box = _free_place(draw.textbbox((0, 0), mark.name, font=font), (x, y, radius), picture.size, taken)
        taken.append(box)
        draw.text(box[:2], mark.name, font=font, fill=mark.color, stroke_width=3, stroke_fill=OUTLINE_COLOR)


def _draw_ring(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, color: tuple[int, int, int]) -> None:
    for margin, width, stroke in ((1, 5, OUTLINE_COLOR), (0, 3, color)):
        outer = radius + margin
        draw.ellipse((x - outer, y - outer, x + outer, y + outer), outline=stroke, width=width)


def _draw_cross(draw: ImageDraw.ImageDraw, x: float, y: float, color: tuple[int, int, int]) -> None:
    for width, stroke in ((7, OUTLINE_COLOR), (3, color)):
        draw.line((x - CROSS_SIZE, y, x + CROSS_SIZE, y), stroke, width)
        draw.line((x, y - CROSS_SIZE, x, y + CROSS_SIZE), stroke, width)


Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def _free_place(text: Box, ring: tuple[float, float, float], size: tuple[int, int], taken: list[Box]) -> Box:
    """Return where a name fits: to the right of its ring, to the left, or below; lower if other names are there."""
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


def _name(finding: Finding) -> str:
    return finding.label if finding.calibrated else f"{finding.label}?"

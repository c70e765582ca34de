"""A picture of the lines along which distances were measured: one panel per line, on the slice that contains it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw

from reg2rg.about import DRAFT_LABEL
from reg2rg.exports.text_column import BACKGROUND, FAINT, TEXT, WARNING, load_font
from reg2rg.measurements import Evidence, Line, Measurement
from reg2rg.regions import get_region

PANEL, MARGIN, CAPTION, BANNER = 360, 12, 66, 52
COLUMNS = 4
SURROUNDINGS_MM = 40.0
MIN_VIEW_MM = 120.0
LINE_COLOR = (255, 221, 64)
MAX_PANELS = 24


def write_measurement_picture(evidence: Evidence, volume: sitk.Image, path: Path) -> None:
    """Write one panel per measurement that has a line.

    Args:
        evidence: what was measured.
        volume: the CT in HU.
        path: PNG file to write.
    """
    turned = sitk.DICOMOrient(volume, "LPS")
    shown = [m for m in evidence.measurements if m.lines][:MAX_PANELS]
    rows = max(1, -(-len(shown) // COLUMNS))
    width = MARGIN + COLUMNS * (PANEL + MARGIN)
    sheet = Image.new("RGB", (width, BANNER + MARGIN + rows * (PANEL + CAPTION + MARGIN)), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((0, 0, width, BANNER), fill=(122, 74, 0))
    draw.text((MARGIN, BANNER // 2), DRAFT_LABEL, font=load_font(22), fill=(255, 255, 255), anchor="lm")
    for index, measurement in enumerate(shown):
        x = MARGIN + index % COLUMNS * (PANEL + MARGIN)
        y = BANNER + MARGIN + index // COLUMNS * (PANEL + CAPTION + MARGIN)
        sheet.paste(draw_measurement(measurement, turned), (x, y))
        _caption(draw, measurement, x, y + PANEL + 4)
    if not shown:
        draw.text((MARGIN, BANNER + MARGIN), "No distance was measured.", font=load_font(18), fill=FAINT)
    sheet.save(path, "PNG")


def _caption(draw: ImageDraw.ImageDraw, measurement: Measurement, x: int, y: int) -> None:
    font = load_font(14)
    value = f"{measurement.text}, {measurement.adjective}" if measurement.adjective else measurement.text
    lines = [(measurement.name, TEXT), (value, TEXT)]
    if measurement.reserved:
        lines.append((", ".join(measurement.reservations), WARNING))
    for number, (text, color) in enumerate(lines):
        while font.getlength(text) > PANEL and len(text) > 4:
            text = text[:-4] + "..."
        draw.text((x, y + 20 * number), text, font=font, fill=color)


def draw_measurement(measurement: Measurement, volume: sitk.Image) -> Image.Image:
    """Draw the slice through a measurement's first line, and all of its lines.

    Args:
        measurement: a measurement with lines.
        volume: the CT in HU, in LPS orientation.

    Returns:
        A square picture of PANEL pixels.
    """
    ends = np.array([_indices(line, volume) for line in measurement.lines])  # (lines, 2, zyx)
    spacing = np.array(volume.GetSpacing()[::-1])
    extent = np.abs(np.diff(ends[0], axis=0))[0] * spacing
    axis = 2 if extent[0] > max(extent[1:]) else 0  # lines along the body are drawn on a sagittal slice
    rows, columns = (0, 1) if axis == 2 else (1, 2)
    hu = sitk.GetArrayViewFromImage(volume)
    number = int(np.clip(round(float(ends[0][:, axis].mean())), 0, hu.shape[axis] - 1))
    plane = np.take(hu, number, axis=axis).astype(np.float32)
    center = ends.reshape(-1, 3).mean(axis=0)
    half = max(MIN_VIEW_MM, float(np.ptp(ends.reshape(-1, 3) * spacing, axis=0).max()) + 2 * SURROUNDINGS_MM) / 2
    low, high = get_region(measurement.region).window.bounds
    scale = PANEL / (2 * half)

    def to_pixel(index: np.ndarray) -> tuple[float, float]:
        x = (index[columns] - center[columns]) * spacing[columns] * scale + PANEL / 2
        y = (index[rows] - center[rows]) * spacing[rows] * scale
        return float(x), float(PANEL / 2 - y if rows == 0 else PANEL / 2 + y)

    image = sitk.GetImageFromArray(plane)
    image.SetSpacing((float(spacing[columns]), float(spacing[rows])))
    grid = sitk.Image(PANEL, PANEL, sitk.sitkFloat32)
    grid.SetSpacing((1 / scale, 1 / scale))
    grid.SetOrigin((float(center[columns] * spacing[columns] - half), float(center[rows] * spacing[rows] - half)))
    view = sitk.GetArrayFromImage(sitk.Resample(image, grid, sitk.Transform(), sitk.sitkLinear, -1024.0))
    if rows == 0:
        view = view[::-1]
    gray = np.clip((view - low) / (high - low) * 255, 0, 255).astype(np.uint8)
    panel = Image.fromarray(gray).convert("RGB")
    draw = ImageDraw.Draw(panel)
    for start, end in ends:
        points = [to_pixel(start), to_pixel(end)]
        draw.line(points, fill=LINE_COLOR, width=2)
        for px, py in points:
            draw.ellipse((px - 3, py - 3, px + 3, py + 3), fill=LINE_COLOR)
    return panel


def _indices(line: Line, volume: sitk.Image) -> np.ndarray:
    """Return both ends of a line as voxel indices (2, zyx)."""
    points = []
    for r, a, s in (line.start_ras, line.end_ras):
        points.append(volume.TransformPhysicalPointToContinuousIndex((-r, -a, s))[::-1])
    return np.array(points)

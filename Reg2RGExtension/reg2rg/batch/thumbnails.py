"""Small pictures for the summary, cut out of the pictures of report folders."""

from __future__ import annotations

from pathlib import Path

from reg2rg.exports.measurement_picture import BANNER, PANEL
from reg2rg.exports.measurement_picture import MARGIN as PANEL_MARGIN
from reg2rg.exports.measurements import PICTURE_FILE
from reg2rg.exports.preview import MARGIN, TOP
from reg2rg.exports.slices import SLICES_WIDTH
from reg2rg.report import PREVIEW_FILE

THUMBNAIL_FILE = "thumbnail.jpg"
_PIXELS = 160

_PARTS = {
    PREVIEW_FILE: (MARGIN, TOP, MARGIN + SLICES_WIDTH, TOP + SLICES_WIDTH),
    PICTURE_FILE: (PANEL_MARGIN, BANNER + PANEL_MARGIN, PANEL_MARGIN + PANEL, BANNER + PANEL_MARGIN + PANEL),
}
"""Name of a picture -> the part of it that shows the scan: left, top, right, bottom."""


def write_thumbnail(folder: Path) -> None:
    """Write a thumbnail of the picture in a report folder."""
    from PIL import Image

    for name, part in _PARTS.items():
        if (folder / name).is_file():
            with Image.open(folder / name) as picture:
                thumbnail = picture.convert("RGB").crop(part)
            thumbnail.thumbnail((_PIXELS, _PIXELS))
            thumbnail.save(folder / THUMBNAIL_FILE, "JPEG", quality=70)

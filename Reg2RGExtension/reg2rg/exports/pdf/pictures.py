"""Pictures for the PDF: slices through a region or finding, as JPEG data."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from reg2rg.exports.places import Place
from reg2rg.exports.slices import Overlay, draw_plane
from reg2rg.exports.view_grid import AIR_HU, View
from reg2rg.regions import get_region

AVAILABLE = (640, 480)
GAP = 8
JPEG_QUALITY = 85


def place_picture(view: View, place: Place) -> Image.Image:
    """Draw an axial and a coronal slice through a place, side by side.

    Args:
        view: the CT and its regions.
        place: the place; a finding is drawn without its region, which would hide it.
    """
    region = get_region(place.region)
    mask = view.mask(region.name) if place.mask is None else place.mask
    color = region.color if place.mask is None else region.bright_color
    hu = view.hu if view.hu is not None else np.full(view.bits.shape, AIR_HU, np.int16)
    x, y, z = (int(np.clip(round(i), 0, n - 1)) for i, n in zip(place.center, view.bits.shape[::-1], strict=True))
    sx, sy, sz = view.spacing
    pictures = [
        draw_plane(hu[z], [Overlay(mask[z], color)], (sy, sx), "RLAP", AVAILABLE, place.window),
        draw_plane(
            hu[::-1, y],
            [Overlay(mask[::-1, y], color)],
            (sz, sx),
            "RLSI",
            AVAILABLE,
            place.window,
        ),
    ]
    width = sum(picture.width for picture in pictures) + GAP
    sheet = Image.new("RGB", (width, max(picture.height for picture in pictures)), "white")
    sheet.paste(pictures[0], (0, 0))
    sheet.paste(pictures[1], (pictures[0].width + GAP, 0))
    return sheet


def data_url(picture: Image.Image) -> str:
    """Return a picture as a data URL."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"

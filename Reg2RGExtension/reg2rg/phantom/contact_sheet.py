"""Draw phantoms next to real CTs for comparison: ``python -m reg2rg.phantom.contact_sheet -o FILE.png``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw

from reg2rg.phantom.body import POPULATIONS
from reg2rg.phantom.case import PhantomConfig, make_phantom
from reg2rg.regions import LUNG_WINDOW, SOFT_TISSUE_WINDOW, Window
from reg2rg.runtime.staging import staged_output
from reg2rg.volumes import read_volume

_TILE = 176
"""Width and height of one slice in pixels."""
_AXIAL_LEVELS = (0.3, 0.5, 0.72)
"""Positions of the axial slices between the bottom (0) and the top (1) of the volume."""
_CORONAL_LEVEL = 0.52
"""Position of the coronal slice between the front (0) and the back (1) of the volume."""
_COLUMNS = 3
"""Volumes per row."""


def draw_sheet(volumes: Sequence[tuple[str, sitk.Image]]) -> Image.Image:
    """Draw axial slices and a coronal slice of each volume in the lung window and the soft-tissue window.

    Args:
        volumes: name and image (HU) of each volume; at least one.

    Returns:
        An 8-bit gray image with one cell per volume.
    """
    cells = [_cell(name, volume) for name, volume in volumes]
    width, height = cells[0].size
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("L", (width * min(_COLUMNS, len(cells)), height * rows))
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % _COLUMNS * width, index // _COLUMNS * height))
    return sheet


def _cell(name: str, volume: sitk.Image) -> Image.Image:
    """Draw the slices of one volume, one window per row."""
    volume = sitk.DICOMOrient(volume, "LPS")
    hu, (sx, sy, sz) = sitk.GetArrayViewFromImage(volume), volume.GetSpacing()
    slices = [(hu[int(level * len(hu))], sy / sx) for level in _AXIAL_LEVELS]
    slices.append((hu[::-1, int(_CORONAL_LEVEL * hu.shape[1])], sz / sx))
    cell = Image.new("L", (_TILE * len(slices) + 4, 2 * _TILE + 4))
    for row, window in enumerate((LUNG_WINDOW, SOFT_TISSUE_WINDOW)):
        for column, (plane, ratio) in enumerate(slices):
            cell.paste(_tile(plane, ratio, window), (column * _TILE, row * _TILE))
    ImageDraw.Draw(cell).text((4, 2), name, fill=255)
    return cell


def _tile(plane: np.ndarray, ratio: float, window: Window) -> Image.Image:
    """Draw one slice, whose pixels are ``ratio`` times as high as wide, into a square tile."""
    low, high = window.bounds
    image = Image.fromarray((np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8))
    rows, columns = plane.shape
    scale = _TILE / max(columns, rows * ratio)
    image = image.resize(
        (max(1, round(columns * scale)), max(1, round(rows * ratio * scale))), Image.Resampling.BILINEAR
    )
    tile = Image.new("L", (_TILE, _TILE))
    tile.paste(image, ((_TILE - image.width) // 2, (_TILE - image.height) // 2))
    return tile


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: command-line arguments; by default, those of the process.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--real", type=Path, help="folder of real CTs (.nii.gz), which are drawn first")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first phantom")
    parser.add_argument("--count", type=int, default=24, help="number of phantoms")
    parser.add_argument("--population", choices=POPULATIONS, default="training", help="population of the phantoms")
    options = parser.parse_args(arguments)
    volumes = []
    for path in sorted(options.real.glob("*.nii.gz")) if options.real else []:
        if "reference" not in path.name:
            volumes.append((path.name.split(".")[0], read_volume(path)))
    config = PhantomConfig(population=options.population)
    for seed in range(options.seed, options.seed + options.count):
        volumes.append((f"phantom {seed}", make_phantom(seed, config).volume))
    with staged_output(options.output.parent) as folder:
        draw_sheet(volumes).save(folder / options.output.name)


if __name__ == "__main__":
    main()

"""Draws phantoms beside real CTs, to compare by eye: ``python -m reg2rg.phantom.contact_sheet -o FILE.png``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from PIL import Image, ImageDraw

from reg2rg.phantom.case import PhantomConfig, make_phantom
from reg2rg.regions import LUNG_WINDOW, SOFT_TISSUE_WINDOW, Window
from reg2rg.runtime.staging import staged_output
from reg2rg.volumes import read_volume

_TILE = 176
_LEVELS = (0.3, 0.5, 0.72)
"""Heights of the axial slices, as shares of the volume's."""
_COLUMNS = 3


def draw_sheet(volumes: Sequence[tuple[str, sitk.Image]]) -> Image.Image:
    """One cell per volume (name, image): axial slices and a coronal one, at the lung and the soft-tissue window."""
    cells = [_cell(name, volume) for name, volume in volumes]
    width, height = cells[0].size
    rows = -(-len(cells) // _COLUMNS)
    sheet = Image.new("L", (width * min(_COLUMNS, len(cells)), height * rows))
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % _COLUMNS * width, index // _COLUMNS * height))
    return sheet


def _cell(name: str, volume: sitk.Image) -> Image.Image:
    volume = sitk.DICOMOrient(volume, "LPS")
    hu, (sx, sy, sz) = sitk.GetArrayViewFromImage(volume), volume.GetSpacing()
    slices = [(hu[int(level * len(hu))], sy / sx) for level in _LEVELS]
    slices.append((hu[::-1, int(0.52 * hu.shape[1])], sz / sx))
    cell = Image.new("L", (_TILE * len(slices) + 4, 2 * _TILE + 4))
    for row, window in enumerate((LUNG_WINDOW, SOFT_TISSUE_WINDOW)):
        for column, (plane, ratio) in enumerate(slices):
            cell.paste(_tile(plane, ratio, window), (column * _TILE, row * _TILE))
    ImageDraw.Draw(cell).text((4, 2), name, fill=255)
    return cell


def _tile(plane: np.ndarray, ratio: float, window: Window) -> Image.Image:
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
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--real", type=Path, help="folder of real CTs (.nii.gz) to draw first")
    parser.add_argument("--seed", type=int, default=0, help="first seed")
    parser.add_argument("--count", type=int, default=24, help="number of phantoms")
    parser.add_argument("--population", default="training", help="training or held-out")
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

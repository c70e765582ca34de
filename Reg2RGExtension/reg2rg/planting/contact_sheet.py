"""Draw planted findings beside the unplanted scans: ``python -m reg2rg.planting.contact_sheet DATA -o FILE.png``."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from reg2rg.phantom.findings import KINDS
from reg2rg.phantom.findings.random_findings import sample_finding
from reg2rg.planting.augmentation import Reconstruction, vary_body
from reg2rg.planting.hosts import Host, open_host, read_host_list
from reg2rg.planting.plant import PAINTERS, plant_findings
from reg2rg.planting.site import Site
from reg2rg.regions import LUNG_WINDOW, SOFT_TISSUE_WINDOW, Window
from reg2rg.runtime.staging import staged_output

_TILE = 200
"""Width and height of one picture in pixels."""
_FIELD_MM = 130.0
"""Width of the part of the slice that is drawn."""
_LUNG_LABELS = ("lung", "pleura", "trachea and bronchie")


def draw_row(label: str, hosts: Sequence[Host], seed: int) -> Image.Image:
    """Plant one finding in each host, and draw it above the same slice of the unplanted scan.

    Args:
        label: the finding.
        hosts: real CTs.
        seed: seed of the findings and the variation.

    Returns:
        An 8-bit gray image, one column per host; empty where the scan has no place for the finding.
    """
    kind = next(kind for kind in KINDS if kind.label == label)
    row = Image.new("L", (_TILE * len(hosts), 2 * _TILE))
    for column, host in enumerate(hosts):
        finding = sample_finding(kind, np.random.default_rng((seed, column)))
        varied = vary_body(host, np.random.default_rng((seed, column, 1)))
        site = Site(varied)
        planted, bits = plant_findings(site, [finding], (seed, column))
        if not planted:
            continue
        scanner = Reconstruction.sample(np.random.default_rng((seed, column, 2)))
        window = LUNG_WINDOW if kind.region in _LUNG_LABELS else SOFT_TISSUE_WINDOW
        z, y, x = (int(np.median(axis)) for axis in np.nonzero(bits))
        z = int(np.bincount(np.nonzero(bits)[0]).argmax())
        for line, hu in enumerate((site.canvas.hu, site.original)):
            scanned = scanner.apply(hu, np.random.default_rng((seed, column, 3)))
            row.paste(_tile(scanned[z], (y, x), site.spacing[1], window), (column * _TILE, line * _TILE))
        size = "" if planted[0].size_mm is None else f", {planted[0].size_mm:.0f} mm"
        ImageDraw.Draw(row).text((column * _TILE + 4, 2), f"{label}{size}", fill=255)
        ImageDraw.Draw(row).text((column * _TILE + 4, _TILE + 2), dataclasses.asdict(host.entry)["patient"], fill=255)
    return row


def _tile(plane: np.ndarray, center: tuple[int, int], pixel_mm: float, window: Window) -> Image.Image:
    half = round(_FIELD_MM / 2 / pixel_mm)
    padded = np.pad(plane, half, constant_values=-1024)
    part = padded[center[0] : center[0] + 2 * half, center[1] : center[1] + 2 * half].astype(np.float32)
    low, high = window.bounds
    gray = np.clip((part - low) / (high - low), 0, 1) * 255
    return Image.fromarray(gray.astype(np.uint8)).resize((_TILE, _TILE), Image.Resampling.BICUBIC)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line.

    Args:
        arguments: command-line arguments; by default, those of the process.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of the real CTs")
    parser.add_argument("--hosts", type=Path, default=Path("Resources/Training/real_cts.yaml"), help="list of the CTs")
    parser.add_argument("-o", "--output", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--seed", type=int, default=0, help="random seed")
    parser.add_argument("--labels", nargs="*", choices=PAINTERS, default=list(PAINTERS), help="findings to draw")
    options = parser.parse_args(arguments)
    hosts = [open_host(entry, options.data) for entry in read_host_list(options.hosts)]
    rows = [draw_row(label, hosts, options.seed) for label in options.labels]
    sheet = Image.new("L", (rows[0].width, sum(row.height for row in rows)))
    for index, row in enumerate(rows):
        sheet.paste(row, (0, index * row.height))
    with staged_output(options.output.parent) as folder:
        sheet.save(folder / options.output.name)


if __name__ == "__main__":
    main()

"""Memory and time of a DICOM export: ten regions that overlap in a CT of 512 x 512 x 600 voxels.

    python Testing/Benchmarks/dicom_memory.py
    python Testing/Benchmarks/dicom_memory.py --slices 300 --format dicom-labelmap

The CT is a DICOM series of a block with two lungs and noise. Each region fills a third of the slices, and a ninth of
their area. Printed are the peak of the memory that ``reg2rg export`` takes, its time, and the size of the files.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import SimpleITK as sitk

from reg2rg.exports.dicom.synthetic import synthetic_series
from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.regions import REGION_NAMES
from reg2rg.report import REGIONS_FILE, REPORT_FILE, Geometry, Provenance, ReportBuilder
from reg2rg.segmentation import RegionMasks
from reg2rg.volumes import read_volume

SIZE = 512


def make_series(folder: Path, slices: int) -> None:
    """Write a CT of a block with two lungs as a DICOM series."""
    voxels = np.full((slices, SIZE, SIZE), -1000, np.int16)
    voxels[:, 100:400, 50:460] = 40
    for left in (80, 270):
        voxels[:, 130:370, left : left + 160] = -850
    voxels += np.random.default_rng(0).integers(-20, 20, voxels.shape, np.int16)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((0.7, 0.7, 0.6))
    folder.mkdir()
    for number, file in enumerate(synthetic_series(image, {})):
        file.save_as(folder / f"{number:04}.dcm", enforce_file_format=True)


def make_report(folder: Path, ct: Path) -> None:
    """Write the report folder of a CT."""
    volume = read_volume(ct)
    slices = volume.GetDepth()
    bits = np.zeros((slices, SIZE, SIZE), np.uint16)
    for index in range(len(REGION_NAMES)):
        first, edge = index * slices // 15, 20 + 30 * index
        bits[first : first + slices // 3, edge : edge + SIZE // 3, edge : edge + SIZE // 3] |= 1 << index
    masks = RegionMasks.from_bits(bits, frozenset(REGION_NAMES), volume, segmenter="benchmark")
    folder.mkdir()
    write_regions(masks, folder / REGIONS_FILE)
    provenance = Provenance(
        "none", "ab" * 32, "greedy", "cpu", "fp32", 0, 500, "benchmark", "It was requested.", {},
        "2026-01-01T00:00:00+00:00", {}, Geometry.from_image(volume),
    )  # fmt: skip
    texts = [SimpleNamespace(region="lung", recognized="lung", text="Clear.", complete=True, tokens=())]
    report = ReportBuilder(volume, masks).report(texts, provenance, {})
    (folder / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")


def main() -> None:
    """Make the series and its report, export it, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", type=int, default=600)
    parser.add_argument("--format", default="dicom", choices=["dicom", "dicom-labelmap"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        ct, report, output = Path(scratch, "ct"), Path(scratch, "report"), Path(scratch, "out")
        make_series(ct, options.slices)
        make_report(report, ct)
        command = [sys.executable, "-m", "reg2rg.cli", "export", report, "--format", options.format]
        subprocess.run([*map(str, command), "--ct", str(ct), "-o", str(output)], check=True)
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        memory, seconds = used.ru_maxrss / 2**20, used.ru_utime + used.ru_stime
        size = sum(file.stat().st_size for file in Path(f"{output}-draft").iterdir()) / 2**20
        print(f"{options.slices} slices: {memory:.1f} GiB, {seconds:.0f} s of processor time, {size:.0f} MiB of files")


if __name__ == "__main__":
    main()

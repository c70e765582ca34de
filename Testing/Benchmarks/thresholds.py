"""Time, memory and volumes of the threshold segmenter: a phantom enlarged to 512 x 512 x 300 voxels, or given CTs.

python Testing/Benchmarks/thresholds.py
python Testing/Benchmarks/thresholds.py --real ../shared/data/real/*.nii.gz
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume

FULL = (512, 512, 300)


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--real", type=Path, nargs="+", help="files or DICOM folders to segment")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        _measure(options.one)
    elif options.real:
        _tabulate(options.real)
    else:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "phantom.mha")
            # The peak memory of a child process starts at that of its parent, so both steps have their own.
            subprocess.run([sys.executable, "-c", _MAKE, str(file), *map(str, FULL)], check=True)
            subprocess.run([sys.executable, __file__, "--one", str(file)], check=True)


_MAKE = """
import sys, SimpleITK as sitk
from reg2rg.phantom import make_phantom
volume = make_phantom(1).volume
size = [int(n) for n in sys.argv[2:]]
spacing = [n * s / m for n, s, m in zip(volume.GetSize(), volume.GetSpacing(), size)]
full = sitk.Resample(volume, size, sitk.Transform(), sitk.sitkLinear, volume.GetOrigin(), spacing,
                     volume.GetDirection(), -1024)
sitk.WriteImage(full, sys.argv[1])
"""


def _measure(file: Path) -> None:
    """Print the time and the peak memory of segmenting one file."""
    volume = sitk.ReadImage(str(file))
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    start, cpu = time.perf_counter(), time.process_time()
    ThresholdSegmenter().segment(volume)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{' x '.join(map(str, volume.GetSize()))} voxels: {seconds:.1f} s ({cpu:.1f} s of CPU time), ", end="")
    print(f"peak memory {peak:.2f} GB ({loaded:.2f} GB before)")


def _tabulate(files: list[Path]) -> None:
    """Print the volumes of the regions in ml, and why others are missing."""
    names = [name for name in REGION_NAMES if name not in ("breast", "esophagus", "thyroid")]
    print(f"| CT | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for file in files:
        volume = read_volume(file)
        masks = ThresholdSegmenter().segment(volume)
        x, y, z = volume.GetSpacing()
        cells = [
            f"{masks.array(name).sum() * x * y * z / 1000:.0f}" if name in masks.present else masks.missing[name]
            for name in names
        ]
        print(f"| {file.name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

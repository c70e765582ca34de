"""Time and peak memory of measuring a large volume, segmentation apart.

    python Testing/Benchmarks/measuring.py [--profile]

A phantom of 128 x 128 x 100 voxels is enlarged to 512 x 512 x 300. Its exact structures are measured in a process of
its own, with one thread per library. --profile lists the functions that took longest.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import SimpleITK as sitk

from reg2rg.measurements import measure
from reg2rg.phantom import PhantomConfig, make_phantom
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation import RegionMasks
from reg2rg.segmentation.structures import Structures

SEED = 9_700_001
FACTORS = (4, 4, 3)
FILES = ("volume.nrrd", "structures.nrrd", "regions.nrrd")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", action="store_true", help="list the functions that took longest")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # of the process that measures
    options = parser.parse_args()
    if options.folder is not None:
        measure_files(options.folder, options.profile)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        command = [sys.executable, __file__, "--folder", folder, *(["--profile"] if options.profile else [])]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def write_files(folder: Path) -> None:
    case = make_phantom(SEED, PhantomConfig(size=(128, 128, 100), population="held-out"))
    for name, image in zip(FILES, (case.volume, case.structures.labels, case.masks.bits), strict=True):
        interpolator = sitk.sitkLinear if name == FILES[0] else sitk.sitkNearestNeighbor
        size = [n * factor for n, factor in zip(image.GetSize(), FACTORS, strict=True)]
        spacing = [mm / factor for mm, factor in zip(image.GetSpacing(), FACTORS, strict=True)]
        grid = (size, sitk.Transform(), interpolator, image.GetOrigin(), spacing, image.GetDirection(), -1000.0)
        sitk.WriteImage(sitk.Resample(image, *grid), str(folder / name))


def measure_files(folder: Path, profile: bool) -> None:
    volume, labels, bits = (sitk.ReadImage(str(folder / name)) for name in FILES)
    structures = Structures(labels, "phantom")
    provided = frozenset(REGION_NAMES)
    masks = RegionMasks.from_bits(sitk.GetArrayViewFromImage(bits), provided, bits, segmenter="phantom")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    profiler = cProfile.Profile()
    start = time.perf_counter()
    if profile:
        profiler.enable()
    evidence = measure(volume, structures, masks)
    profiler.disable()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size = " x ".join(map(str, volume.GetSize()))
    values = sum(m.value is not None for m in evidence.measurements)
    print("| volume | values | seconds | peak memory, GB | before measuring, GB |\n|---|---|---|---|---|")
    print(f"| {size} | {values} | {seconds:.1f} | {peak / 2**20:.2f} | {before / 2**20:.2f} |")
    if profile:
        pstats.Stats(profiler).sort_stats("cumulative").print_stats(35)


if __name__ == "__main__":
    main()

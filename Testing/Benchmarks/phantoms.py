"""Measure how long a phantom takes to make on one core, and how large its voxels are.

python Testing/Benchmarks/phantoms.py [--cases 40]
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom import PhantomConfig, make_phantom


def main() -> None:
    """Make phantoms and print the times and the range of voxel sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40, help="number of phantoms (default: 40)")
    cases = parser.parse_args().cases
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    make_phantom(0)  # warm up: the first phantom also pays for imports and files that are read once
    seconds, spacings = [], []
    for seed in range(1, cases + 1):
        started = time.perf_counter()
        phantom = make_phantom(seed)
        seconds.append(time.perf_counter() - started)
        spacings.append(phantom.volume.GetSpacing())
    print(f"{cases} phantoms of {' x '.join(map(str, PhantomConfig().size))} voxels on one core:")
    print(f"{np.median(seconds):.2f} s median, {max(seconds):.2f} s maximum")
    smallest, largest = np.min(spacings, axis=0), np.max(spacings, axis=0)
    ranges = (f"{low:.1f} to {high:.1f}" for low, high in zip(smallest, largest, strict=True))
    print(f"Voxel size along x, y, z in mm: {', '.join(ranges)}")


if __name__ == "__main__":
    main()

"""Seconds that a phantom takes on one core, and its voxels' size.

python Testing/Benchmarks/phantoms.py [--cases 40]
"""

from __future__ import annotations

import argparse
import os
import time

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import SimpleITK as sitk

from reg2rg.phantom import make_phantom


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=40)
    cases = parser.parse_args().cases
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    make_phantom(0)  # what is loaded once
    seconds, spacings = [], []
    for seed in range(1, cases + 1):
        started = time.perf_counter()
        phantom = make_phantom(seed)
        seconds.append(time.perf_counter() - started)
        spacings.append(phantom.volume.GetSpacing())
    print(f"{cases} phantoms of {' x '.join(map(str, phantom.volume.GetSize()))} voxels on one core:")
    print(f"{np.median(seconds):.2f} s at the median, {max(seconds):.2f} s at most")
    least, most = (reduce(spacings, axis=0) for reduce in (np.min, np.max))
    print("mm: " + ", ".join(f"{low:.1f} to {high:.1f}" for low, high in zip(least, most, strict=True)))


if __name__ == "__main__":
    main()

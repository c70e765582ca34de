"""Time and peak memory of preprocessing a synthetic 512 x 512 x 300 CT with ten masks, compared with the published way.

The published way follows the authors' code with MONAI: float volumes of full size, region by region, with three equal
channels. Each way runs in its own process, so that its peak memory can be measured; both start from the same arrays.

    python Testing/Benchmarks/preprocessing.py [--quick]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import torch

from reg2rg.models.config import PreprocessingConfig
from reg2rg.preprocessing import prepare
from reg2rg.regions import REGION_NAMES
from reg2rg.segmentation.masks import RegionMasks

FULL, QUICK = (512, 512, 300), (256, 256, 150)


def main() -> None:
    """Run both ways and print a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="an eighth of the voxels")
    parser.add_argument("--way", choices=("making", "loading", "ours", "published"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        _run_one(options.way, options.folder, QUICK if options.quick else FULL)
        return
    size = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The peak memory of a child process starts at that of its parent, so this process stays small.
        results = {way: _measured(way, folder, options.quick) for way in ("making", "loading", "ours", "published")}
        difference = _largest_difference(folder)
    print(f"{size[0]} x {size[1]} x {size[2]} voxels, ten masks, {torch.get_num_threads()} threads")
    print("| way | seconds | peak RSS (GB) | above the loaded case (GB) |\n|---|---|---|---|")
    base = results["loading"]["gigabytes"]
    for way in ("published", "ours"):
        seconds, gigabytes = results[way]["seconds"], results[way]["gigabytes"]
        print(f"| {way} | {seconds:.2f} | {gigabytes:.2f} | {gigabytes - base:.2f} |")
    ours, published = results["ours"], results["published"]
    print(f"faster: {published['seconds'] / ours['seconds']:.1f}x")
    print(f"peak memory: {published['gigabytes'] / ours['gigabytes']:.1f}x less")
    print(f"largest difference of any output voxel: {difference:g}")


def make_case(size: tuple[int, int, int], folder: Path) -> None:
    """Write a volume with a noisy body in air, and masks of ten overlapping ellipsoids.

    Args:
        size: voxels along x, y and z.
        folder: where to write ``volume.mha`` and ``bits.mha``.
    """
    rng = np.random.default_rng(0)
    x, y, z = (np.linspace(-1, 1, n, dtype=np.float32) for n in size)
    grid = z[:, None, None], y[None, :, None], x[None, None, :]
    hu = np.full(size[::-1], -1024, np.int16)
    body = (grid[1] / 0.7) ** 2 + (grid[2] / 0.85) ** 2 < 1
    hu[np.broadcast_to(body, hu.shape)] = 40
    hu[-size[2] // 2 :] -= (500 * (grid[2] > 0)).astype(np.int16)
    hu += rng.integers(-30, 30, hu.shape, dtype=np.int16)
    volume = sitk.GetImageFromArray(np.maximum(hu, -1024))
    volume.SetSpacing((0.7, 0.7, 1.0))
    volume.SetDirection((-1, 0, 0, 0, -1, 0, 0, 0, 1))  # already RAS, so that the published way need not reorient it
    arrays = {}
    for name in REGION_NAMES:
        center, radius = rng.uniform(-0.3, 0.3, 3), rng.uniform(0.15, 0.5, 3)
        arrays[name] = sum(((g - c) / r) ** 2 for g, c, r in zip(grid, center, radius, strict=True)) < 1
    masks = RegionMasks.from_arrays(arrays, volume, segmenter="benchmark")
    sitk.WriteImage(volume, str(folder / "volume.mha"))
    sitk.WriteImage(masks.bits, str(folder / "bits.mha"))


def _measured(way: str, folder: Path, quick: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder), *["--quick"] * quick]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _run_one(way: str, folder: Path, size: tuple[int, int, int]) -> None:
    if way == "making":
        make_case(size, folder)
    volume = sitk.ReadImage(str(folder / "volume.mha"))
    masks = RegionMasks(sitk.ReadImage(str(folder / "bits.mha")), "benchmark")
    started = time.perf_counter()
    inputs = None
    if way == "ours":
        inputs = prepare(volume, masks, PreprocessingConfig())
    elif way == "published":
        import published  # imported here, because its imports count as memory

        inputs = published.preprocess(volume, masks)
    seconds = time.perf_counter() - started
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # Linux counts in kB
    if inputs:
        outputs = [inputs.image, *inputs.textures.values(), *inputs.masks.values()]
        np.save(folder / f"{way}.npy", torch.stack(outputs).numpy())
    print(json.dumps({"seconds": seconds, "gigabytes": gigabytes}))


def _largest_difference(folder: Path) -> float:
    ours, published = (np.load(folder / f"{way}.npy", mmap_mode="r") for way in ("ours", "published"))
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, published, strict=True))


if __name__ == "__main__":
    main()

"""Comparison with a prior CT, on real scans: a moved copy of a CT must be unchanged, another patient's CT refused.

    python Testing/Benchmarks/prior_real.py [FOLDER]

FOLDER, by default ../shared/data/real, contains 01.nii.gz (LIDC-IDRI-0001) with the mask of its nodules,
labels/01_nodules_nreaders.nii.gz, and 02.nii.gz (LIDC-IDRI-0002). The copy is turned, shifted, blurred, resampled, and
given noise. Regions are those of the thresholds segmenter.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from reg2rg.prior import ComparedScan, compare
from reg2rg.report import ChangeKind, Finding, Location, PriorComparison
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.volumes import read_volume

REAL = Path(__file__).resolve().parents[3] / "shared/data/real"
DEGREES = (4, -3, 6)
SHIFT_MM = (12, -20, 30)
SPACING = (0.9, 0.9, 2.0)
BLUR_MM = 0.6
NOISE_HU = 25
LEAST_READERS = 2
"""A voxel belongs to a nodule if at least this number of the readers marked it."""


def main(folder: Path) -> int:
    """Return 0 if the copy is unchanged and the other patient is refused."""
    if not folder.is_dir():
        print(f"Skipped: {folder} does not exist.")
        return 0
    volume = read_volume(folder / "01.nii.gz")
    places = nodule_places(sitk.ReadImage(str(folder / "labels/01_nodules_nreaders.nii.gz")))
    center = volume.TransformContinuousIndexToPhysicalPoint([size / 2 for size in volume.GetSize()])
    pose = sitk.Euler3DTransform(center, *np.deg2rad(DEGREES).tolist(), SHIFT_MM)
    moved_places = [np.array(pose.GetInverse().TransformPoint(place.tolist())) for place in places]
    current = scan(volume, places)
    copy = timed("moved copy", current, scan(moved_copy(volume, pose), moved_places))
    other = timed("another patient", current, scan(read_volume(folder / "02.nii.gz"), places))
    stable = len(copy.changes) == len(places) and all(change.kind is ChangeKind.STABLE for change in copy.changes)
    return 0 if stable and other.warnings and not other.changes else 1


def nodule_places(readers: sitk.Image) -> list[np.ndarray]:
    """Return the centers of the nodules (x, y, z; LPS) in an image with the number of readers per voxel."""
    labels, count = ndimage.label(sitk.GetArrayFromImage(readers) >= LEAST_READERS)
    centers = ndimage.center_of_mass(labels > 0, labels, range(1, count + 1))
    return [np.array(readers.TransformContinuousIndexToPhysicalPoint(center[::-1])) for center in centers]


def moved_copy(volume: sitk.Image, pose: sitk.Transform) -> sitk.Image:
    """Return a copy of a CT in another pose, with other voxels, blur and noise."""
    size = [int(n * mm / new) for n, mm, new in zip(volume.GetSize(), volume.GetSpacing(), SPACING, strict=True)]
    grid = (volume.GetOrigin(), SPACING, volume.GetDirection(), -2000, sitk.sitkFloat32)
    moved = sitk.Resample(volume, size, pose, sitk.sitkLinear, *grid)
    hu = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(moved, BLUR_MM))
    hu = hu + np.random.default_rng(0).normal(0, NOISE_HU, hu.shape)
    hu[sitk.GetArrayViewFromImage(moved) == -2000] = -1024  # not scanned
    copy = sitk.GetImageFromArray(hu.clip(-1024).round().astype(np.int16))
    copy.CopyInformation(moved)
    return copy


def scan(volume: sitk.Image, places: list[np.ndarray]) -> ComparedScan:
    """Return a scan whose nodules are at the given places (x, y, z; LPS)."""
    points = [tuple((place * (-1, -1, 1)).tolist()) for place in places]
    findings = [Finding("Lung nodule", 0.9, location=Location(point, (12, 12, 12), None, True)) for point in points]
    return ComparedScan(ThresholdSegmenter().segment(volume), volume, {"lung": findings}, None)


def timed(name: str, current: ComparedScan, prior: ComparedScan) -> PriorComparison:
    started = time.process_time()
    comparison = compare(current, prior, 100).comparison
    seconds = time.process_time() - started
    print(f"{name}: Dice {comparison.lung_dice}, details {comparison.detail}, {seconds:.0f} s of CPU")
    for sentence in (*comparison.warnings, *(change.text for change in comparison.changes)):
        print(f"    {sentence}")
    return comparison


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else REAL))

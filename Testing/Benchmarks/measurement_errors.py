"""Errors of the measurements on held-out phantoms, whose true values are known.

    python Testing/Benchmarks/measurement_errors.py [--cases N] [--thresholds]

Each measure is compared with the value that the phantom was made with. By default the exact structures of the phantom
are measured, and values with a failed condition are listed as reserved; --thresholds measures what the thresholds
segmenter finds.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements import Measurement, measure
from reg2rg.measurements.findings import axial_diameters
from reg2rg.measurements.scan import Scan
from reg2rg.phantom import PhantomCase, PhantomConfig, make_phantom
from reg2rg.segmentation.structures import Part
from reg2rg.segmentation.structures_from_regions import find_structures
from reg2rg.segmentation.thresholds import ThresholdSegmenter

FIRST_SEED = 9_700_000
CONFIG = PhantomConfig(size=(192, 192, 144), population="held-out")
ROUND_LESIONS = ("Lung nodule", "Liver cyst", "Thyroid nodule", "Breast mass", "Sclerotic bone lesion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100, help="number of phantoms")
    parser.add_argument("--thresholds", action="store_true", help="measure the thresholds segmenter's structures")
    options = parser.parse_args()
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in range(FIRST_SEED, FIRST_SEED + options.cases):
        for name, value, truth in compare(make_phantom(seed, CONFIG), options.thresholds):
            errors[name].append((value, truth))
    print("| measure | values | mean of the true values | median error | 95% of errors within |\n|---|---|---|---|---|")
    for row in rows(errors):
        print(f"| {' | '.join(row)} |")


def compare(case: PhantomCase, thresholds: bool = False) -> Iterator[tuple[str, float, float]]:
    """Yield the name, the measured and the true value of every measure whose true value is known."""
    masks, structures = case.masks, case.structures
    if thresholds:
        masks = ThresholdSegmenter().segment(case.volume)
        structures = find_structures(case.volume, masks)
    evidence = measure(case.volume, structures, masks)
    for measurement in evidence.measurements:
        truth = case.known_values.get(known_name(measurement))
        if truth is not None and measurement.value is not None:
            reserved = not thresholds and measurement.reserved
            yield f"{measurement.measure}, reserved" if reserved else measurement.measure, measurement.value, truth
    if thresholds:
        return
    scan = Scan.create(case.volume, structures, masks)
    bits = sitk.GetArrayViewFromImage(case.finding_bits)
    for index, finding in enumerate(case.findings):
        if finding.label in ROUND_LESIONS and finding.size_mm:
            mask = (bits & np.uint32(1 << index)) != 0
            part = Part((slice(0, mask.shape[0]), slice(0, mask.shape[1]), slice(0, mask.shape[2])), mask)
            yield "finding_diameter", axial_diameters(scan, part).long_mm, finding.size_mm


def known_name(measurement: Measurement) -> str:
    """Return the name under which a phantom knows the true value."""
    if measurement.measure in ("lung_volume", "effusion_volume"):
        return f"{measurement.measure}_{measurement.part.split()[0]}"
    return measurement.measure


def rows(errors: dict[str, list[tuple[float, float]]]) -> Iterator[list[str]]:
    for name, pairs in errors.items():
        values, truths = np.array(pairs).T
        error = values - truths
        yield [
            name,
            str(len(pairs)),
            f"{truths.mean():.4g}",
            f"{np.median(error):+.3g}",
            f"{np.percentile(np.abs(error), 95):.3g}",
        ]


if __name__ == "__main__":
    main()

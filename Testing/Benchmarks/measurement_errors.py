"""Errors of the measurements on held-out phantoms, whose true values are known.

    python Testing/Benchmarks/measurement_errors.py [--cases N] [--planted | --thresholds]

Each measure is compared with the value that the phantom was made with. By default the exact structures of the phantom
are measured, and values with a failed condition are listed as reserved. --planted gives each phantom a pleural effusion
and coronary calcification, and scans it like the training population, in whose weaker noise calcium can be measured.
--thresholds measures what the thresholds segmenter finds.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements import Measurement, measure
from reg2rg.measurements.findings import axial_diameters
from reg2rg.measurements.measures import MEASURES
from reg2rg.measurements.scan import Scan
from reg2rg.phantom import PhantomCase, PhantomConfig, PlantedFinding, make_phantom
from reg2rg.segmentation.structures import Part
from reg2rg.segmentation.structures_from_regions import find_structures
from reg2rg.segmentation.thresholds import ThresholdSegmenter

FIRST_SEED = 9_700_000
CONFIG = PhantomConfig(size=(192, 192, 144), population="held-out")
SIDES, DEGREES = ("right", "left", "both"), ("mild", "moderate", "severe")
ROUND_LESIONS = ("Lung nodule", "Liver cyst", "Thyroid nodule", "Breast mass", "Sclerotic bone lesion")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=100, help="number of phantoms")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument(
        "--planted", action="store_true", help="give every phantom an effusion and coronary calcification"
    )
    kind.add_argument("--thresholds", action="store_true", help="measure the thresholds segmenter's structures")
    options = parser.parse_args()
    errors: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(options.cases):
        case = planted(number) if options.planted else make_phantom(FIRST_SEED + number, CONFIG)
        for name, value, truth in compare(case, options.thresholds):
            errors[name].append((value, truth))
    print("| measure | values | mean of the true values | median error | 95% of errors within |\n|---|---|---|---|---|")
    for row in rows(errors):
        print(f"| {' | '.join(row)} |")


def planted(number: int) -> PhantomCase:
    """Make a phantom with an effusion of 15 to 70 mm and coronary calcification of any degree."""
    effusion = PlantedFinding("Pleural effusion", "pleura", SIDES[number % 3], None, float(15 + 13 * number % 56))
    label, degree = "Coronary artery wall calcification", DEGREES[number % 3]
    calcification = PlantedFinding(label, "heart", severity=degree)
    return make_phantom(FIRST_SEED + number, replace(CONFIG, population="training"), [effusion, calcification])


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
            if measurement.measure == "effusion_depth":
                yield "effusion_class", effusion_class(measurement.value), effusion_class(truth)
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
    if measurement.measure in ("lung_volume", "effusion_volume", "effusion_depth"):
        return f"{measurement.measure}_{measurement.part.split()[0]}"
    return measurement.measure


def effusion_class(depth_percent: float) -> int:
    """Return 1 for a small, 2 for a moderate and 3 for a large effusion."""
    row = MEASURES["effusion_depth"]
    return 1 + row.cutoffs.index(row.cutoff(depth_percent))


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

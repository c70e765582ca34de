"""Upper abdomen and thyroid: densities of liver and spleen, bright foci in the kidneys, volumes."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.measurements.findings import Diameters, axial_diameters
from reg2rg.measurements.reading import Reading, Readings, absent
from reg2rg.measurements.scan import Scan
from reg2rg.segmentation.structures import Part, display_name

STONE_HU = 200
MIN_STONE_MM = 2.0
MIN_CORE_ML = 5.0
"""No density is measured if less than this is in view."""


def abdomen_measures(scan: Scan) -> Readings:
    """Measure liver, spleen and kidneys."""
    densities: dict[str, float] = {}
    for organ in ("liver", "spleen"):
        reading = _density(scan, organ)
        yield reading
        if reading.value is not None:
            densities[organ] = reading.value
    if len(densities) == 2:
        yield Reading("liver_minus_spleen", densities["liver"] - densities["spleen"], ("liver", "spleen"))
    for organ in ("liver", "spleen", "kidney_right", "kidney_left"):
        part = scan.structures.part(organ)
        if part is not None:
            yield Reading("organ_volume", part.mask.sum() * scan.voxel_ml, (organ,), display_name(organ).lower())
    for side in ("right", "left"):
        yield from _stones(scan, f"kidney_{side}", f"{side} kidney")


def _density(scan: Scan, organ: str) -> Reading:
    """Return the median density of an organ's core, which vessels and lesions hardly change."""
    measure = f"{organ}_hu"
    part = scan.structures.part(organ)
    if part is None:
        return absent(measure, organ, scan.structures.reason(organ))
    core = scan.core(part, 8.0)
    if core.size * scan.voxel_ml < MIN_CORE_ML:
        return absent(measure, organ, "too little of it is in view")
    standard_error = float(core.std()) / max(1.0, np.sqrt(core.size))
    return Reading(measure, float(np.median(core)), (organ,), uncertainty=standard_error)


def _stones(scan: Scan, organ: str, part_name: str) -> Readings:
    part = scan.structures.part(organ)
    if part is None:
        return
    bright = part.mask & (scan.hu[part.box] >= STONE_HU)
    labels, _ = ndimage.label(bright)
    found: list[Diameters] = []
    for label, box in enumerate(ndimage.find_objects(labels), start=1):
        size = sum((s.stop - s.start) * step for s, step in zip(box, scan.spacing, strict=True)) / 3
        if size < MIN_STONE_MM:
            continue
        start = [p.start + b.start for p, b in zip(part.box, box, strict=True)]
        whole = tuple(slice(a, a + (b.stop - b.start)) for a, b in zip(start, box, strict=True))
        found.append(axial_diameters(scan, Part((whole[0], whole[1], whole[2]), labels[box] == label)))
    found.sort(key=lambda diameters: diameters.long_mm, reverse=True)
    for number, diameters in enumerate(found, start=1):
        # Every measurement of a report needs its own key.
        name = part_name if len(found) == 1 else f"{part_name}, {number} of {len(found)}"
        yield Reading("kidney_stone", diameters.long_mm, (organ,), name, (diameters.long_line,))


def thyroid_measures(scan: Scan) -> Readings:
    """Measure the thyroid gland."""
    part = scan.structures.part("thyroid_gland") or scan.region("thyroid")
    if part is None:
        yield absent("thyroid_volume", "thyroid_gland", scan.structures.reason("thyroid_gland"))
        return
    yield Reading("thyroid_volume", part.mask.sum() * scan.voxel_ml, ("thyroid_gland",))

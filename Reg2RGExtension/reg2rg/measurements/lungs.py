"""Lungs and pleura: volumes, densities, dense areas, pleural fluid and free air."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from scipy import ndimage

from reg2rg.measurements.conditions import NOISE_LIMIT_HU
from reg2rg.measurements.reading import Reading, Readings, absent
from reg2rg.measurements.scan import Scan, expanded, over_box, smoothed, smoothed_between
from reg2rg.segmentation.morphology import components, dilated, eroded, opened
from reg2rg.segmentation.structures import LOBES, Part, display_name

LOW_ATTENUATION_HU = -950
HIGH_ATTENUATION_HU = (-600, -250)
DENSE_HU = -250
FLUID_HU = (-10, 40)
FREE_AIR_HU = -965
SMOOTHING_MM = 0.8
"""Standard deviation of the smoothing applied to noisy scans before densities are read."""
MIN_DENSE_ML = 2.0
"""Smaller dense areas are vessels at the hilum."""
MIN_FLUID_ML = 15.0
MIN_FREE_AIR_ML = 10.0
_THIRDS = ("upper third", "middle third", "lower third")


def lung_measures(scan: Scan, noise_hu: float | None) -> Readings:
    """Measure volumes and densities of the lungs."""
    lungs = scan.lungs
    if lungs is None:
        for measure in ("lung_volume", "low_attenuation", "high_attenuation"):
            yield absent(measure, "lungs", "the lungs were not found")
        return
    sides = {name: part for name in ("right lung", "left lung") if (part := scan.structures.part(name)) is not None}
    for name, part in sides.items():
        yield Reading("lung_volume", part.mask.sum() * scan.voxel_ml, (name,), name)
    values, parenchyma = _parenchyma(scan, lungs, noise_hu)
    inside = values[parenchyma]
    if not inside.size:
        yield absent("low_attenuation", "lungs", "no air-filled lung was found")
        return
    yield Reading("low_attenuation", _share(inside <= LOW_ATTENUATION_HU), ("lungs",))
    for name, (side, part) in _thirds(lungs, sides).items():
        mask = over_box(part, lungs.box) & parenchyma
        if mask.any():
            yield Reading("low_attenuation_part", _share(values[mask] <= LOW_ATTENUATION_HU), (side,), name)
    for lobes in LOBES.values():
        for structure in lobes.values():
            lobe = scan.structures.part(structure)
            if lobe is not None and (mask := over_box(lobe, lungs.box) & parenchyma).any():
                share = _share(values[mask] <= LOW_ATTENUATION_HU)
                yield Reading("low_attenuation_part", share, (structure,), f"{display_name(structure).lower()}")
    yield Reading("percentile_15", float(np.percentile(inside, 15)), ("lungs",))
    low, high = HIGH_ATTENUATION_HU
    yield Reading("high_attenuation", _share((inside >= low) & (inside <= high)), ("lungs",))
    yield from _dense(scan, lungs)


def _parenchyma(scan: Scan, lungs: Part, noise_hu: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the densities over the lungs' box, smoothed if noisy, and the lungs without the large airways."""
    values = scan.hu[lungs.box]
    if noise_hu is not None and noise_hu > NOISE_LIMIT_HU:
        values = smoothed(values, SMOOTHING_MM, scan.spacing)
    mask = lungs.mask
    airways = scan.region("trachea and bronchie")
    if airways is not None:
        mask = mask & ~over_box(airways, lungs.box)
    return values, mask


def _share(selected: np.ndarray) -> float:
    return 100 * float(selected.mean())


def _thirds(lungs: Part, sides: dict[str, Part]) -> dict[str, tuple[str, Part]]:
    """Return the thirds of both lungs by their own height, from the apex to the base, and the lung of each."""
    thirds: dict[str, tuple[str, Part]] = {}
    for side, part in (sides or {"lungs": lungs}).items():
        height = part.mask.shape[0]
        edges = [round(height * i / 3) for i in range(4)]
        for name, (bottom, top) in zip(reversed(_THIRDS), pairwise(edges), strict=True):
            zs, ys, xs = part.box
            box = (slice(zs.start + bottom, zs.start + top), ys, xs)
            thirds[f"{name} of the {side}"] = side, Part(box, part.mask[bottom:top])
    return thirds


def _dense(scan: Scan, lungs: Part) -> Readings:
    """Measure what is dense within the closed outline of the lungs, apart from their surface."""
    dense = eroded(lungs.mask, 3.0, scan.spacing) & (scan.hu[lungs.box] > DENSE_HU)
    yield Reading("dense_lung", dense.sum() * scan.voxel_ml, ("lungs",))
    labels, sizes = components(opened(dense, 3.0, scan.spacing))
    if not sizes.size or sizes.max() * scan.voxel_ml < MIN_DENSE_ML:
        yield absent("dense_lung_largest", "lungs", f"nothing dense of {MIN_DENSE_ML:g} mL or more was found")
        return
    where = labels == 1 + int(sizes.argmax())
    center = np.array(ndimage.center_of_mass(where)) + [s.start for s in lungs.box]
    yield Reading("dense_lung_largest", sizes.max() * scan.voxel_ml, ("lungs",), _place(scan, center))


def _place(scan: Scan, center: np.ndarray) -> str:
    """Return the lobe or the side in which a voxel (z, y, x) lies."""
    for name in (*LOBES["right"].values(), *LOBES["left"].values(), "right lung", "left lung"):
        part = scan.structures.part(name)
        if part is None:
            continue
        index = tuple(int(round(c)) - s.start for c, s in zip(center, part.box, strict=True))
        inside = all(0 <= i < n for i, n in zip(index, part.mask.shape, strict=True))
        if inside and part.mask[index]:
            return display_name(name).lower()
    x = center[2] / scan.hu.shape[2]
    return "right side" if x < 0.5 else "left side"


def pleura_measures(scan: Scan) -> Readings:
    """Measure pleural fluid and free air on each side."""
    sides = {side: scan.structures.part(f"{side} lung") for side in ("right", "left")}
    if scan.lungs is None or any(part is None for part in sides.values()):
        yield absent("effusion_volume", "pleura", "the lungs were not found on both sides")
        return
    middle = _midline(sides)
    fluid, air = _fluid(scan), _free_air(scan)
    fluid_from, air_from = (
        name if scan.structures.part(name) is not None else "pleura" for name in ("pleural_effusion", "pneumothorax")
    )
    for side, lung in sides.items():
        assert lung is not None
        half = slice(None, middle) if side == "right" else slice(middle, None)
        yield from _effusion(scan, side, lung, fluid, half, fluid_from)
        yield from _pleural_air(scan, side, air, half, air_from)


def _midline(sides: dict[str, Part | None]) -> int:
    right, left = sides["right"], sides["left"]
    assert right is not None and left is not None
    return (right.box[2].stop + left.box[2].start) // 2


def _fluid(scan: Scan) -> Part | None:
    """Return the pleural fluid: its structure, or else what is as dense as fluid and thick in the pleura's region."""
    structure = scan.structures.part("pleural_effusion")
    if structure is not None:
        return structure
    pleura = scan.region("pleura")
    if pleura is None:
        return None
    low, high = FLUID_HU
    fluid = pleura.mask & smoothed_between(scan.hu[pleura.box], 1.5, scan.spacing, low, high)
    return Part(pleura.box, opened(fluid, 2.0, scan.spacing))


def _effusion(scan: Scan, side: str, lung: Part, fluid: Part | None, half: slice, structure: str) -> Readings:
    part = f"{side} side"
    if fluid is None:
        yield absent("effusion_volume", "pleura", "the pleura was not found", part)
        return
    mask = np.zeros_like(fluid.mask)
    columns = _columns(fluid, half)
    labels, sizes = components(fluid.mask[:, :, columns])
    mask[:, :, columns] = np.append(False, sizes * scan.voxel_ml >= MIN_FLUID_ML / 3)[labels]
    volume = mask.sum() * scan.voxel_ml
    if volume < MIN_FLUID_ML:
        yield Reading("effusion_volume", 0.0, (structure,), part, detail=_where(structure))
        return
    yield Reading("effusion_volume", volume, (structure,), part)
    depths = mask.sum(axis=1)  # voxels of fluid along each line from front to back
    z, x = np.unravel_index(int(depths.argmax()), depths.shape)
    rows = np.flatnonzero(mask[z, :, x])
    depth_mm = depths[z, x] * scan.spacing[1]
    hemithorax_mm = _hemithorax_depth(lung, fluid, mask, scan)
    offset = [s.start for s in fluid.box]
    line = scan.line(
        np.array([z, rows[0] - 0.5, x]) + offset,
        np.array([z, rows[-1] + 0.5, x]) + offset,
    )
    share = 100 * depth_mm / hemithorax_mm
    yield Reading(
        "effusion_depth", share, (structure,), part, (line,), uncertainty=100 * scan.spacing[1] / hemithorax_mm
    )


def _hemithorax_depth(lung: Part, fluid: Part, mask: np.ndarray, scan: Scan) -> float:
    """Return the greatest depth (mm) of lung and fluid together from front to back."""
    rows = np.flatnonzero(mask.any(axis=(0, 2))) + fluid.box[1].start
    front, back = min(lung.box[1].start, rows[0]), max(lung.box[1].stop, rows[-1] + 1)
    return float((back - front) * scan.spacing[1])


def _columns(part: Part, half: slice) -> slice:
    """Return the columns of a part's box that lie in one half of the volume."""
    start, stop = part.box[2].start, part.box[2].stop
    low = max(start, half.start or 0) - start
    high = min(stop, half.stop if half.stop is not None else stop) - start
    return slice(low, max(low, high))


def _where(structure: str) -> str:
    """Return where something was searched for, if nothing was found: a mask may end before it."""
    return "within the outline of the pleura" if structure == "pleura" else ""


def _free_air(scan: Scan) -> Part | None:
    """Return thick air without vessels at the front of the chest, in the lungs or the pleura.

    None without a pleura: air that collapses a lung lies outside of it.
    """
    structure = scan.structures.part("pneumothorax")
    if structure is not None:
        return structure
    lungs, pleura = scan.lungs, scan.region("pleura")
    if lungs is None or pleura is None:
        return None
    box = expanded(lungs.box, (2, 8, 8), scan.hu.shape)
    mask = over_box(lungs, box)
    mask |= over_box(pleura, box)
    air = smoothed_between(scan.hu[box], 1.2, scan.spacing, -np.inf, FREE_AIR_HU)
    candidates = opened(mask & air, 4.0, scan.spacing)
    labels, sizes = components(candidates)
    reach = tuple(int(4.0 / mm) + 1 for mm in scan.spacing)
    front = (box[1].stop - box[1].start) // 2
    result = np.zeros_like(mask)
    for label, where in enumerate(ndimage.find_objects(labels), start=1):
        if sizes[label - 1] * scan.voxel_ml < MIN_FREE_AIR_ML:
            continue
        around = expanded(where, (reach[0], reach[1], reach[2]), mask.shape)
        part = labels[around] == label
        rows = np.flatnonzero(part.any(axis=(0, 2))) + around[1].start
        touching = (part & dilated(~mask[around], 4.0, scan.spacing)).sum() / sizes[label - 1]
        if np.median(rows) < front and touching > 0.25:
            result[around] |= part
    return Part(box, result)


def _pleural_air(scan: Scan, side: str, air: Part | None, half: slice, structure: str) -> Readings:
    part = f"{side} side"
    if air is None:
        yield absent("pleural_air", "pleura", "the pleura was not found", part)
        return
    columns = _columns(air, half)
    volume = air.mask[:, :, columns].sum() * scan.voxel_ml
    if volume < MIN_FREE_AIR_ML:
        yield Reading("pleural_air", 0.0, (structure,), part, detail=_where(structure))
    else:
        yield Reading("pleural_air", volume, (structure,), part)

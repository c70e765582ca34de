"""Trachea and great vessels: diameters across the tube."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.measurements.findings import extent, hull_points
from reg2rg.measurements.measurement import Line
from reg2rg.measurements.reading import Reading, Readings, absent
from reg2rg.measurements.scan import Scan, expanded, over_box
from reg2rg.segmentation.morphology import components
from reg2rg.segmentation.structures import Part

LUMEN_HU = -500
"""Halfway between air and soft tissue: the edge of the tracheal lumen."""
ABOVE_CARINA_MM = 20.0
"""Closer to the carina, the lumen widens toward the bronchi."""
BELOW_CARINA_MM = 20.0
"""The right pulmonary artery crosses behind the ascending aorta about this far below the carina."""


def airway_and_vessel_measures(scan: Scan) -> Readings:
    """Measure the trachea, and the great vessels at a level that the airways give."""
    lumen = _lumen(scan)
    carina = None if lumen is None else carina_slice(lumen)
    yield from _trachea(scan, lumen, carina)
    yield from _vessels(scan, lumen, carina)


def _trachea(scan: Scan, lumen: Part | None, carina: int | None) -> Readings:
    """Measure the trachea 2 cm above the carina.

    Args:
        scan: the volume.
        lumen: air within the trachea and the central bronchi; None if not found.
        carina: slice of the lumen's box above the division of the trachea; None if not in view.
    """
    names = ("trachea_coronal", "trachea_sagittal", "trachea_area", "trachea_ratio")
    if lumen is None or carina is None:
        reason = "the trachea was not found" if lumen is None else "the carina is not in view"
        for name in names:
            yield absent(name, "trachea", reason)
        return
    level = carina + round(ABOVE_CARINA_MM / scan.spacing[0])
    if level >= lumen.mask.shape[0]:
        for name in names:
            yield absent(name, "trachea", "the trachea above the carina is not in view")
        return
    plane = _largest_component(lumen.mask[level])
    area = plane.sum() * scan.spacing[1] * scan.spacing[2]
    rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
    coronal, sagittal = columns.size * scan.spacing[2], rows.size * scan.spacing[1]
    middle = np.array(ndimage.center_of_mass(plane))
    across = _line(scan, lumen, level, (middle[0], columns[0] - 0.5), (middle[0], columns[-1] + 0.5))
    deep = _line(scan, lumen, level, (rows[0] - 0.5, middle[1]), (rows[-1] + 0.5, middle[1]))
    in_plane = max(scan.spacing[1:])
    yield Reading("trachea_coronal", coronal, ("trachea",), lines=(across,), uncertainty=in_plane)
    yield Reading("trachea_sagittal", sagittal, ("trachea",), lines=(deep,), uncertainty=in_plane)
    yield Reading("trachea_area", float(area), ("trachea",))
    yield Reading("trachea_ratio", coronal / sagittal, ("trachea",))


def _line(scan: Scan, part: Part, level: int, start: tuple[float, float], end: tuple[float, float]) -> Line:
    offset = np.array([s.start for s in part.box], float)
    return scan.line(offset + (level, *start), offset + (level, *end))


def _lumen(scan: Scan) -> Part | None:
    """Return the air within the trachea and the central bronchi."""
    part = scan.region("trachea and bronchie") or scan.structures.part("trachea")
    if part is None:
        return None
    box = expanded(part.box, (0, 2, 2), scan.hu.shape)
    mask = over_box(part, box)
    near = ndimage.binary_dilation(mask, np.ones((1, 3, 3)))
    if scan.lungs is not None:  # large pixels reach across the wall
        near &= mask | ~over_box(scan.lungs, box)
    return Part(box, near & (scan.hu[box] < LUMEN_HU))


def carina_slice(lumen: Part) -> int | None:
    """Return the lowest slice of the lumen's box in which the trachea is still one tube; None if it never divides.

    Air in the throat divides as well, and so do the bronchi: the trachea is the longest stretch without a division.
    """
    top = lumen.mask.shape[0] - 1
    while top > 0 and not lumen.mask[top].any():
        top -= 1
    tube = _largest_component(lumen.mask[top])
    longest, length, carina = 0, 1, None
    for z in range(top - 1, -1, -1):
        branches = _continued(tube, lumen.mask[z])
        if not branches:
            break
        if len(branches) == 1:
            length += 1
        else:
            if length > longest:
                longest, carina = length, z + 1
            length = 0
        tube = np.logical_or.reduce(branches)
    return carina


def _continued(tube: np.ndarray, plane: np.ndarray) -> list[np.ndarray]:
    """Return the components of a slice that continue a tube from the slice above, without much smaller ones."""
    labels, sizes = components(plane)
    touching = np.unique(labels[ndimage.binary_dilation(tube, iterations=2) & (labels > 0)]).tolist()
    largest_size = max((sizes[label - 1] for label in touching), default=0)
    return [labels == label for label in touching if sizes[label - 1] > 0.25 * largest_size]


def _largest_component(plane: np.ndarray) -> np.ndarray:
    labels, sizes = components(plane)
    return labels == 1 + int(sizes.argmax()) if sizes.size else np.zeros_like(plane)


def _vessels(scan: Scan, lumen: Part | None, carina: int | None) -> Readings:
    """Measure the aorta at the level of the right pulmonary artery, and the pulmonary trunk.

    Args:
        scan: the volume.
        lumen: as in ``_trachea``.
        carina: as in ``_trachea``.
    """
    aorta, artery = scan.structures.part("aorta"), scan.structures.part("pulmonary_artery")
    ascending: Reading | None = None
    if aorta is None or lumen is None or carina is None:
        reason = scan.structures.reason("aorta") if aorta is None else "the carina is not in view"
        yield absent("ascending_aorta", "aorta", reason)
        yield absent("descending_aorta", "aorta", reason)
    else:
        level = lumen.box[0].start + carina - round(BELOW_CARINA_MM / scan.spacing[0])
        ascending, descending = _aorta(scan, aorta, level, _middle(lumen))
        yield ascending
        yield descending
    if artery is None:
        reason = scan.structures.reason("pulmonary_artery")
        yield absent("pulmonary_artery", "pulmonary_artery", reason)
        yield absent("pulmonary_to_aorta", "pulmonary_artery", reason)
        return
    trunk = _widest_ball(scan, artery)
    yield trunk
    if ascending is not None and ascending.value and trunk.value:
        ratio = trunk.value / ascending.value
        yield Reading("pulmonary_to_aorta", ratio, ("pulmonary_artery", "aorta"))


def _middle(lumen: Part) -> float:
    """Return the row of the volume in which the middle of the airways lies."""
    return lumen.box[1].start + float(np.average(np.arange(lumen.mask.shape[1]), weights=lumen.mask.sum(axis=(0, 2))))


def _aorta(scan: Scan, aorta: Part, level: int, airways: float) -> tuple[Reading, Reading]:
    """Measure both limbs of the aorta at a slice of the volume.

    Args:
        scan: the volume.
        aorta: both limbs, or one of them.
        level: the slice.
        airways: row in which the middle of the airways lies; the ascending aorta is in front of it.
    """
    names = ("ascending_aorta", "descending_aorta")
    z = level - aorta.box[0].start
    if not 0 <= z < aorta.mask.shape[0]:
        first, second = (absent(name, "aorta", "the aorta is not in view at this level") for name in names)
        return first, second
    labels, sizes = components(aorta.mask[z])
    smallest = 80.0 / (scan.spacing[1] * scan.spacing[2])  # 10 mm across
    limbs = [label for label in range(1, sizes.size + 1) if sizes[label - 1] >= smallest]
    limbs.sort(key=lambda label: ndimage.center_of_mass(labels == label)[0])
    readings = []
    for name, in_front in zip(names, (True, False), strict=True):
        here = [n for n in limbs if (ndimage.center_of_mass(labels == n)[0] + aorta.box[1].start < airways) == in_front]
        if not here:
            readings.append(absent(name, "aorta", "this part of the aorta was not found at this level"))
            continue
        limb = here[0] if in_front else here[-1]
        readings.append(_across(scan, aorta, z, labels == limb, name))
    return readings[0], readings[1]


def _across(scan: Scan, part: Part, z: int, plane: np.ndarray, measure: str) -> Reading:
    """Measure a vessel's largest diameter in the plane across it."""
    spacing = np.array(scan.spacing)
    center = np.array([z, *ndimage.center_of_mass(plane)])
    axis = _axis(part.mask, z, plane, scan)
    # Two unit vectors that span the plane across the vessel, in mm along z, y, x.
    side = np.cross(axis, [1.0, 0.0, 0.0] if abs(axis[0]) < 0.9 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    reach, step = 45.0, float(spacing[1:].min()) / 2
    offsets = np.arange(-reach, reach + step / 2, step)
    u, v = np.meshgrid(offsets, offsets, indexing="ij")
    points = center[:, None, None] + (side[:, None, None] * u + other[:, None, None] * v) / spacing[:, None, None]
    inside = ndimage.map_coordinates(part.mask.astype(np.float32), points, order=1) >= 0.5
    labels, _ = ndimage.label(inside)
    middle = labels[labels.shape[0] // 2, labels.shape[1] // 2]
    if not middle:
        return absent(measure, "aorta", "its cross-section could not be determined")
    uv = np.argwhere(labels == middle) * step - reach
    length, start, end = extent(hull_points(uv))
    offset = np.array([s.start for s in part.box])
    ends = [offset + center + (side * p[0] + other * p[1]) / spacing for p in (start, end)]
    line = scan.line(*ends)
    return Reading(measure, length, ("aorta",), lines=(line,), uncertainty=float(max(spacing[1:])))


def _axis(mask: np.ndarray, z: int, plane: np.ndarray, scan: Scan) -> np.ndarray:
    """Return the unit direction (z, y, x) of a vessel at a slice, from its centers 8 mm above and below."""
    centers = [np.array([z, *ndimage.center_of_mass(plane)])]
    reach = max(1, round(8.0 / scan.spacing[0]))
    for step in (1, -1):
        current = plane
        for index in range(z + step, z + step * (reach + 1), step):
            if not 0 <= index < mask.shape[0]:
                break
            labels, _ = ndimage.label(mask[index])
            touching = np.bincount(labels[current & (labels > 0)], minlength=1)
            if touching.size < 2 or not touching[1:].any():
                break
            following = labels == 1 + int(touching[1:].argmax())
            if following.sum() > 1.6 * plane.sum():  # the limbs meet in the arch
                break
            current = following
            centers.append(np.array([index, *ndimage.center_of_mass(current)]))
    points = np.array(centers) * scan.spacing
    if len(points) < 2:
        return np.array([1.0, 0.0, 0.0])
    _, _, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return np.asarray(directions[0])


def _widest_ball(scan: Scan, part: Part) -> Reading:
    """Measure a vessel's trunk by the largest ball that fits into it."""
    depth = ndimage.distance_transform_edt(np.pad(part.mask, 1), sampling=scan.spacing)[1:-1, 1:-1, 1:-1]
    center = np.array(np.unravel_index(int(depth.argmax()), depth.shape), float)
    # Of the many voxels around a ball, the center of one lies at its edge: nothing is left to subtract.
    radius = float(depth.max())
    offset = np.array([s.start for s in part.box])
    half = np.array([0.0, 0.0, radius / scan.spacing[2]])
    line = scan.line(offset + center - half, offset + center + half)
    return Reading(
        "pulmonary_artery", 2 * radius, ("pulmonary_artery",), lines=(line,), uncertainty=float(max(scan.spacing[1:]))
    )

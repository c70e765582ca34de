"""Heart: volume, cardiothoracic ratio, calcium and pericardial fluid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.measurements.measurement import Line
from reg2rg.measurements.reading import Reading, Readings, absent
from reg2rg.measurements.scan import Scan, expanded
from reg2rg.segmentation.morphology import dilated
from reg2rg.segmentation.structures import Part

CALCIUM_HU = 130
MIN_CALCIUM_MM2 = 1.0
BONE_MARGIN_MM = 3.0
"""What is connected to something as close to bone is bone, as in Comp2Comp's calcium score."""
MIN_CALCIUM_PIXELS = 3
"""Smaller clusters may be noise; with the pixels for which the score was defined, this is about 1 mm2 as well."""
NOISE_DEVIATIONS = 4.0
"""Blood must stay this many standard deviations of its noise below the limit of calcium."""
AGATSTON_SLICE_MM = 3.0
"""Slice thickness for which the score was defined; areas on other slices are weighted by their thickness."""


def heart_measures(scan: Scan) -> Readings:
    """Measure the heart."""
    heart = scan.structures.part("heart") or scan.region("heart")
    if heart is None:
        reason = scan.masks.missing.get("heart", "not found in this volume")
        for measure in ("heart_volume", "cardiothoracic_ratio", "heart_calcium_volume"):
            yield absent(measure, "heart", reason)
    else:
        yield Reading("heart_volume", heart.mask.sum() * scan.voxel_ml, ("heart",))
        yield _cardiothoracic_ratio(scan, heart)
        yield from _calcium(scan, heart)
    yield absent("coronary_calcium_class", "heart", "the coronary arteries are not segmented")
    fluid = scan.structures.part("pericardial_effusion")
    if fluid is not None:
        depth = ndimage.distance_transform_edt(np.pad(fluid.mask, 1), sampling=scan.spacing)
        yield Reading("pericardial_fluid", 2 * float(depth.max()) - scan.spacing[2], ("pericardial_effusion",))


def _cardiothoracic_ratio(scan: Scan, heart: Part) -> Reading:
    """Compare the widest axial extent of the heart with that of the lungs, which reach the inner chest wall."""
    lungs = scan.lungs
    if lungs is None:
        return absent("cardiothoracic_ratio", "heart", "the lungs were not found")
    # Fluid or air between lung and chest wall, and lung that a segmenter leaves out as dense, lie within the wall, too.
    others = (scan.structures.part("pleural_effusion"), scan.structures.part("pneumothorax"), scan.region("lung"))
    heart_mm, heart_line = _widest([heart], scan)
    chest_mm, chest_line = _widest([lungs, *(part for part in others if part is not None)], scan)
    ratio = heart_mm / chest_mm
    uncertainty = ratio * scan.spacing[2] * (1 / heart_mm + 1 / chest_mm)
    return Reading("cardiothoracic_ratio", ratio, ("heart", "lungs"), "", (heart_line, chest_line), uncertainty)


def _widest(parts: list[Part], scan: Scan) -> tuple[float, Line]:
    """Return the greatest extent (mm) of some parts together from right to left in any slice, and its line."""
    slices, _, columns = scan.hu.shape
    first, last = np.full(slices, columns), np.full(slices, -1)
    for part in parts:
        profile: np.ndarray = np.any(part.mask, axis=1)  # (z, x)
        zs = np.flatnonzero(profile.any(axis=1))
        starts = part.box[2].start + profile[zs].argmax(axis=1)
        ends = part.box[2].start + profile.shape[1] - 1 - profile[zs, ::-1].argmax(axis=1)
        zs += part.box[0].start
        first[zs], last[zs] = np.minimum(first[zs], starts), np.maximum(last[zs], ends)
    z = int((last - first).argmax())
    main = parts[0]
    rows = np.flatnonzero(main.mask[int(np.clip(z - main.box[0].start, 0, len(main.mask) - 1))].any(axis=1))
    row = main.box[1].start + (float(np.median(rows)) if rows.size else 0.0)
    line = scan.line(np.array([z, row, first[z] - 0.5]), np.array([z, row, last[z] + 0.5]))
    return float(last[z] - first[z] + 1) * scan.spacing[2], line


def _calcium(scan: Scan, heart: Part) -> Readings:
    """Measure clusters of calcium slice by slice, as the Agatston score does."""
    blood = scan.core(heart, 8.0)
    if blood.size:
        median = float(np.median(blood))
        noise = 1.4826 * float(np.median(np.abs(blood - median)))
        if median < CALCIUM_HU <= median + NOISE_DEVIATIONS * noise:
            reason = f"noise of {noise:.0f} HU in the heart looks like calcium"
            yield absent("heart_calcium_volume", "heart", reason)
            yield absent("heart_calcium_score", "heart", reason)
            return
    values = scan.hu[heart.box]
    dz, dy, dx = scan.spacing
    volume_mm3 = score = 0.0
    for plane, bright in zip(values, _calcium_mask(scan, heart), strict=True):
        if not bright.any():
            continue
        labels, number = ndimage.label(bright, np.ones((3, 3)))
        pixels = np.bincount(labels.ravel())[1:]
        peaks = ndimage.maximum(plane, labels, range(1, number + 1))
        for count, peak in zip(pixels, np.atleast_1d(peaks), strict=True):
            area = count * dy * dx
            if area >= MIN_CALCIUM_MM2 and count >= MIN_CALCIUM_PIXELS:
                volume_mm3 += area * dz
                score += area * min(int(peak) // 100, 4) * dz / AGATSTON_SLICE_MM
    estimated = "heart" in scan.masks.approximate or scan.structures.is_approximate("heart")
    if not volume_mm3 and estimated:  # the arteries run along the surface, which an estimate may miss
        yield absent("heart_calcium_volume", "heart", "none was found, but outlines are estimated")
        yield absent("heart_calcium_score", "heart", "none was found, but outlines are estimated")
        return
    yield Reading("heart_calcium_volume", float(volume_mm3), ("heart",))
    yield Reading("heart_calcium_score", float(score), ("heart",))


def _calcium_mask(scan: Scan, heart: Part) -> np.ndarray:
    """Return what is as dense as calcium over the heart's box, without bone that an estimated heart includes."""
    bright = heart.mask & (scan.hu[heart.box] >= CALCIUM_HU)
    if "bone" not in scan.masks.present or not bright.any():
        return bright
    margins = [int(BONE_MARGIN_MM / step) + 1 for step in scan.spacing]
    box = expanded(heart.box, (margins[0], margins[1], margins[2]), scan.hu.shape)
    inner = tuple(slice(h.start - b.start, h.stop - b.start) for h, b in zip(heart.box, box, strict=True))
    near_bone = dilated(scan.masks.array("bone", box), BONE_MARGIN_MM, scan.spacing)[inner]
    labels, count = ndimage.label(bright, np.ones((3, 3, 3)))
    is_bone = np.zeros(count + 1, bool)
    is_bone[np.unique(labels[near_bone])] = True
    is_bone[0] = True
    return ~is_bone[labels]

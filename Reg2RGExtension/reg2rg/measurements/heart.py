"""Heart: volume, cardiothoracic ratio, calcium and pericardial fluid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

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
    fluid = scan.structures.part("pericardial_effusion")
    if fluid is not None:
        depth = ndimage.distance_transform_edt(np.pad(fluid.mask, 1), sampling=scan.spacing)
        yield Reading("pericardial_fluid", 2 * float(depth.max()) - scan.spacing[2], ("pericardial_effusion",))


def _cardiothoracic_ratio(scan: Scan, heart: Part) -> Reading:
    """Compare the widest axial extent of the heart with that of the lungs, which reach the inner chest wall."""
    lungs = scan.lungs
    if lungs is None:
        return absent("cardiothoracic_ratio", "heart", "the lungs were not found")
    widths = []
    for part in (heart, lungs):
        profile: np.ndarray = np.any(part.mask, axis=1)  # (z, x)
        first = profile.argmax(axis=1)
        last = profile.shape[1] - 1 - profile[:, ::-1].argmax(axis=1)
        width = np.where(profile.any(axis=1), last - first + 1, 0)
        z = int(width.argmax())
        row = float(np.median(np.flatnonzero(part.mask[z].any(axis=1))))
        offset = np.array([s.start for s in part.box], float)
        line = scan.line(offset + (z, row, first[z] - 0.5), offset + (z, row, last[z] + 0.5))
        widths.append((float(width[z]) * scan.spacing[2], line))
    (heart_mm, heart_line), (chest_mm, chest_line) = widths
    ratio = heart_mm / chest_mm
    uncertainty = ratio * scan.spacing[2] * (1 / heart_mm + 1 / chest_mm)
    return Reading("cardiothoracic_ratio", ratio, ("heart", "lungs"), "", (heart_line, chest_line), uncertainty)


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

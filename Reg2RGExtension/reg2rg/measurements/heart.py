"""Heart: volume, cardiothoracic ratio, calcium and pericardial fluid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from reg2rg.measurements.reading import Reading, Readings, absent
from reg2rg.measurements.scan import Scan
from reg2rg.segmentation.structures import Part

CALCIUM_HU = 130
MIN_CALCIUM_MM2 = 1.0
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
    values = scan.hu[heart.box]
    dz, dy, dx = scan.spacing
    volume_mm3 = score = 0.0
    for plane, mask in zip(values, heart.mask, strict=True):
        bright = mask & (plane >= CALCIUM_HU)
        if not bright.any():
            continue
        labels, count = ndimage.label(bright, np.ones((3, 3)))
        areas = np.bincount(labels.ravel())[1:] * dy * dx
        peaks = ndimage.maximum(plane, labels, range(1, count + 1))
        for area, peak in zip(areas, np.atleast_1d(peaks), strict=True):
            if area >= MIN_CALCIUM_MM2:
                volume_mm3 += area * dz
                score += area * min(int(peak) // 100, 4) * dz / AGATSTON_SLICE_MM
    yield Reading("heart_calcium_volume", float(volume_mm3), ("heart",))
    yield Reading("heart_calcium_score", float(score), ("heart",))

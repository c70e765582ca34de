"""The descending aorta in scans with contrast medium: a bright, round tube beside the spine.

Without contrast medium, the aorta has the density of the tissue around it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from reg2rg.segmentation.structures import Part
from reg2rg.segmentation.thresholds.spine import Spine
from reg2rg.volumes.geometry import Spacing

MIN_BLOOD_HU = 120.0
"""Darker blood does not stand out from muscle."""
MAX_BLOOD_HU = 600.0
"""Brighter voxels are bone, metal or undiluted contrast medium."""
MUSCLE_HU = 55.0
SMOOTHING_MM = 1.5
RADIUS_MM = (7.0, 24.0)
"""Smallest and largest plausible radius."""
LATERAL_MM = (-12.0, 50.0)
"""Distance of its center from the midline, positive to the patient's left."""
ANTERIOR_MM = (8.0, 78.0)
"""Distance of its center in front of the spinal canal."""
BODY_MM = (11.0, 40.0)
"""Extent of the vertebral body, from the midline and in front of the canal; the aorta's center lies outside."""
MAX_FILL = 1.35
"""Largest area within 1.25 radii of its center, as a multiple of the circle's. Arch and branches fill more."""
BRIGHTER_THAN_MUSCLE_HU = 100.0
MAX_ENCLOSED = 0.4
"""Largest share of bright voxels around a cross-section. A lumen that is only partly filled, as in a dissection, lies
within blood of another density, and would be measured too small."""
MAX_STEP_MM = 5.0
"""Largest shift of its center between neighboring slices, besides half a slice distance."""
MAX_GAP_MM = 8.0
"""Slices that may be missing between two cross-sections."""
MIN_LENGTH_MM = 80.0
"""A shorter tube may be another vessel."""
MIN_SHARE = 0.7
"""Smallest share of the slices along its length in which it is seen."""


@dataclass(frozen=True)
class _Disc:
    """A round cross-section.

    Attributes:
        z: slice.
        center: row and column of its center.
        rows: rows of its voxels.
        columns: columns of its voxels.
    """

    z: int
    center: np.ndarray
    rows: np.ndarray
    columns: np.ndarray


def descending_aorta(hu: np.ndarray, spine: Spine) -> Part | None:
    """Find the descending aorta.

    Args:
        hu: HU values (z, y, x) with LPS axes.
        spine: course of the spine on the same grid.

    Returns:
        The aorta; None if no bright tube of its size runs along the spine.
    """
    spacing = spine.spacing
    runs: list[list[_Disc]] = []
    for z in range(len(hu) - 1, -1, -1):
        for disc in _discs(hu[z], z, spine):
            near = [run for run in runs if _continues(disc, run[-1], spacing)]
            if near:
                max(near, key=len).append(disc)
            else:
                runs.append([disc])
    longest = max(runs, key=len, default=[])
    slices = longest[0].z - longest[-1].z + 1 if longest else 0
    if slices * spacing[0] < MIN_LENGTH_MM or len(longest) < MIN_SHARE * slices:
        return None
    lowest = longest[-1].z
    mask = np.zeros((slices, *hu.shape[1:]), bool)
    for disc in longest:
        mask[disc.z - lowest, disc.rows, disc.columns] = True
    return Part((slice(lowest, lowest + slices), slice(None), slice(None)), mask)


def _discs(plane: np.ndarray, z: int, spine: Spine) -> list[_Disc]:
    """Return the bright round cross-sections beside the vertebral body in a slice."""
    step = np.array(spine.spacing[1:])
    canal = np.array([spine.canal_y[z], spine.x[z]])
    reach = RADIUS_MM[1]
    start = np.maximum(canal + np.array([-ANTERIOR_MM[1] - reach, LATERAL_MM[0] - reach]) / step, 0).astype(int)
    stop = (canal + np.array([reach - ANTERIOR_MM[0], LATERAL_MM[1] + reach]) / step).astype(int)
    smooth = plane[start[0] : max(0, stop[0]), start[1] : max(0, stop[1])].astype(np.float32)
    if min(smooth.shape, default=0) < 3:
        return []
    smooth = ndimage.gaussian_filter(smooth, SMOOTHING_MM / step)
    rows, columns = np.indices(smooth.shape)
    anterior, lateral = (canal[0] - start[0] - rows) * step[0], (columns + start[1] - canal[1]) * step[1]
    allowed = (anterior >= ANTERIOR_MM[0]) & (anterior <= ANTERIOR_MM[1])
    allowed &= (lateral >= LATERAL_MM[0]) & (lateral <= LATERAL_MM[1])
    allowed &= (np.abs(lateral) > BODY_MM[0]) | (anterior > BODY_MM[1])
    found = []
    for peak in _peaks(_depth(smooth, MIN_BLOOD_HU, step), allowed):
        # The edge lies halfway between the blood at this place and muscle.
        edge = max((float(smooth[peak]) + MUSCLE_HU) / 2, MUSCLE_HU + 25)
        depth = _depth(smooth, edge, step)
        away = np.hypot((rows - peak[0]) * step[0], (columns - peak[1]) * step[1])
        row, column = np.unravel_index(int(np.where(allowed & (away < 6), depth, 0).argmax()), depth.shape)
        radius = float(depth[row, column])
        if not RADIUS_MM[0] <= radius <= RADIUS_MM[1]:
            continue
        away = np.hypot((rows - row) * step[0], (columns - column) * step[1])
        area = float(((depth > 0) & (away <= 1.25 * radius)).sum()) * step[0] * step[1]
        around = (away > 1.2 * radius) & (away <= 1.7 * radius)
        enclosed = float((smooth[around] > BRIGHTER_THAN_MUSCLE_HU).mean()) if around.any() else 1.0
        if area <= MAX_FILL * np.pi * radius**2 and enclosed <= MAX_ENCLOSED:
            # Toward fat and lung, the edge lies farther out than toward muscle.
            inside = np.nonzero((smooth > MUSCLE_HU) & (away <= radius + max(step)))
            found.append(_Disc(z, np.array([row, column]) + start, inside[0] + start[0], inside[1] + start[1]))
    return found


def _depth(smooth: np.ndarray, edge: float, step: np.ndarray) -> np.ndarray:
    """Return the distance in mm of bright voxels from the nearest one that is not."""
    bright = (smooth > edge) & (smooth < MAX_BLOOD_HU)
    return ndimage.distance_transform_edt(np.pad(bright, 1), sampling=step)[1:-1, 1:-1]


def _peaks(depth: np.ndarray, allowed: np.ndarray) -> list[tuple[int, ...]]:
    """Return the voxels farthest from the edge, one per tube."""
    local = (depth == ndimage.maximum_filter(depth, 9)) & (depth >= 0.7 * RADIUS_MM[0]) & allowed
    labels, count = ndimage.label(local, np.ones((3, 3)))
    return [tuple(np.argwhere(labels == label)[0]) for label in range(1, count + 1)]


def _continues(disc: _Disc, last: _Disc, spacing: Spacing) -> bool:
    gap = (last.z - disc.z) * spacing[0]
    shift = float(np.linalg.norm((disc.center - last.center) * spacing[1:]))
    return 0 < gap <= max(MAX_GAP_MM, spacing[0]) and shift <= MAX_STEP_MM + gap / 2

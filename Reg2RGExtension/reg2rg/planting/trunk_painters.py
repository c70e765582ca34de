"""Findings of the mediastinum, the heart and the airways, painted into a real scan."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter

from reg2rg.phantom.findings import PlantedFinding
from reg2rg.phantom.findings.lesion_painting import random_ellipsoid
from reg2rg.planting.site import Site
from reg2rg.segmentation.morphology import dilated, eroded

_FAT_HU = (-140, -20)
"""Fat between the organs."""
_PLAQUES = {"mild": (3, 6), "moderate": (7, 12), "severe": (14, 22)}
_CORONARY_PLAQUES = {"mild": (2, 4), "moderate": (4, 7), "severe": (8, 13)}
"""Range of the number of plaques, upper bound excluded."""
_CUFF_MM = {"mild": 1.6, "moderate": 2.4, "severe": 3.4}
_AORTA_BESIDE_MM, _AORTA_BEFORE_MM = (8.0, 34.0), (-4.0, 26.0)
"""Where the descending aorta lies: to the left of the midline, and in front of the middle of the vertebral bodies."""


def lymphadenopathy(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint one enlarged lymph node of the finding's size and one or two smaller ones next to it."""
    mediastinum = site.masks.get("mediastinum")
    if mediastinum is None or site.spine is None:
        return None
    lateral = site.spine.lateral_mm(site.canvas.shape)
    fat = mediastinum & (site.smooth > _FAT_HU[0]) & (site.smooth < _FAT_HU[1])
    if finding.side is None:
        allowed = fat & (np.abs(lateral) < 30)
    else:
        beside = lateral > 25 if finding.side == "left" else lateral < -25
        near = dilated(site.lungs[finding.side], 8, site.spacing)
        allowed = mediastinum & near & beside & (site.smooth < _FAT_HU[1])
    place = site.point(allowed, rng)
    if place is None:
        return None
    size_mm = finding.measured_mm
    nodes = [random_ellipsoid(site.canvas, place, size_mm, rng, flatness=0.7)]
    for _ in range(rng.integers(1, 3)):
        offset = (rng.uniform(-4, 4), rng.uniform(-4, 4), rng.choice([-1, 1]) * (0.5 * size_mm + 5))
        nodes.append(random_ellipsoid(site.canvas, place + offset, 0.5 * size_mm, rng))
    hu = float(rng.uniform(30, 65))
    for node in nodes:
        site.paint(node, hu, rng)
    return site.canvas.mask_including_small(*nodes)


def aortic_calcification(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint calcified plaques on the edge of the mediastinum's soft tissue where the aorta lies."""
    mediastinum = site.masks.get("mediastinum")
    if mediastinum is None or site.spine is None:
        return None
    lateral, depth = site.spine.lateral_mm(site.canvas.shape), site.spine.depth_mm(site.canvas.shape)
    beside = (lateral > _AORTA_BESIDE_MM[0]) & (lateral < _AORTA_BESIDE_MM[1])
    before = (-depth > _AORTA_BEFORE_MM[0]) & (-depth < _AORTA_BEFORE_MM[1])
    tissue = mediastinum & (site.smooth > 0) & beside & before
    wall = tissue & ~eroded(tissue, 3.0, site.spacing)
    return _plaques(site, wall, int(rng.integers(*_PLAQUES[finding.severity or "moderate"])), (2.0, 7.0), rng)


def coronary_calcification(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint calcified stretches in the fat of the heart, mostly in front on the left."""
    heart = site.masks.get("heart")
    if heart is None:
        return None
    fat = heart & (gaussian_filter(site.original, 0.7) < 0) & (site.smooth > -120)
    z, y, x = np.nonzero(heart)
    front = np.arange(fat.shape[1])[None, :, None] < np.percentile(y, 65)
    upper = np.arange(fat.shape[0])[:, None, None] > np.percentile(z, 35)
    course = fat & front & upper
    return _plaques(
        site, course, int(rng.integers(*_CORONARY_PLAQUES[finding.severity or "moderate"])), (2.0, 6.0), rng
    )


def pericardial_effusion(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint fluid around the heart, thicker behind it."""
    heart = site.masks.get("heart")
    if heart is None:
        return None
    size_mm = finding.measured_mm
    room = (site.smooth < 0) & ((site.smooth > _FAT_HU[0]) | _lungs(site))
    layer = dilated(heart, size_mm, site.spacing) & room
    outside = distance_transform_edt(~heart, site.spacing)
    rows = np.flatnonzero(heart.any(axis=(0, 2)))
    heights = np.flatnonzero(heart.any(axis=(1, 2)))
    behind = np.clip((np.arange(heart.shape[1]) - rows[0]) / max(1, np.ptp(rows)), 0.35, 1)[None, :, None]
    layer &= np.arange(heart.shape[0])[:, None, None] >= heights[0] - 2
    coverage = gaussian_filter((layer & (outside <= size_mm * behind)).astype(np.float32), 0.8)
    site.paint(site.whole(coverage), float(rng.uniform(2, 18)), rng)
    mask = coverage >= 0.5
    for side in site.lungs:
        site.lungs[side] = site.lungs[side] & ~mask
    return mask if mask.any() else None


def peribronchial_thickening(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint cuffs around the bronchi that run in the lungs or at their edge."""
    airways = site.masks.get("trachea and bronchie")
    if airways is None or site.spine is None:
        return None
    thickness = _CUFF_MM[finding.severity or "moderate"]
    lateral = site.spine.lateral_mm(site.canvas.shape)
    cuff = dilated(airways, thickness + 1.0, site.spacing) & ~airways
    sides = [lateral > 15 if side == "left" else lateral < -15 for side in finding.sides]
    mask = cuff & np.logical_or.reduce(sides) & binary_dilation(_lungs(site), iterations=2)
    if not mask.any():
        return None
    site.paint(site.whole(gaussian_filter(mask.astype(np.float32), 0.5)), float(rng.uniform(15, 50)), rng)
    return mask


def catheter(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint a catheter that runs down beside the trachea to the right of the midline."""
    mediastinum = site.masks.get("mediastinum")
    if mediastinum is None or site.spine is None:
        return None
    lateral = site.spine.lateral_mm(site.canvas.shape)
    depth = site.spine.depth_mm(site.canvas.shape)
    vein = mediastinum & (site.smooth > 10) & (lateral < -14) & (lateral > -34) & (depth < -25)
    heights = np.flatnonzero(vein.sum(axis=(1, 2)) > 3)
    if heights.size < 8:
        return None
    tip = int(heights[0] + rng.uniform(0.3, 0.55) * np.ptp(heights))
    rows = [h for h in heights if h >= tip][:: max(1, heights.size // 6)]
    path = [site.to_mm((float(h), *np.argwhere(vein[h]).mean(axis=0))) for h in rows]
    beside = rng.uniform(25, 45) if finding.lateral_side == "left" else -rng.uniform(2, 12)
    path.append(path[-1] + (beside, rng.uniform(-8, 4), rng.uniform(25, 45)))
    line = site.canvas.tube(np.array(path) + rng.uniform(-1, 1, 3), rng.uniform(1.2, 1.8))
    site.paint(line, float(rng.uniform(1500, 2600)), rng)
    return site.canvas.mask_including_small(line)


def _plaques(
    site: Site, wall: np.ndarray, count: int, length_mm: tuple[float, float], rng: np.random.Generator
) -> np.ndarray | None:
    """Paint calcified plaques along a wall; return their mask, or None without any."""
    plaques = []
    for _ in range(count):
        center = site.point(wall, rng)
        if center is not None:
            half = rng.normal(size=3) * (0.3, 0.3, 1.0)
            half *= rng.uniform(*length_mm) / np.linalg.norm(half)
            plaques.append(site.canvas.tube([center - half, center + half], rng.uniform(1.3, 2.8)))
    hu = float(rng.uniform(500, 950)) + max(0.0, site.blood_hu - 60)
    for plaque in plaques:
        site.paint(plaque, hu, rng)
    return site.canvas.mask_including_small(*plaques) if plaques else None


def _lungs(site: Site) -> np.ndarray:
    return np.logical_or.reduce(list(site.lungs.values()))

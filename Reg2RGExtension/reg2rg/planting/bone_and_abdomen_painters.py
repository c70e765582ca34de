"""Findings of the bones and the upper abdomen, painted into a real scan."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from reg2rg.phantom.body import Shape
from reg2rg.phantom.findings import PlantedFinding
from reg2rg.phantom.findings.lesion_painting import random_ellipsoid
from reg2rg.planting.site import Site
from reg2rg.segmentation.morphology import dilated, largest
from reg2rg.segmentation.thresholds.spine import BODY_DEPTH_MM

_CHEST_WALL_MM = 16.0
"""Ribs lie within this distance of the lungs."""
_VERTEBRA_MM = (17.0, 14.0)
"""Half width of a vertebral body from left to right, and from front to back."""
_HALF_HEIGHT_MM = 11.0
_LIVER_HU = (25.0, 190.0)


def sclerotic_lesion(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Replace bone with bone that is denser than its cortex."""
    return _bone_lesion(site, finding, float(rng.uniform(650, 950)), rng)


def lytic_lesion(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Replace bone with soft tissue."""
    return _bone_lesion(site, finding, float(rng.uniform(15, 60)), rng)


def fracture(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint callus around a rib or, for a finding without a side, a vertebra that has lost height in front."""
    if finding.side is None:
        return _wedge_fracture(site, finding, rng)
    place = _rib_place(site, finding.side, rng)
    if place is None:
        return None
    callus = site.canvas.ellipsoid(place, rng.uniform(6, 10, 3))
    site.paint(callus, float(rng.uniform(350, 600)), rng)
    along = rng.normal(size=3)
    along *= 1.2 / np.linalg.norm(along)
    site.paint(site.canvas.tube([place - along, place + along], 4.5).times(0.7), 60.0, rng)
    return site.canvas.mask_including_small(callus)


def liver_cyst(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint a ball of fluid in homogeneous tissue on the right below the diaphragm."""
    abdomen = site.masks.get("abdomen")
    if abdomen is None or site.spine is None:
        return None
    size_mm = finding.measured_mm
    smooth = gaussian_filter(site.original, 1.5)
    tissue = abdomen & (smooth > _LIVER_HU[0]) & (smooth < _LIVER_HU[1])
    liver = largest(tissue & (site.spine.lateral_mm(site.canvas.shape) < -15))
    place = site.point(liver & (site.depth(liver) > size_mm / 2 + 2), rng)
    if place is None:
        return None
    cyst = random_ellipsoid(site.canvas, place, size_mm, rng, flatness=0.88)
    site.paint(cyst, float(rng.uniform(-5, 14)), rng)
    return site.canvas.mask_including_small(cyst)


def _bone_lesion(site: Site, finding: PlantedFinding, hu: float, rng: np.random.Generator) -> np.ndarray | None:
    """Paint a lesion in a vertebra or, for a finding with a side, in a rib; return its mask."""
    radius = finding.measured_mm / 2
    if finding.side is None:
        place = _vertebra_place(site, finding, rng)
        radii = radius * np.array([1.0, *rng.uniform(0.75, 0.95, 2)])
    else:
        place = _rib_place(site, finding.side, rng)
        radii = np.minimum(radius, (radius, rng.uniform(5, 8), rng.uniform(5, 8)))
    if place is None:
        return None
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    lesion = site.canvas.ellipsoid(place, radii, axes)
    site.paint(lesion, hu, rng)
    return site.canvas.mask_including_small(lesion)


def _wedge_fracture(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Turn the upper front of a vertebral body into soft tissue and make the rest dense."""
    center = _vertebra_place(site, finding, rng, at_center=True)
    if center is None:
        return None
    canvas, (half_width, half_depth) = site.canvas, _VERTEBRA_MM
    reach = np.array([half_width + 1, half_depth + 1, _HALF_HEIGHT_MM + 1])
    box = canvas.box(center - reach, center + reach)
    x, y, z = canvas.voxel_centers(box)
    column = canvas.coverage((np.hypot((x - center[0]) / half_width, (y - center[1]) / half_depth) - 1) * 15)
    inside = column * (np.abs(z - center[2]) < _HALF_HEIGHT_MM)
    front = np.clip((center[1] + 0.8 * half_depth - y) / (1.6 * half_depth), 0, 1)
    roof = center[2] + _HALF_HEIGHT_MM - rng.uniform(8, 13) * front
    lost = Shape(box, inside * canvas.coverage((roof - z).astype(np.float32), canvas.spacing[2]))
    kept = Shape(box, inside - lost.coverage)
    canvas.hu[box] += kept.coverage * np.float32(rng.uniform(60, 160))
    site.paint(lost, 45.0, rng)
    return canvas.mask_including_small(Shape(box, inside))


def _vertebra_place(
    site: Site, finding: PlantedFinding, rng: np.random.Generator, *, at_center: bool = False
) -> np.ndarray | None:
    """Sample a place in a vertebral body at the finding's level, x, y, z in mm; None if the spine is unknown.

    The levels are thirds of the height of the lungs, which span the thoracic spine.
    """
    bone = site.masks.get("bone")
    if bone is None or site.spine is None:
        return None
    heights = np.flatnonzero(np.logical_or.reduce(list(site.lungs.values())).any(axis=(1, 2)))
    if heights.size < 12 or (finding.level and any(place.cut for place in site.lung_places.values())):
        return None
    third = {"lower": 0, "middle": 1, "upper": 2}[finding.level] if finding.level else int(rng.integers(3))
    z = int(heights[0] + (third + rng.uniform(0.15, 0.85)) * np.ptp(heights) / 3)
    y = site.spine.canal_y[z] - (BODY_DEPTH_MM * 0.62) / site.spacing[1]
    center = site.to_mm((z, y, site.spine.x[z]))
    return center if at_center else center + rng.uniform(-1, 1, 3) * (8, 5, 2)


def _rib_place(site: Site, side: str, rng: np.random.Generator) -> np.ndarray | None:
    """Sample a place in a rib of a side, x, y, z in mm; None without ribs."""
    bone = site.masks.get("bone")
    if bone is None or site.spine is None or side not in site.lungs:
        return None
    lateral = site.spine.lateral_mm(site.canvas.shape)
    beside = lateral > 35 if side == "left" else lateral < -35
    near = dilated(site.lungs[side], _CHEST_WALL_MM, site.spacing)
    return site.point(bone & beside & near & (site.smooth > 150), rng)

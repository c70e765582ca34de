"""Findings of the lung, painted into a real scan."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from reg2rg.phantom.body import Shape, random_field
from reg2rg.phantom.findings import PlantedFinding
from reg2rg.phantom.findings.lesion_painting import ragged_patch
from reg2rg.phantom.findings.nodule_shapes import sample_nodule
from reg2rg.planting.site import AIR_HU, Site

_HOLES = {"mild": 1.25, "moderate": 0.8, "severe": 0.3}
"""Value of the random field, of unit variance, above which the lung is destroyed."""
_SEPTUM_HU = {"mild": 150.0, "moderate": 220.0, "severe": 300.0}
_SEPTA_DEPTH_MM = 45.0


def nodule(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint a nodule or mass with the shape and the texture of one that radiologists outlined."""
    size_mm = finding.measured_mm
    shape, axes = sample_nodule(rng)
    depth = site.lung_depths[finding.lateral_side]
    room = site.lobe(finding.lateral_side, finding.level) & (site.smooth < AIR_HU)
    needed = 0.3 * size_mm if rng.random() < 0.5 else 1.0  # half of them may touch the chest wall
    place = site.point(room & (depth > needed), rng)
    if place is None:
        return None
    side, painted = finding.lateral_side, shape.on_canvas(site.canvas, place, size_mm, axes)
    if shape.solid:
        calcified = shape.calcified and rng.random() < 0.7
        hu = float(rng.uniform(200, 600) if calcified else rng.uniform(5, 70))
        return site.canvas.mask_including_small(site.paint_in_lung(painted, side, hu, rng))
    painted = painted.within(site.lungs[side])
    _add_haze(site, painted, float(rng.uniform(180, 380)))
    if shape.part_solid:
        core = shape.on_canvas(site.canvas, place, size_mm * rng.uniform(0.35, 0.6), axes)
        site.paint_in_lung(core, side, float(rng.uniform(-60, 40)), rng)
    return site.canvas.mask_including_small(painted)


def opacity(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint ground glass: hazy patches in which vessels remain visible."""
    hu, painted = float(rng.uniform(200, 330)), []
    for side, shape, _ in _patches(site, finding, (14.0, 30.0), 0.6, rng):
        painted.append(shape.within(site.lungs[side]))
        _add_haze(site, painted[-1], hu)
    return _mask_of(site, painted)


def consolidation(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint filled airspaces with air bronchograms."""
    hu, painted = float(rng.uniform(10, 50)), []
    for side, shape, middle in _patches(site, finding, (18.0, 36.0), 0.2, rng):
        painted.append(site.paint_in_lung(shape, side, hu, rng))
        filled = site.whole_grid(painted[-1])
        for _ in range(3):
            path = [middle + rng.uniform(-8, 8, 3), middle + rng.uniform(-28, 28, 3)]
            site.paint(site.canvas.tube(path, rng.uniform(1.2, 2.2)).within(filled), -850, rng)
    return _mask_of(site, painted)


def atelectasis(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint one to three uneven plates of collapsed lung per side."""
    hu, painted = float(rng.uniform(-20, 40)), []
    for side in finding.sides:
        lobe = site.lobe(side, finding.level)
        for _ in range(rng.integers(1, 4)):
            place = site.point(lobe & (site.lung_depths[side] > 5) & (site.lung_depths[side] < 25), rng)
            if place is not None:
                painted.append(site.paint_in_lung(_plate(site, place, rng), side, hu, rng))
    return _mask_of(site, painted)


def _plate(site: Site, place: np.ndarray, rng: np.random.Generator) -> Shape:
    """Return an uneven plate, tilted against the axial plane."""
    normal = np.array([*rng.normal(0, 0.6, 2), 1.0])
    normal /= np.linalg.norm(normal)
    first = np.cross(normal, rng.normal(size=3))
    first /= np.linalg.norm(first)
    radii = (rng.uniform(16, 36), rng.uniform(9, 20), rng.uniform(1.6, 3.4))
    plate = site.canvas.ellipsoid(place, radii, np.array([first, np.cross(normal, first), normal]))
    uneven = random_field(site.canvas.voxel_centers(plate.box), rng.uniform(10, 18), rng)
    return plate.times(np.clip(1.1 + 0.5 * uneven, 0, 1))


def fibrosis(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint irregular converging strands with small nodules on them."""
    hu, painted = float(rng.uniform(0, 90)), []
    for side in finding.sides:
        middle = site.point(site.lobe(side, finding.level) & (site.lung_depths[side] > 8), rng)
        if middle is not None:
            shapes = []
            for _ in range(rng.integers(5, 9)):
                ahead = rng.normal(size=3)
                ahead *= rng.uniform(14, 30) / np.linalg.norm(ahead)
                bend = middle + 0.5 * ahead + rng.normal(0, 3, 3)
                shapes.append(site.canvas.tube([middle, bend, middle + ahead], [2.2, 1.5, 1.0]))
            for _ in range(4):
                shapes.append(site.canvas.ellipsoid(middle + rng.normal(0, 7, 3), rng.uniform(1.5, 4.5, 3)))
            painted += [site.paint_in_lung(shape, side, hu, rng) for shape in shapes]
    return _mask_of(site, painted)


def emphysema(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint holes without walls; the more severe the finding, the more holes."""
    field = _field(site, rng.uniform(16, 28), rng) - np.float32(_HOLES[finding.severity or "moderate"])
    holes = np.clip(field * 4, 0, 1) * (_lobes(site, finding) & (site.canvas.hu < -500))
    site.paint(site.whole(holes), float(rng.uniform(-990, -965)), rng)
    return _if_any(holes >= 0.5)


def mosaic_attenuation(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint patches of denser and less dense lung side by side; the mask excludes the transitions between them."""
    patches = np.clip(_field(site, rng.uniform(65, 95), rng) * 3, -1, 1) * _lobes(site, finding)
    denser = np.where(patches > 0, np.float32(rng.uniform(90, 150)), np.float32(45)) * patches
    site.canvas.hu += denser * (site.canvas.hu < -450)
    return _if_any(np.abs(patches) >= 0.5)


def septal_thickening(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint a network of thickened septa in the outer lung."""
    depth = np.maximum.reduce([site.lung_depths[side] for side in finding.sides])
    zone = np.clip((_SEPTA_DEPTH_MM - depth) / 12, 0, 1) * _lobes(site, finding)
    septa = np.clip(1.3 - np.abs(_field(site, rng.uniform(20, 30), rng)) * 4.5, 0, 1) * zone
    site.canvas.hu += septa * np.float32(_SEPTUM_HU[finding.severity or "moderate"]) * (site.canvas.hu < -300)
    return _if_any(septa >= 0.4)


def bronchiectasis(site: Site, finding: PlantedFinding, rng: np.random.Generator) -> np.ndarray | None:
    """Paint dilated bronchi, which run toward the hilum, do not taper and have a visible wall."""
    hu, walls, lumens = float(rng.uniform(-350, -50)), [], []
    for side in finding.sides:
        lobe, depths = site.lobe(side, finding.level), site.lung_depths[side]
        hilum = _hilum(site, side)
        for _ in range(rng.integers(4, 9)):
            start = site.point(lobe & (depths > 8), rng)
            if start is not None:
                inward = hilum - start
                inward *= min(1.0, rng.uniform(25, 55) / np.linalg.norm(inward))
                path = [start, start + 0.5 * inward + rng.normal(0, 2.5, 3), start + inward]
                radius = rng.uniform(2.4, 4.6)
                swelling = rng.uniform(0.75, 1.2, 3)
                lumens.append(site.canvas.tube(path, radius * swelling).within(site.lungs[side]))
                wall = site.canvas.tube(path, (radius + 1.2) * swelling).within(site.lungs[side])
                site.paint(wall, hu, rng)
                walls.append(wall)
    for lumen in lumens:
        site.paint(lumen, -960, rng)
    return _mask_of(site, walls)


def _hilum(site: Site, side: str) -> np.ndarray:
    """Return the place of a lung, x, y, z in mm, that its bronchi come from: the innermost part at mid-height."""
    place, lung = site.lung_places[side], site.lungs[side]
    middle = lung & (np.abs(place.height - 0.55) < 0.08) & (np.abs(place.front - 0.5) < 0.2)
    z, y, x = np.nonzero(middle if middle.any() else lung)
    inner = x.min() if side == "left" else x.max()
    return site.to_mm((float(np.median(z)), float(np.median(y)), float(inner)))


def _patches(
    site: Site, finding: PlantedFinding, radii_mm: tuple[float, float], softness: float, rng: np.random.Generator
) -> Iterator[tuple[str, Shape, np.ndarray]]:
    """Yield one to three ragged patches per side, as side, shape and the middle (x, y, z in mm) of that side's."""
    for side in finding.sides:
        middle = site.point(site.lobe(side, finding.level) & (site.lung_depths[side] > 10), rng)
        if middle is not None:
            for number in range(rng.integers(1, 4)):
                center = middle + (rng.normal(0, 16, 3) if number else 0)
                yield side, ragged_patch(site.canvas, center, rng.uniform(*radii_mm, 3), rng, softness), middle


def _add_haze(site: Site, shape: Shape, hu: float) -> None:
    """Make air-filled lung denser without hiding its vessels."""
    target = site.canvas.hu[shape.box]
    target += shape.coverage * np.float32(hu) * (target < -350)


def _lobes(site: Site, finding: PlantedFinding) -> np.ndarray:
    """Return the lung of the finding's sides and level, boolean (z, y, x)."""
    return np.logical_or.reduce([site.lobe(side, finding.level) for side in finding.sides])


def _field(site: Site, wavelength_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Return a smooth random field of unit variance, float32 (z, y, x)."""
    return random_field((site.canvas.x, site.canvas.y, site.canvas.z), wavelength_mm, rng)


def _mask_of(site: Site, shapes: Sequence[Shape]) -> np.ndarray | None:
    """Return the voxels of shapes, or None without any."""
    return _if_any(site.canvas.mask_including_small(*shapes))


def _if_any(mask: np.ndarray) -> np.ndarray | None:
    return mask if mask.any() else None

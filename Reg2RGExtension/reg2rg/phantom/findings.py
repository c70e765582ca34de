"""Drawing findings and planting them in a phantom's anatomy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from reg2rg.phantom.anatomy import Anatomy
from reg2rg.phantom.build import Build
from reg2rg.phantom.canvas import Shape
from reg2rg.phantom.kinds import FINDINGS, KINDS, SIDES, Finding, FindingKind
from reg2rg.phantom.thorax import AIRWAY_RADII, HEART_AXES, paint_airway_lumen
from reg2rg.regions import REGION_NAMES

_NORMAL_SHARE = 0.46
_SECOND_SHARE = 0.15
_LEVEL_CENTRES = {"lower": (0.14, 0.27), "middle": (0.43, 0.57), "upper": (0.72, 0.85)}
_LEVEL_SPANS = {"lower": (0.0, 0.38), "middle": (0.31, 0.69), "upper": (0.62, 1.0), None: (0.0, 1.0)}


def draw_findings(rng: np.random.Generator, *, female: bool) -> list[Finding]:
    """What one case has, in the order of FINDINGS: each region is normal or has one, rarely two, findings."""
    drawn = []
    for region in REGION_NAMES:
        if region == "breast" and not female:
            continue
        kinds = [kind for kind in KINDS if kind.region == region]
        weights = np.array([kind.weight for kind in kinds])
        luck = rng.random()
        count = 0 if luck < _NORMAL_SHARE else 2 if luck > 1 - _SECOND_SHARE * (1 - _NORMAL_SHARE) else 1
        chosen = rng.choice(len(kinds), min(count, len(kinds)), replace=False, p=weights / weights.sum())
        drawn += [_draw(kinds[index], rng) for index in chosen]
    return _ordered(drawn)


def _ordered(findings: Iterable[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: FINDINGS.index(finding.label))


def _draw(kind: FindingKind, rng: np.random.Generator) -> Finding:
    side = SIDES[rng.integers(2)] if kind.sided else None
    level = kind.levels[rng.integers(len(kind.levels))]
    size = float(rng.uniform(*kind.sizes[rng.integers(len(kind.sizes))])) if kind.sizes else None
    return Finding(kind.label, kind.region, side, level, size)


def build_with(build: Build, findings: Iterable[Finding], rng: np.random.Generator) -> Build:
    """The body that has the findings which change the heart's shape."""
    labels = {finding.label for finding in findings}
    scale, layer = rng.uniform(1.24, 1.36), (rng.uniform(11, 17), rng.uniform(2, 18))
    return build.with_heart(
        scale if "Cardiomegaly" in labels else None, layer if "Pericardial effusion" in labels else None
    )


def plant_findings(anatomy: Anatomy, findings: Iterable[Finding], rng: np.random.Generator) -> list[Finding]:
    """Paint the findings and set the anatomy's finding labels; return them with their centres.

    Where findings overlap, the later one in FINDINGS has the voxel, but an enlarged heart only what is left over.
    """
    labels = anatomy.labels
    planted = []
    # Fluid and air take room from the lungs, so that what lies in the lungs comes after them.
    for finding in sorted(_ordered(findings), key=lambda finding: finding.region != "pleura"):
        mask = _PLANTERS[finding.label](anatomy, finding, rng)
        value = FINDINGS.index(finding.label) + 1
        labels[mask & (labels == 0) if finding.label == "Cardiomegaly" else mask] = value
        centre = np.argwhere(mask).mean(axis=0)[::-1] * anatomy.canvas.spacing + anatomy.canvas.origin
        planted.append(replace(finding, center_mm=tuple(round(float(c), 1) for c in centre)))
    return _ordered(planted)


def _paint(anatomy: Anatomy, shape: Shape, hu: float, within: np.ndarray | None = None) -> np.ndarray:
    """Paint a shape, cut by a boolean mask if given; return the voxels it took."""
    if within is not None:
        shape = Shape(shape.box, shape.coverage * within[shape.box])
    anatomy.canvas.paint(shape, hu)
    return anatomy.canvas.mask(shape)


def _pick(anatomy: Anatomy, allowed: Iterable[np.ndarray], rng: np.random.Generator, count: int = 1) -> np.ndarray:
    """Centres (count, 3) of random voxels of the first of the masks that is not empty."""
    for mask in allowed:
        places = np.flatnonzero(mask)
        if len(places):
            index = np.unravel_index(places[rng.integers(len(places), size=count)], mask.shape)
            return np.stack(index[::-1], axis=1) * anatomy.canvas.spacing + anatomy.canvas.origin
    raise ValueError("no voxel is left for a finding")


def _height(anatomy: Anatomy) -> np.ndarray:
    """Height within both lungs, 0 at their lowest and 1 at their highest voxel, to broadcast as (z, 1, 1)."""
    filled = np.flatnonzero(anatomy.breathing.any(axis=(1, 2)))
    index = np.arange(anatomy.canvas.shape[0])[:, None, None]
    return (index - filled[0]) / (filled[-1] - filled[0])


def _free_lung(anatomy: Anatomy) -> np.ndarray:
    return anatomy.breathing & (anatomy.labels == 0)


def _lung_place(anatomy: Anatomy, finding: Finding, depth: float, rng: np.random.Generator) -> np.ndarray:
    height = _height(anatomy)
    low, high = _LEVEL_CENTRES[finding.level]
    zone = _free_lung(anatomy) & anatomy.side(finding.side) & (height > low) & (height < high)
    return _pick(anatomy, (zone & (anatomy.cavity < -depth), zone), rng)[0]


def _nodule(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    radius = finding.size_mm / 2
    place = _lung_place(anatomy, finding, radius + 2, rng)
    shape = anatomy.canvas.ellipsoid(place, radius * rng.uniform(0.88, 1.0, 3))
    return _paint(anatomy, shape, rng.uniform(0, 60), _free_lung(anatomy))


def _consolidation(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    low, high = _LEVEL_SPANS[finding.level]
    height = _height(anatomy)
    within = _free_lung(anatomy) & anatomy.side(finding.side) & (height > low) & (height < high)
    place = _lung_place(anatomy, finding, 20, rng)
    mask = np.zeros(anatomy.canvas.shape, bool)
    for _ in range(4):
        shape = anatomy.canvas.ellipsoid(place + rng.uniform(-14, 14, 3), rng.uniform(18, 32, 3))
        mask |= _paint(anatomy, shape, rng.uniform(-120, 30), within)
    for _ in range(3):
        bronchus = anatomy.canvas.tube([place + rng.uniform(-8, 8, 3), place + rng.uniform(-30, 30, 3)], 2.0)
        _paint(anatomy, bronchus, -850, mask)
    return mask


def _emphysema(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    low, high = _LEVEL_SPANS[finding.level]
    height = _height(anatomy)
    within = _free_lung(anatomy) & (height > low) & (height < high)
    mask = np.zeros(anatomy.canvas.shape, bool)
    for place in _pick(anatomy, (within,), rng, 110 if finding.level is None else 60):
        hole = anatomy.canvas.ellipsoid(place, rng.uniform(7, 13, 3))
        mask |= _paint(anatomy, hole, -985, within)
    return mask


def _airway_walls(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    thicker = rng.uniform(3.0, 4.5)
    mask = np.zeros(anatomy.canvas.shape, bool)
    for name, radius in AIRWAY_RADII.items():
        if name != "trachea":
            mask |= _paint(anatomy, anatomy.canvas.tube(anatomy.points[name], radius + thicker), 40)
    paint_airway_lumen(anatomy, wall=3)
    _grow_region(anatomy, "trachea and bronchie", mask)
    return mask


def _grow_region(anatomy: Anatomy, region: str, mask: np.ndarray) -> None:
    """Add voxels to a region and take them from the lungs."""
    anatomy.masks[region] |= mask
    anatomy.breathing &= ~mask


def _mucus_plug(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    path = anatomy.points[f"bronchus {finding.side}"]
    start = path[1] + rng.uniform(-0.3, 0.1) * (path[1] - path[0])
    return _paint(anatomy, anatomy.canvas.tube([start, path[2], path[3]], 7.0), rng.uniform(5, 35))


def _pleural_fluid(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Lying on the back, fluid fills the chest from behind and from below, and rises a little along the wall."""
    canvas, lung = anatomy.canvas, anatomy.breathing & anatomy.side(finding.side)
    reach = 0.35 + finding.size_mm / 90
    thickness = finding.size_mm * np.clip(1 - _height(anatomy) / reach, 0, 1)
    back = canvas.y.ravel()[lung.any(axis=(0, 2))].max() + 0.15 * anatomy.build.half_width
    behind = back - thickness - canvas.y - 0.3 * np.abs(canvas.x)
    along_wall = np.maximum(-anatomy.cavity - 0.25 * thickness, -canvas.y)
    return _fill_pleura(anatomy, finding, np.minimum(behind, along_wall), rng.uniform(2, 20))


def _pleural_air(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Lying on the back, air collects in front and at the apex."""
    canvas, lung = anatomy.canvas, anatomy.breathing & anatomy.side(finding.side)
    thickness = rng.uniform(18, 32)
    front = canvas.y.ravel()[lung.any(axis=(0, 2))].min()
    rim = -anatomy.cavity - thickness * np.clip(0.25 + 0.75 * _height(anatomy), 0, 1)
    distance = np.minimum(np.maximum(rim, canvas.y - 25), canvas.y - front - thickness)
    return _fill_pleura(anatomy, finding, distance, -1000)


def _fill_pleura(anatomy: Anatomy, finding: Finding, distance: np.ndarray, hu: float) -> np.ndarray:
    """Replace lung where the distance is negative, to the very edge, where lung is mixed with chest wall."""
    canvas = anatomy.canvas
    mask = anatomy.breathing & anatomy.side(finding.side) & (distance < 0)
    coverage = anatomy.shapes["lungs"].coverage
    edge = (coverage > 0) & (coverage < 0.5) & (canvas.hu < -150) & anatomy.side(finding.side)
    canvas.paint(Shape((slice(None),) * 3, canvas.soften(distance) * (mask | edge)), hu)
    anatomy.breathing &= ~mask
    anatomy.masks["pleura"] |= mask
    return mask


def _lymph_nodes(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    place = anatomy.build.at(-25, 8, -68) if finding.side == "right" else anatomy.build.at(28, -12, -74)
    radius = finding.size_mm / 2
    mask = _paint(anatomy, anatomy.canvas.ellipsoid(place + rng.uniform(-3, 3, 3), radius * np.array([0.9, 1, 1])), 52)
    small = anatomy.canvas.ellipsoid(place + (0, 0, -radius - 7), np.full(3, 0.45 * radius))
    mask |= _paint(anatomy, small, 48)
    _grow_region(anatomy, "mediastinum", mask)
    return mask


def _aortic_plaques(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    path, radii = anatomy.points["aorta"][2:8], anatomy.points["aorta radii"][2:8]
    mask = np.zeros(anatomy.canvas.shape, bool)
    for _ in range(rng.integers(7, 12)):
        step = rng.uniform(0, len(path) - 1.001)
        index, share = int(step), step % 1
        along = path[index + 1] - path[index]
        outwards = np.cross(along, rng.normal(size=3))
        outwards *= radii[index] / np.linalg.norm(outwards)
        centre = path[index] + share * along + 0.93 * outwards
        half = 7 * along / np.linalg.norm(along)
        mask |= _paint(anatomy, anatomy.canvas.tube([centre - half, centre + half], rng.uniform(2.8, 4.2)), 750)
    _grow_region(anatomy, "mediastinum", mask)
    return mask


def _large_heart(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    return anatomy.masks["heart"].copy()


def _pericardial_fluid(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    inner, outer = anatomy.shapes["heart"], anatomy.shapes["pericardium"]
    return anatomy.canvas.mask(outer) & ~anatomy.canvas.mask(inner)


def _coronary_plaques(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Calcified stretches of the arteries that run over the heart, in front of and behind the septum."""
    centre, radii = anatomy.points["heart"], anatomy.points["heart radii"]
    long_axis, across, upwards = HEART_AXES
    mask = np.zeros(anatomy.canvas.shape, bool)
    for tilt in (rng.uniform(-1.9, -1.2), rng.uniform(2.4, 3.2), rng.uniform(0.2, 0.9)):
        first = rng.uniform(1.9, 2.4)
        angles = np.linspace(first, first - rng.uniform(0.6, 1.0), 4)
        path = [
            centre
            + long_axis * radii[0] * np.cos(a)
            + across * radii[1] * np.sin(a) * np.sin(tilt)
            + upwards * radii[2] * np.sin(a) * np.cos(tilt)
            for a in angles
        ]
        mask |= _paint(anatomy, anatomy.canvas.tube(path, rng.uniform(2.6, 3.6)), 700, anatomy.masks["heart"])
    return mask


def _hernia(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    radius = finding.size_mm / 2
    place = anatomy.build.at(8, 26, -190) + (0, 0, 0.3 * radius)
    radii = radius * np.array([1.0, 0.75, 0.9])
    mask = _paint(anatomy, anatomy.canvas.ellipsoid(place, radii), 45)
    content = anatomy.canvas.ellipsoid(place, radii - 4)
    _paint(anatomy, content, rng.uniform(0, 25))
    gas = anatomy.canvas.soften(anatomy.canvas.y[:, content.box[1]] - np.float32(place[1] - rng.uniform(0, 6)))
    anatomy.canvas.paint(Shape(content.box, content.coverage * gas), -900)
    _grow_region(anatomy, "esophagus", mask)
    anatomy.masks["mediastinum"] |= mask & (anatomy.canvas.z > anatomy.diaphragm)
    return mask


def _thyroid_nodule(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    sign = 1 if finding.side == "left" else -1
    place = anatomy.points[f"thyroid {finding.side}"] + (sign * 2, -1, rng.uniform(-6, 6))
    mask = _paint(anatomy, anatomy.canvas.ellipsoid(place, finding.size_mm / 2 * np.array([0.85, 0.95, 1])), 25)
    mask &= ~anatomy.masks["trachea and bronchie"]
    anatomy.masks["thyroid"] |= mask
    return mask


def _breast_mass(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    place = anatomy.points[f"breast {finding.side}"] + rng.uniform(-1, 1, 3) * (20, 3, 20)
    shape = anatomy.canvas.ellipsoid(place, finding.size_mm / 2 * rng.uniform(0.88, 1.0, 3))
    return _paint(anatomy, shape, rng.uniform(55, 90), anatomy.masks["breast"])


def _lytic_lesion(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    vertebrae = anatomy.points["vertebrae"]
    filled = anatomy.canvas.z.ravel()[anatomy.masks["bone"].any(axis=(1, 2))]
    height = (vertebrae[:, 2] - filled[0]) / (filled[-1] - filled[0])
    low, high = _LEVEL_CENTRES[finding.level]
    place = vertebrae[np.argmin(np.abs(height - rng.uniform(low, high)))] + rng.uniform(-3, 3, 3)
    shape = anatomy.canvas.ellipsoid(place, rng.uniform(0.9, 1.1) * np.array([17, 15, 13]))
    return _paint(anatomy, shape, rng.uniform(-10, 30), anatomy.masks["bone"])


def _rib_fracture(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    """Healing fractures of three neighbouring ribs: a lump of callus around each."""
    canvas = anatomy.canvas
    number = anatomy.rib_number
    share = number - np.floor(number)
    wall = anatomy.masks["bone"] & anatomy.side(finding.side) & (np.abs(share - 0.5) < 0.1)
    wall &= (np.abs(anatomy.cavity - 6) < 2.5) & (np.abs(canvas.x) > 0.6 * anatomy.build.half_width)
    wall &= (canvas.z < -50) & (canvas.z > -215)
    first = _pick(anatomy, (wall,), rng)[0]
    rib = np.floor(number[canvas.index(first)])
    mask = np.zeros(canvas.shape, bool)
    for other in (rib - 1, rib, rib + 1):
        on_rib = wall & (np.floor(number) == other)
        places = np.argwhere(on_rib)
        if not len(places):
            continue
        points = places[:, ::-1] * canvas.spacing + canvas.origin
        place = points[np.argmin(np.abs(points[:, 1] - first[1]) + rng.uniform(0, 4, len(points)))]
        lump = canvas.ellipsoid(place, rng.uniform(10, 13, 3))
        mask |= _paint(anatomy, lump, rng.uniform(450, 650), anatomy.cavity > -2)
    anatomy.masks["bone"] |= mask
    anatomy.breathing &= ~mask
    return mask


def _liver_cyst(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    liver = anatomy.canvas.mask(anatomy.shapes["liver"]) & (anatomy.canvas.x < -20)
    radius = finding.size_mm / 2
    deep = anatomy.cavity < -radius - 4
    deep = deep & (anatomy.diaphragm - anatomy.canvas.z > radius + 8)
    bottom = anatomy.canvas.z > float(anatomy.canvas.z.min()) + 0.6 * radius
    place = _pick(anatomy, (liver & deep & bottom, liver & bottom), rng)[0]
    return _paint(anatomy, anatomy.canvas.ellipsoid(place, radius * rng.uniform(0.9, 1, 3)), rng.uniform(-15, 0), liver)


def _kidney_stone(anatomy: Anatomy, finding: Finding, rng: np.random.Generator) -> np.ndarray:
    centre = anatomy.points[f"kidney {finding.side}"]
    lowest = float(anatomy.canvas.z.min())
    place = centre + (rng.uniform(-5, 5), rng.uniform(-5, 5), 0)
    place[2] = max(centre[2] + rng.uniform(-10, 25), lowest + 10)
    return _paint(anatomy, anatomy.canvas.ellipsoid(place, rng.uniform(5.5, 9, 3)), rng.uniform(700, 1000))


_PLANTERS: dict[str, Callable[[Anatomy, Finding, np.random.Generator], np.ndarray]] = {
    "Lung nodule": _nodule,
    "Consolidation": _consolidation,
    "Emphysema": _emphysema,
    "Peribronchial thickening": _airway_walls,
    "Mucus plug": _mucus_plug,
    "Pleural effusion": _pleural_fluid,
    "Pneumothorax": _pleural_air,
    "Lymphadenopathy": _lymph_nodes,
    "Arterial wall calcification": _aortic_plaques,
    "Cardiomegaly": _large_heart,
    "Pericardial effusion": _pericardial_fluid,
    "Coronary artery wall calcification": _coronary_plaques,
    "Hiatal hernia": _hernia,
    "Thyroid nodule": _thyroid_nodule,
    "Breast mass": _breast_mass,
    "Lytic bone lesion": _lytic_lesion,
    "Rib fracture": _rib_fracture,
    "Liver cyst": _liver_cyst,
    "Kidney stone": _kidney_stone,
}

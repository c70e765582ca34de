"""The arteries, veins and bronchi within the lungs, which branch from the hila until they fill each lobe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from reg2rg.phantom.body.anatomy import Airway, Anatomy
from reg2rg.phantom.body.central_airways import AIR_HU
from reg2rg.phantom.body.heart import heart_distance
from reg2rg.phantom.body.thin_tubes import thin_tube_coverage

_LOBES = (
    ("right", "upper", (-48, 4, -98)),
    ("right", "middle", (-52, -4, -128)),
    ("right", "lower", (-46, 22, -134)),
    ("left", "upper", (48, 4, -102)),
    ("left", "lower", (49, 28, -136)),
)
"""Side, level, and the point (average body, mm) where vessels and bronchus enter the lobe."""
_TWIGS_PER_LOBE = {"upper": 512, "middle": 256, "lower": 512}
_SPLIT_POWER = 0.22
"""Exponent of the number of supplied twigs to which a branch's radius is proportional.

Murray's law has 1/3, but its twigs are finer than these.
"""
_AIRWAY_GENERATIONS = 4


@dataclass(frozen=True)
class _Branches:
    """The N branches of a tree.

    Attributes:
        starts: (N, 3) in mm.
        ends: (N, 3) in mm.
        twigs: number of twigs each branch supplies, (N,).
        generation: number of splits between the root and each branch, (N,).
    """

    starts: np.ndarray
    ends: np.ndarray
    twigs: np.ndarray
    generation: np.ndarray


def paint_lung_tree(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint all branches, which remain part of the lung, and set the airways; large bronchi extend the airway mask."""
    canvas, physique = anatomy.canvas, anatomy.physique
    twig_radius = rng.uniform(0.85, 1.15)
    trees = []
    for side, level, entry in _LOBES:
        hilum = physique.at(*entry)
        ends = _points_in_lobe(anatomy, side, level, 2 * _TWIGS_PER_LOBE[level], rng)
        for kind, points in (("artery", ends[::2]), ("vein", ends[1::2])):
            start = hilum + rng.uniform(-4, 4, 3) + ((0, 0, 4) if kind == "artery" else (0, -6, -8))
            trees.append(_grow(start, points, rng))
            if kind == "artery":
                anatomy.airways += _bronchi_along(trees[-1], side, level, twig_radius, hilum)
    starts, ends = np.concatenate([tree.starts for tree in trees]), np.concatenate([tree.ends for tree in trees])
    radii = twig_radius * np.concatenate([tree.twigs for tree in trees]) ** _SPLIT_POWER
    vessels = thin_tube_coverage(canvas, starts, ends, radii)
    vessels *= anatomy.lung_coverage
    canvas.paint(canvas.whole_grid(vessels), max(physique.blood_hu, 45))
    _paint_airways(anatomy)


def _points_in_lobe(
    anatomy: Anatomy, side: str, level: str, count: int, rng: np.random.Generator, depth: float = 4.0
) -> np.ndarray:
    """Sample points (count, 3) in mm of a lobe, at least ``depth`` mm from its edges and from the heart."""
    physique = anatomy.physique
    low, high = physique.at(0, -95, -240), physique.at(128, 95, 0)
    points = rng.uniform(low, high, (11 * count, 3)) * ((1 if side == "left" else -1), 1, 1)
    x, y, z = points.T
    distance = np.maximum(anatomy.surfaces.lung(x, y, z), anatomy.surfaces.lobe(x, y, z, side, level))
    inside = points[(distance < -depth) & (heart_distance(anatomy, points) > depth + 6)]
    return inside[np.arange(count) % max(len(inside), 1)]


def _grow(start: np.ndarray, ends: np.ndarray, rng: np.random.Generator) -> _Branches:
    """Grow a tree from a start to all ends: each branch heads for the centroid of its ends, which then split in two."""
    groups, nodes = ends[None], start[None]
    parts: list[tuple[np.ndarray, ...]] = []
    generation = 0
    while True:
        size = groups.shape[1]
        share = 1.0 if size == 1 else rng.uniform(0.35, 0.55, (len(groups), 1))
        heads = nodes + share * (groups.mean(axis=1) - nodes)
        parts.append((nodes, heads, np.full(len(nodes), size), np.full(len(nodes), generation)))
        if size == 1:
            return _Branches(*(np.concatenate(column) for column in zip(*parts, strict=True)))
        widest = groups.var(axis=1).argmax(axis=1)
        order = np.take_along_axis(groups, widest[:, None, None], axis=2)[..., 0].argsort(axis=1)
        groups = np.take_along_axis(groups, order[..., None], axis=1).reshape(-1, size // 2, 3)
        nodes = np.repeat(heads, 2, axis=0)
        generation += 1


def _bronchi_along(tree: _Branches, side: str, level: str, twig_radius: float, hilum: np.ndarray) -> list[Airway]:
    """Return the bronchi that accompany the arteries of a lobe."""
    beside = np.array([0.0, 0.5, -0.85]) if level == "upper" else np.array([0.3 if side == "left" else -0.3, -0.9, 0.3])
    airways = []
    for index in np.flatnonzero(tree.generation < _AIRWAY_GENERATIONS):
        radius = 0.75 * twig_radius * float(tree.twigs[index]) ** _SPLIT_POWER
        shift = 2.1 * radius * beside
        first = hilum if tree.generation[index] == 0 else tree.starts[index] + shift
        airways.append(Airway(side, level, first, tree.ends[index] + shift, radius, int(tree.generation[index])))
    return airways


def _paint_airways(anatomy: Anatomy) -> None:
    """Paint wall and lumen of the bronchi and add the large ones to the airway mask."""
    canvas = anatomy.canvas
    starts = np.array([airway.start for airway in anatomy.airways])
    ends = np.array([airway.end for airway in anatomy.airways])
    radii = np.array([airway.radius for airway in anatomy.airways])
    for radius, hu in ((radii + 0.3, -100), (0.75 * radii, AIR_HU)):
        canvas.paint(canvas.whole_grid(thin_tube_coverage(canvas, starts, ends, radius) * anatomy.lung_coverage), hu)
    large = [a for a in anatomy.airways if a.generation < 2]
    mask = canvas.mask(*(canvas.tube([a.start, a.end], a.radius) for a in large))
    anatomy.add_to_region("trachea and bronchie", mask)

"""Arteries, veins and bronchi of the lungs, branching from the hila until they fill each lobe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.body.heart import heart_distance
from reg2rg.phantom.body.neck import AIR_HU
from reg2rg.phantom.body.threads import thread_coverage

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy

LOBES = (
    ("right", "upper", (-48, 4, -98)),
    ("right", "middle", (-52, -4, -128)),
    ("right", "lower", (-46, 22, -134)),
    ("left", "upper", (48, 4, -102)),
    ("left", "lower", (49, 28, -136)),
)
"""Side, level and the point (average body, mm) where its vessels and bronchus enter the lobe."""
_LEAVES = {"upper": 256, "middle": 128, "lower": 256}
_SPLIT_POWER = 1 / 2.6
"""Radii grow with this power of the number of twigs they supply (Murray's law has 1/3)."""
_AIRWAY_GENERATIONS = 4


@dataclass(frozen=True)
class Airway:
    """A branch of the bronchi within a lobe, from ``start`` to ``end`` (mm), of outer ``radius``."""

    side: str
    level: str
    start: np.ndarray
    end: np.ndarray
    radius: float
    generation: int


@dataclass(frozen=True)
class _Branches:
    starts: np.ndarray
    ends: np.ndarray
    twigs: np.ndarray
    generation: np.ndarray


def paint_lung_tree(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint all branches; they count as lung, but for the large bronchi, which are added to the airways."""
    canvas, build = anatomy.canvas, anatomy.build
    twig = rng.uniform(0.45, 0.65)
    trees = []
    for side, level, entry in LOBES:
        hilum = build.at(*entry)
        ends = _points_in_lobe(anatomy, side, level, 2 * _LEAVES[level], rng)
        for kind, points in (("artery", ends[::2]), ("vein", ends[1::2])):
            start = hilum + rng.uniform(-4, 4, 3) + ((0, 0, 4) if kind == "artery" else (0, -6, -8))
            trees.append(_grow(start, points, rng))
            if kind == "artery":
                anatomy.airways += _airways(trees[-1], side, level, twig, hilum)
    starts, ends = (np.concatenate([getattr(tree, name) for tree in trees]) for name in ("starts", "ends"))
    radii = twig * np.concatenate([tree.twigs for tree in trees]) ** _SPLIT_POWER
    vessels = thread_coverage(canvas, starts, ends, radii)
    vessels *= anatomy.lung
    canvas.paint(canvas.whole(vessels), max(build.blood, 45))
    _paint_airways(anatomy)


def _points_in_lobe(
    anatomy: Anatomy, side: str, level: str, count: int, rng: np.random.Generator, depth: float = 4.0
) -> np.ndarray:
    """Random points of a lobe, (count, 3) mm, at least ``depth`` from its edges and from the heart."""
    build = anatomy.build
    low, high = build.at(0, -95, -240), build.at(128, 95, 0)
    points = rng.uniform(low, high, (14 * count, 3)) * ((1 if side == "left" else -1), 1, 1)
    x, y, z = points.T
    distance = np.maximum(anatomy.surfaces.lung(x, y, z), anatomy.surfaces.lobe(x, y, z, side, level))
    inside = points[(distance < -depth) & (heart_distance(anatomy, points) > depth + 6)]
    return inside[np.arange(count) % max(len(inside), 1)]


def _grow(start: np.ndarray, ends: np.ndarray, rng: np.random.Generator) -> _Branches:
    """A tree to all ends: each branch heads for the middle of those it supplies, which are then split in two."""
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


def _airways(tree: _Branches, side: str, level: str, twig: float, hilum: np.ndarray) -> list[Airway]:
    """Bronchi run beside the arteries."""
    beside = np.array([0.0, 0.5, -0.85]) if level == "upper" else np.array([0.3 if side == "left" else -0.3, -0.9, 0.3])
    airways = []
    for index in np.flatnonzero(tree.generation < _AIRWAY_GENERATIONS):
        radius = 0.95 * twig * float(tree.twigs[index]) ** _SPLIT_POWER
        shift = 2.1 * radius * beside
        first = hilum if tree.generation[index] == 0 else tree.starts[index] + shift
        airways.append(Airway(side, level, first, tree.ends[index] + shift, radius, int(tree.generation[index])))
    return airways


def _paint_airways(anatomy: Anatomy) -> None:
    canvas = anatomy.canvas
    starts, ends = (np.array([getattr(a, name) for a in anatomy.airways]) for name in ("start", "end"))
    radii = np.array([airway.radius for airway in anatomy.airways])
    for radius, hu in ((radii + 0.3, -100), (0.75 * radii, AIR_HU)):
        canvas.paint(canvas.whole(thread_coverage(canvas, starts, ends, radius) * anatomy.lung), hu)
    large = [a for a in anatomy.airways if a.generation < 2]
    mask = canvas.mask(*(canvas.tube([a.start, a.end], a.radius) for a in large))
    anatomy.extend("trachea and bronchie", mask)

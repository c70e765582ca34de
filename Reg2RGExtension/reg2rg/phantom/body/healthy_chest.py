"""Painting a healthy chest, organ by organ."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.abdomen import paint_abdomen
from reg2rg.phantom.body.anatomy import Anatomy
from reg2rg.phantom.body.body_wall import paint_body_wall
from reg2rg.phantom.body.breasts import paint_breasts
from reg2rg.phantom.body.canvas import Canvas
from reg2rg.phantom.body.central_airways import paint_central_airways
from reg2rg.phantom.body.esophagus import paint_esophagus
from reg2rg.phantom.body.great_vessels import paint_great_vessels
from reg2rg.phantom.body.heart import paint_heart
from reg2rg.phantom.body.lung_parenchyma import paint_lung_parenchyma
from reg2rg.phantom.body.lung_tree import paint_lung_tree
from reg2rg.phantom.body.physique import Physique
from reg2rg.phantom.body.skeleton import paint_skeleton
from reg2rg.phantom.body.surfaces import Surfaces
from reg2rg.phantom.body.thyroid import paint_thyroid


def build_anatomy(canvas: Canvas, physique: Physique, surfaces: Surfaces, rng: np.random.Generator) -> Anatomy:
    """Paint a healthy chest on an empty canvas.

    Organs are painted from the outside in; later ones cover earlier ones. The random numbers drawn do not depend on
    the grid, so every grid shows the same body.

    Args:
        canvas: painted in place.
        physique: sizes and densities of the body.
        surfaces: large surfaces of the same body.
        rng: source of all other variation.

    Returns:
        The chest with its masks and landmarks.
    """
    anatomy = Anatomy(canvas, physique, surfaces)
    for paint in (
        paint_body_wall,
        paint_lung_parenchyma,
        paint_skeleton,
        paint_abdomen,
        paint_heart,
        paint_great_vessels,
        _paint_neck,
        paint_lung_tree,
        paint_breasts,
    ):
        paint(anatomy, np.random.default_rng(rng.integers(1 << 62)))
    return anatomy


def _paint_neck(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the organs that pass through the neck; they share a generator, on which the body for a seed depends."""
    paint_esophagus(anatomy, rng)
    paint_thyroid(anatomy, rng)
    paint_central_airways(anatomy, rng)

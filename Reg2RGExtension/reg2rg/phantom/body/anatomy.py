"""A healthy synthetic chest: shapes to HU, region masks, and the landmarks findings are planted at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from reg2rg.phantom.body.abdomen import paint_abdomen
from reg2rg.phantom.body.breasts import paint_breasts
from reg2rg.phantom.body.canvas import Canvas, Shape
from reg2rg.phantom.body.heart import paint_heart
from reg2rg.phantom.body.lung_tree import Airway, paint_lung_tree
from reg2rg.phantom.body.lungs import paint_lungs
from reg2rg.phantom.body.neck import paint_neck
from reg2rg.phantom.body.physique import Build
from reg2rg.phantom.body.skeleton import paint_skeleton
from reg2rg.phantom.body.surfaces import Surfaces
from reg2rg.phantom.body.trunk import paint_trunk
from reg2rg.phantom.body.vessels import paint_vessels


@dataclass
class Anatomy:
    """One chest on its canvas.

    Attributes:
        canvas: the HU, without the scanner's blur and noise.
        build, surfaces: the body.
        masks: region -> boolean array (z, y, x), without lung and pleura.
        lung: share of each voxel that is air-filled lung, float32; what lies in the chest takes it away.
        skin: distance (mm) to the trunk's outside, (z, y, x).
        cavity: distance to the chest wall's inner surface, negative inside, (z, y, x).
        diaphragm: height (mm) of the diaphragm, (1, y, x).
        pleura: boolean, what fills the pleural space; nothing in health.
        points: named points and paths in mm (x, y, z).
        shapes: named shapes.
        airways: branches of the bronchi within the lungs.
        filled: distances as functions of points to what fills the pleural space, negative in it.
        occupied: balls (centre, radius, mm) of the lung in which a finding lies; others keep out of them.
    """

    canvas: Canvas
    build: Build
    surfaces: Surfaces
    masks: dict[str, np.ndarray] = field(default_factory=dict)
    lung: np.ndarray = field(init=False)
    skin: np.ndarray = field(init=False)
    cavity: np.ndarray = field(init=False)
    diaphragm: np.ndarray = field(init=False)
    pleura: np.ndarray = field(init=False)
    points: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    airways: list[Airway] = field(default_factory=list)
    filled: list[Callable[..., np.ndarray]] = field(default_factory=list)
    occupied: list[tuple[np.ndarray, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pleura = np.zeros(self.canvas.shape, bool)

    @property
    def breathing(self) -> np.ndarray:
        """Voxels of air-filled lung."""
        return self.lung >= 0.5

    def displace_lung(self, *shapes: Shape) -> None:
        """Lungs give way to the shapes."""
        for shape in shapes:
            self.lung[shape.box] *= 1 - shape.coverage

    def extend(self, region: str, mask: np.ndarray) -> None:
        """Add voxels to a region."""
        self.masks[region] |= mask


def build_anatomy(canvas: Canvas, build: Build, surfaces: Surfaces, rng: np.random.Generator) -> Anatomy:
    """Paint a healthy chest on an empty canvas, from the outside in; what is painted later lies in front.

    The generator is used the same way whatever the grid, so that every grid shows the same body.
    """
    anatomy = Anatomy(canvas, build, surfaces)
    for paint in (
        paint_trunk,
        paint_lungs,
        paint_skeleton,
        paint_abdomen,
        paint_heart,
        paint_vessels,
        paint_neck,
        paint_lung_tree,
        paint_breasts,
    ):
        paint(anatomy, np.random.default_rng(rng.integers(1 << 62)))
    return anatomy

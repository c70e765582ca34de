"""A healthy synthetic chest: shapes to HU, region masks, and the landmarks findings are planted at."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from reg2rg.phantom.abdomen import paint_abdomen
from reg2rg.phantom.build import Build
from reg2rg.phantom.canvas import Canvas, Shape
from reg2rg.phantom.thorax import paint_airways, paint_heart, paint_lungs, paint_mediastinum, paint_vessels
from reg2rg.phantom.trunk import paint_breasts, paint_skeleton, paint_trunk


@dataclass
class Anatomy:
    """One chest on its canvas.

    Attributes:
        canvas: the HU, without blur and noise.
        build: the body's sizes and densities.
        masks: region -> boolean array (z, y, x), without the lungs; findings that grow out of a region are added to it.
            That of the pleura is what fills its space, nothing in health.
        cavity: distance (mm) of every voxel to the chest wall's inner surface, negative inside, measured in the axial
            plane.
        diaphragm: height (mm) of the diaphragm, (1, y, x).
        rib_number: position along the ribs, (z, y, x): whole numbers lie midway between two ribs.
        points: named points and paths in mm (x, y, z).
        shapes: named shapes.
        breathing: lung tissue above the diaphragm, boolean (z, y, x); shrinks as fluid or air takes its place.
        labels: planted findings, uint8 (z, y, x): 0 or the index in FINDINGS plus 1.
    """

    canvas: Canvas
    build: Build
    masks: dict[str, np.ndarray] = field(init=False)
    cavity: np.ndarray = field(init=False)
    diaphragm: np.ndarray = field(init=False)
    rib_number: np.ndarray = field(init=False)
    points: dict[str, np.ndarray] = field(default_factory=dict)
    shapes: dict[str, Shape] = field(default_factory=dict)
    breathing: np.ndarray = field(init=False)
    labels: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.masks = {"pleura": np.zeros(self.canvas.shape, bool)}
        self.labels = np.zeros(self.canvas.shape, np.uint8)

    def side(self, name: str) -> np.ndarray:
        """Voxels of the patient's left or right half, to broadcast against a mask."""
        return self.canvas.x > 0 if name == "left" else self.canvas.x < 0


def build_anatomy(canvas: Canvas, build: Build, rng: np.random.Generator) -> Anatomy:
    """Paint a healthy chest on an empty canvas, from the outside in; what is painted later lies in front."""
    anatomy = Anatomy(canvas, build)
    paint_trunk(anatomy, rng)
    paint_lungs(anatomy, rng)
    paint_skeleton(anatomy, rng)
    paint_abdomen(anatomy, rng)
    paint_heart(anatomy, rng)
    paint_mediastinum(anatomy, rng)
    paint_vessels(anatomy, rng)
    paint_airways(anatomy)
    if build.female:
        paint_breasts(anatomy, rng)
    return anatomy

"""The esophagus, from the neck to the stomach."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy


def paint_esophagus(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the esophagus with its coat of fat and some content; set its mask and extend the mediastinum."""
    canvas, physique = anatomy.canvas, anatomy.physique
    path = physique.path(
        (4, 21, 80), (5, 24, 0), (6, 30, -50), (5, 36, -90), (5, 38, -140), (10, 30, -192), (20, 16, -216)
    )
    path[:-1, :2] += rng.uniform(-1.5, 1.5, (6, 2))
    tube = canvas.tube(path, rng.uniform(6.5, 9))
    fat = canvas.tube(path, 12)
    canvas.paint(fat.within(anatomy.lung_coverage), -90)
    canvas.paint(tube, physique.muscle_hu - 8)
    content_start = rng.integers(0, len(path) - 2)
    content_hu = rng.choice([-700, -300, 20, 20])
    canvas.paint(canvas.tube(path[content_start : content_start + 3], 3.0), content_hu)
    anatomy.displace_lung(fat)
    anatomy.masks["esophagus"] = canvas.mask(tube)
    in_chest = (canvas.z < 0) & (canvas.z > anatomy.diaphragm_height)
    anatomy.add_to_region("mediastinum", canvas.mask(fat) & in_chest)

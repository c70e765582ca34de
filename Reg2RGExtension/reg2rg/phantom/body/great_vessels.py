"""The great vessels of chest and neck, each in a coat of mediastinal fat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy
from reg2rg.phantom.body.lung_parenchyma import MEDIASTINAL_FAT_HU

_PATHS: dict[str, tuple[Sequence[tuple[float, float, float]], Sequence[float]]] = {
    "aorta": (
        [(0, -18, -118), (-14, -27, -88), (-10, -21, -62), (4, -6, -47), (19, 15, -50), (25, 32, -70)]
        + [(24, 38, -110), (20, 38, -180), (8, 34, -235), (4, 28, -330)],
        [14, 15.5, 15, 13.5, 13, 12.5, 12, 11.5, 10.5, 9.5],
    ),
    "pulmonary trunk": ([(14, -32, -120), (15, -16, -98), (32, 2, -94), (47, 10, -104)], [13, 12.5, 10.5, 8.5]),
    "right pulmonary artery": ([(15, -16, -98), (-16, -4, -99), (-42, 4, -110)], [11, 10, 8]),
    "superior vena cava": ([(-20, -18, -28), (-24, -19, -80), (-24, -12, -125)], [8, 9, 10]),
    "inferior vena cava": ([(-20, -2, -172), (-19, 8, -330)], [12, 11]),
    "left brachiocephalic vein": ([(-20, -20, -40), (8, -28, -34), (26, -22, -18)], [7, 6, 6]),
    "right pulmonary veins": ([(-14, 12, -132), (-44, 16, -132)], [8, 6]),
    "left pulmonary veins": ([(22, 18, -128), (48, 20, -126)], [8, 6]),
    "brachiocephalic artery": ([(-6, -14, -48), (-14, -8, -22), (-24, 0, 60)], [6.5, 5.5, 4]),
    "left carotid artery": ([(4, -4, -44), (14, -4, -14), (24, 0, 60)], [4.5, 4, 4]),
    "left subclavian artery": ([(16, 10, -48), (24, 10, -14), (60, 2, -6), (104, -4, -14)], [5.5, 5, 4.5, 4]),
    "right subclavian artery": ([(-14, -8, -22), (-34, 6, -10), (-62, 2, -6), (-104, -4, -14)], [5.5, 5, 4.5, 4]),
    "right subclavian vein": ([(-20, -18, -30), (-34, -20, -12), (-62, -14, -6), (-108, -8, -14)], [7, 6, 5.5, 5]),
    "left subclavian vein": ([(26, -22, -18), (40, -20, -10), (62, -14, -6), (108, -8, -14)], [6, 6, 5.5, 5]),
    "right jugular vein": ([(-34, -20, -12), (-32, -6, 60)], [7, 6]),
    "left jugular vein": ([(34, -20, -12), (32, -6, 60)], [6, 6]),
}
"""Name -> center line in the average body (mm) and its radii (mm)."""


def paint_great_vessels(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the great vessels and extend the mediastinum by the parts within the chest.

    Sets the landmarks of each vessel: its center line under its name, its radii under "<name> radii".
    """
    canvas, physique = anatomy.canvas, anatomy.physique
    scale = rng.uniform(0.88, 1.1) * (0.93 if physique.female else 1.0)
    coat_mm = rng.uniform(2.0, 5.0)
    vessels, coats = [], []
    for name, (points, radii) in _PATHS.items():
        path = physique.path(*points) + rng.uniform(-1.5, 1.5, (len(points), 3))
        scaled_radii = scale * np.array(radii)
        anatomy.landmarks[name], anatomy.landmarks[f"{name} radii"] = path, scaled_radii
        vessels.append(canvas.tube(path, scaled_radii))
        coats.append(canvas.tube(path, scaled_radii + coat_mm))
    soft = np.maximum(anatomy.lung_coverage, (canvas.hu > -50) & (canvas.hu < 90) & (canvas.z > -25))
    for coat in coats:
        canvas.paint(coat.within(soft), MEDIASTINAL_FAT_HU)
    anatomy.displace_lung(*coats)
    for vessel in vessels:
        canvas.paint(vessel, physique.blood_hu)
    shapes = dict(zip(_PATHS, vessels, strict=True))
    anatomy.structures["pulmonary_artery"] = canvas.mask(shapes["pulmonary trunk"], shapes["right pulmonary artery"])
    anatomy.structures["aorta"] = canvas.mask(shapes["aorta"])
    inside = (canvas.z < 0) & (canvas.z > anatomy.diaphragm_height) & (np.abs(canvas.x) < 62)
    anatomy.add_to_region("mediastinum", canvas.mask(*coats) & inside & (anatomy.cavity_distance < 2))

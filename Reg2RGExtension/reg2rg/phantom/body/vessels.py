"""The great vessels, each in a coat of mediastinal fat."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from reg2rg.phantom.body.lungs import MEDIASTINAL_FAT_HU

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy

_PATHS = {
    "aorta": (
        [(0, -18, -118), (-14, -27, -88), (-10, -21, -62), (4, -6, -47), (19, 15, -50), (25, 32, -70)]
        + [(24, 38, -110), (20, 38, -180), (8, 34, -235), (4, 28, -330)],
        [14, 15.5, 15, 13.5, 13, 12.5, 12, 11.5, 10.5, 9.5],
    ),
    "pulmonary trunk": ([(14, -32, -120), (15, -16, -98), (32, 2, -94), (47, 10, -104)], [13, 12.5, 10.5, 8.5]),
    "right pulmonary artery": ([(15, -16, -98), (-16, -4, -99), (-42, 4, -110)], [11, 10, 8]),
    "upper caval vein": ([(-20, -18, -28), (-24, -19, -80), (-24, -12, -125)], [8, 9, 10]),
    "lower caval vein": ([(-20, -2, -172), (-19, 8, -330)], [12, 11]),
    "left innominate vein": ([(-20, -20, -40), (8, -28, -34), (26, -22, -18)], [7, 6, 6]),
    "right pulmonary veins": ([(-14, 12, -132), (-44, 16, -132)], [8, 6]),
    "left pulmonary veins": ([(22, 18, -128), (48, 20, -126)], [8, 6]),
    "brachiocephalic artery": ([(-6, -14, -48), (-14, -8, -22), (-24, 0, 60)], [6.5, 5.5, 4]),
    "left carotid artery": ([(4, -4, -44), (14, -4, -14), (24, 0, 60)], [4.5, 4, 4]),
    "left subclavian artery": ([(16, 10, -48), (24, 10, -14), (60, 2, -6), (104, -4, -14)], [5.5, 5, 4.5, 4]),
    "right subclavian artery": ([(-14, -8, -22), (-34, 6, -10), (-62, 2, -6), (-104, -4, -14)], [5.5, 5, 4.5, 4]),
    "right vein": ([(-20, -18, -30), (-34, -20, -12), (-62, -14, -6), (-108, -8, -14)], [7, 6, 5.5, 5]),
    "left vein": ([(26, -22, -18), (40, -20, -10), (62, -14, -6), (108, -8, -14)], [6, 6, 5.5, 5]),
    "right jugular vein": ([(-34, -20, -12), (-32, -6, 60)], [7, 6]),
    "left jugular vein": ([(34, -20, -12), (32, -6, 60)], [6, 6]),
}
"""Points of the average body and radii, mm."""


def paint_vessels(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Sets the vessels' paths; those within the chest are added to the mediastinum."""
    canvas, build = anatomy.canvas, anatomy.build
    widening = rng.uniform(0.88, 1.1) * (0.93 if build.female else 1.0)
    coat = rng.uniform(2.0, 5.0)
    shapes, coats = [], []
    for name, (points, radii) in _PATHS.items():
        path = build.path(*points) + rng.uniform(-1.5, 1.5, (len(points), 3))
        anatomy.points[name], anatomy.points[f"{name} radii"] = path, widening * np.array(radii)
        shapes.append(canvas.tube(path, anatomy.points[f"{name} radii"]))
        coats.append(canvas.tube(path, anatomy.points[f"{name} radii"] + coat))
    for shape in coats:
        canvas.paint(shape.within(anatomy.lung), MEDIASTINAL_FAT_HU)
    anatomy.displace_lung(*coats)
    for shape in shapes:
        canvas.paint(shape, build.blood)
    inside = (canvas.z < 0) & (canvas.z > anatomy.diaphragm) & (np.abs(canvas.x) < 62)
    anatomy.masks["mediastinum"] |= canvas.mask(*coats) & inside & (anatomy.cavity < 2)

"""The trachea, the main bronchi and the first lobar bronchi."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy

AIR_HU = -995
AIRWAY_WALL_MM = 1.6
CENTRAL_AIRWAYS: dict[str, tuple[list[tuple[float, float, float]], float]] = {
    "trachea": ([(0, 4, 80), (0, 6, 20), (-1, 9, -20), (-2, 14, -60), (-2, 15, -92)], 10.0),
    "bronchus right": ([(-2, 15, -90), (-22, 14, -104), (-38, 15, -117), (-46, 24, -142)], 7.5),
    "bronchus left": ([(-2, 15, -90), (24, 16, -110), (43, 21, -121), (50, 32, -144)], 7.0),
    "upper right": ([(-24, 14, -104), (-52, 6, -94)], 5.5),
    "upper left": ([(32, 18, -114), (52, 4, -102)], 5.5),
    "middle right": ([(-40, 16, -122), (-54, -6, -134)], 4.5),
}
"""Name -> center line in the average body (mm) and outer radius (mm)."""


def paint_central_airways(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the airways outside the lungs; set the airway mask and extend the mediastinum.

    Sets the landmarks of each airway: its center line under its name, its outer radius under "<name> radius".
    """
    canvas, physique = anatomy.canvas, anatomy.physique
    walls, scale = [], rng.uniform(0.88, 1.12)
    for name, (points, radius) in CENTRAL_AIRWAYS.items():
        anatomy.landmarks[name] = physique.path(*points)
        anatomy.landmarks[f"{name} radius"] = np.array([radius * scale])
        wall = canvas.tube(anatomy.landmarks[name], radius * scale)
        canvas.paint(wall, 10)
        walls.append(wall)
    paint_airway_lumen(anatomy, AIRWAY_WALL_MM)
    anatomy.displace_lung(*walls)
    anatomy.masks["trachea and bronchie"] = canvas.mask(*walls)
    anatomy.add_to_region("mediastinum", canvas.mask(*walls) & (canvas.z < 0))


def paint_airway_lumen(anatomy: Anatomy, wall_mm: float) -> None:
    """Fill all central airways with air, leaving a wall of the given thickness (mm)."""
    for name in CENTRAL_AIRWAYS:
        radius = float(anatomy.landmarks[f"{name} radius"][0])
        anatomy.canvas.paint(anatomy.canvas.tube(anatomy.landmarks[name], radius - wall_mm), AIR_HU)

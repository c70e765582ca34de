"""The body wall (skin, fat, muscle and arms) and the scanner table the body lies on."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body.anatomy import Anatomy
from reg2rg.phantom.body.random_field import random_field

FAT_HU = -100
_SKIN_MM = 2.0


def paint_body_wall(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint table, arms, skin, fat and the muscle of the chest wall.

    Sets the distances to skin and cavity, the height of the diaphragm, the shape "muscle" (everything inside the
    subcutaneous fat), and the bone mask with the humeri in it.
    """
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    anatomy.skin_distance = surfaces.skin(canvas.x, canvas.y, canvas.z)
    anatomy.cavity_distance = surfaces.cavity(canvas.x, canvas.y, canvas.z)
    anatomy.diaphragm_height = surfaces.diaphragm(canvas.x, canvas.y)
    _paint_table(anatomy, rng)
    anatomy.masks["bone"] = np.zeros(canvas.shape, bool)
    if not physique.arms_up:
        _paint_arms(anatomy, rng)
    canvas.paint(canvas.whole_grid(canvas.coverage(anatomy.skin_distance)), rng.uniform(0, 30))
    canvas.paint(canvas.whole_grid(canvas.coverage(anatomy.skin_distance + _SKIN_MM)), FAT_HU)
    muscle = canvas.coverage(anatomy.skin_distance + _fat_thickness(anatomy, rng))
    canvas.paint(canvas.whole_grid(muscle), physique.muscle_hu)
    anatomy.shapes["muscle"] = canvas.whole_grid(muscle)
    _paint_fat_between_muscles(anatomy, rng)
    _paint_strands(anatomy, rng)


def _fat_thickness(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Return the thickness (mm) of fat, (z, y, x), larger at flanks and belly than over spine and sternum."""
    canvas, physique = anatomy.canvas, anatomy.physique
    belly = (canvas.y < 0) * np.float32(max(anatomy.surfaces.belly - 1, 0) * physique.half_depth)
    across = np.abs(canvas.x) / np.float32(physique.half_width)
    low = np.clip((-150 - canvas.z) / 150, 0, 1)
    return np.float32(physique.fat_mm) * (0.6 + 0.35 * across**2 + rng.uniform(0.2, 0.6) * low) + belly * low


def _paint_fat_between_muscles(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint sheets of fat between the muscle layers of the chest wall, and the axillae with their vessels."""
    canvas, physique = anatomy.canvas, anatomy.physique
    muscle = anatomy.shapes["muscle"].coverage
    layer = np.abs(anatomy.cavity_distance - np.float32(rng.uniform(11, 14))) - np.float32(0.1 * physique.fat_mm + 0.4)
    high = canvas.z > -165 * physique.stretch
    canvas.paint(canvas.whole_grid(canvas.coverage(layer) * high).times(muscle), -80)
    for sign in (-1, 1):
        center = physique.at(sign * 128, 4, -38) + rng.uniform(-4, 4, 3)
        radii = np.array([20, 30, 42]) * (0.7 + physique.fat_mm / 45)
        axilla = canvas.ellipsoid(center, radii).within(muscle)
        outside = canvas.coverage(8 - anatomy.cavity_distance[axilla.box])
        canvas.paint(axilla.times(outside), FAT_HU + 5)
        for _ in range(5):
            vessel = center + rng.uniform(-0.6, 0.6, 3) * radii
            canvas.paint(canvas.ellipsoid(vessel, rng.uniform(2, 4, 3)), physique.muscle_hu - 15)


def _paint_strands(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint fat between the bundles of muscle, and thin strands of tissue in the fat."""
    canvas, physique = anatomy.canvas, anatomy.physique
    sheets = np.abs(random_field((canvas.x, canvas.y, canvas.z), rng.uniform(26, 38), rng))
    sheets = np.clip(1 - sheets * np.float32(4), 0, 1, out=sheets)
    muscle = anatomy.shapes["muscle"].coverage
    outside = canvas.coverage(8 - anatomy.cavity_distance) * (anatomy.skin_distance < -_SKIN_MM)
    change_in_muscle = np.float32(-min(40 + 2.5 * physique.fat_mm, 110))
    canvas.hu += sheets * outside * (muscle * change_in_muscle + (1 - muscle) * np.float32(45))


def _paint_table(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint a curved tabletop: foam between two hard shells."""
    canvas, surfaces = anatomy.canvas, anatomy.surfaces
    back = float(surfaces.curve("center", -150.0) + surfaces.curve("depth", -150.0)) + rng.uniform(2, 6)
    bend, half_width = rng.uniform(0.0004, 0.0013), rng.uniform(170, 230)
    below_top = canvas.y + np.float32(bend) * canvas.x**2 - np.float32(back)
    inside = np.abs(canvas.x) < half_width
    depth = rng.uniform(20, 45)
    upper_shell = canvas.coverage(np.abs(below_top - 2) - 1.2)
    lower_shell = canvas.coverage(np.abs(below_top - depth) - 1.5)
    shells = np.maximum(upper_shell, lower_shell) * inside
    foam = canvas.coverage(np.abs(below_top - depth / 2) - depth / 2) * inside
    canvas.paint(canvas.whole_grid(foam), rng.uniform(-985, -930))
    canvas.paint(canvas.whole_grid(shells), rng.uniform(-250, 250))


def _paint_arms(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Paint the upper arms next to the trunk, and add the humeri to the bone mask."""
    canvas, physique, surfaces = anatomy.canvas, anatomy.physique, anatomy.surfaces
    radius = 32 + 0.7 * physique.fat_mm + 0.6 * physique.muscle_mm
    for sign in (-1, 1):
        out = float(surfaces.curve("width", -140.0)) + radius + rng.uniform(-6, 6)
        path = np.array([[sign * (out - 38), 26, 10], [sign * (out - 6), 32, -80], [sign * (out + 8), 34, -340]])
        path[:, 1] += rng.uniform(-10, 14)
        layers = ((radius, 10), (radius - 2, FAT_HU), (radius - 3 - 0.5 * physique.fat_mm, physique.muscle_hu))
        for layer_radius, hu in layers:
            canvas.paint(canvas.tube(path, layer_radius), hu)
        humerus = canvas.tube(path, 11)
        canvas.paint(humerus, 950)
        canvas.paint(canvas.tube(path, 6), -20)
        anatomy.add_to_region("bone", canvas.mask(humerus))

"""The trunk of a phantom: table, skin, fat, muscle and arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from reg2rg.phantom.body.anatomy import Anatomy

FAT_HU = -100
_SKIN_MM = 2.0


def paint_trunk(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Table, arms, skin, fat and chest wall muscle; sets the distances to the body's surfaces."""
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    anatomy.skin = surfaces.skin(canvas.x, canvas.y, canvas.z)
    anatomy.cavity = surfaces.cavity(canvas.x, canvas.y, canvas.z)
    anatomy.diaphragm = surfaces.diaphragm(canvas.x, canvas.y)
    _table(anatomy, rng)
    anatomy.masks["bone"] = np.zeros(canvas.shape, bool)
    if not build.arms_up:
        _arms(anatomy, rng)
    canvas.paint(canvas.whole(canvas.soften(anatomy.skin)), rng.uniform(0, 30))
    canvas.paint(canvas.whole(canvas.soften(anatomy.skin + _SKIN_MM)), FAT_HU)
    muscle = canvas.soften(anatomy.skin + _fat_thickness(anatomy, rng))
    canvas.paint(canvas.whole(muscle), build.muscle)
    anatomy.shapes["muscle"] = canvas.whole(muscle)
    _fat_between_muscles(anatomy, rng)


def _fat_thickness(anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Thicker at the flanks and the belly than over the spine and the sternum, (z, 1, x)."""
    canvas, build = anatomy.canvas, anatomy.build
    across = np.abs(canvas.x) / np.float32(build.half_width)
    low = np.clip((-150 - canvas.z) / 150, 0, 1)
    return np.float32(build.fat) * (0.6 + 0.35 * across**2 + rng.uniform(0.2, 0.6) * low)


def _fat_between_muscles(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Sheets of fat between the layers of the chest wall, and the axillae."""
    canvas, build = anatomy.canvas, anatomy.build
    layer = np.abs(anatomy.cavity - np.float32(rng.uniform(11, 14))) - np.float32(0.1 * build.fat + 0.4)
    high = canvas.z > -165 * build.stretch
    canvas.paint(canvas.whole(canvas.soften(layer) * high).times(anatomy.shapes["muscle"].coverage), -80)
    for sign in (-1, 1):
        centre = build.at(sign * 128, 4, -38) + rng.uniform(-4, 4, 3)
        radii = np.array([20, 30, 42]) * (0.7 + build.fat / 45)
        axilla = canvas.ellipsoid(centre, radii).within(anatomy.shapes["muscle"].coverage)
        outside = canvas.soften(8 - anatomy.cavity[axilla.box])
        canvas.paint(axilla.times(outside), FAT_HU + 5)
        for _ in range(5):
            vessel = centre + rng.uniform(-0.6, 0.6, 3) * radii
            canvas.paint(canvas.ellipsoid(vessel, rng.uniform(2, 4, 3)), build.muscle - 15)


def _table(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """A curved top with a hard shell around foam, and sometimes a second plate below it."""
    canvas, surfaces = anatomy.canvas, anatomy.surfaces
    back = float(surfaces.curve("centre", -150.0) + surfaces.curve("depth", -150.0)) + rng.uniform(2, 6)
    bend, half = rng.uniform(0.0004, 0.0013), rng.uniform(170, 230)
    sheet = canvas.y + np.float32(bend) * canvas.x**2 - np.float32(back)
    inside = np.abs(canvas.x) < half
    depth = rng.uniform(20, 45)
    shell = np.maximum(canvas.soften(np.abs(sheet - 2) - 1.2), canvas.soften(np.abs(sheet - depth) - 1.5)) * inside
    shell, foam = np.broadcast_to(shell, canvas.shape), canvas.soften(np.abs(sheet - depth / 2) - depth / 2) * inside
    canvas.paint(canvas.whole(foam), rng.uniform(-985, -930))
    canvas.paint(canvas.whole(shell), rng.uniform(-250, 250))


def _arms(anatomy: Anatomy, rng: np.random.Generator) -> None:
    """Upper arms beside the trunk with the humerus in them."""
    canvas, build, surfaces = anatomy.canvas, anatomy.build, anatomy.surfaces
    radius = 32 + 0.7 * build.fat + 0.6 * build.muscle_mm
    for sign in (-1, 1):
        out = float(surfaces.curve("width", -140.0)) + radius + rng.uniform(-6, 6)
        path = np.array([[sign * (out - 38), 26, 10], [sign * (out - 6), 32, -80], [sign * (out + 8), 34, -340]])
        path[:, 1] += rng.uniform(-10, 14)
        for size, hu in ((radius, 10), (radius - 2, FAT_HU), (radius - 3 - 0.5 * build.fat, build.muscle)):
            canvas.paint(canvas.tube(path, size), hu)
        bone = canvas.tube(path, 11)
        canvas.paint(bone, 950)
        canvas.paint(canvas.tube(path, 6), -20)
        anatomy.masks["bone"] |= canvas.mask(bone)

"""The shapes of lesions, and painting them into the image."""

from __future__ import annotations

import numpy as np

from reg2rg.phantom.body import Anatomy, Canvas, Shape, random_field


def paint_lesion(anatomy: Anatomy, *shapes: Shape, hu: float) -> np.ndarray:
    """Paint shapes of a finding.

    Args:
        anatomy: the chest to paint into.
        shapes: parts of the finding.
        hu: their density.

    Returns:
        The voxels of the finding, boolean (z, y, x); parts smaller than a voxel are included.
    """
    for shape in shapes:
        anatomy.canvas.paint(shape, hu)
    return anatomy.canvas.mask_including_small(*shapes)


def random_ellipsoid(
    canvas: Canvas, center: np.ndarray, size_mm: float, rng: np.random.Generator, flatness: float = 0.8
) -> Shape:
    """Return a randomly oriented ellipsoid.

    Args:
        canvas: the grid.
        center: x, y, z in mm.
        size_mm: longest diameter in mm.
        rng: source of orientation and proportions.
        flatness: smallest ratio of the other two diameters to the longest.
    """
    axes, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    radii = size_mm / 2 * np.array([1.0, *rng.uniform(flatness, 1.0, 2)])
    return canvas.ellipsoid(center, radii, axes)


def ragged_patch(
    canvas: Canvas, center: np.ndarray, radii: np.ndarray, rng: np.random.Generator, softness: float
) -> Shape:
    """Return a patch with an irregular outline that fades toward its edge.

    Args:
        canvas: the grid.
        center: x, y, z in mm.
        radii: half axes along x, y, z in mm.
        rng: source of the outline.
        softness: width of the fading edge relative to the half axes.
    """
    box = canvas.box(center - 1.5 * radii, center + 1.5 * radii)
    axes = canvas.voxel_centers(box)
    rho = np.sqrt(sum(((axis - c) / r) ** 2 for axis, c, r in zip(axes, center, radii.tolist(), strict=True)))
    ragged = 1 - rho + np.float32(0.16) * random_field(axes, float(0.7 * radii.mean()), rng)
    return Shape(box, np.clip(ragged / np.float32(softness) + np.float32(0.5), 0, 1))

"""Surfaces of masks as triangles, few enough for a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

CELL_MM = 4.0
"""Size of the cells from which the surface of a large mask is made."""

MAX_CELLS = 200_000
"""A smaller mask has finer cells, up to this number of them."""


@dataclass(frozen=True)
class Surface:
    """A closed surface.

    Attributes:
        vertices: float array (number, 3), x, y, z in mm from the center of the view's first voxel.
        normals: float array (number, 3) of unit vectors that point outward.
        triangles: integer array (number, 3) of vertices.
    """

    vertices: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray


def surface_of(mask: np.ndarray, spacing: tuple[float, float, float]) -> Surface | None:
    """Return the smoothed surface of a mask; None if the mask is empty.

    Args:
        mask: boolean array (z, y, x).
        spacing: size of its voxels in mm (x, y, z).
    """
    from skimage.measure import marching_cubes

    if not mask.any():
        return None
    spans = [np.flatnonzero(mask.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]  # x, y, z
    first, last = (np.array([span[end] for span in spans]) for end in (0, -1))
    lengths = (last - first + 1) * np.array(spacing)
    cell = float(np.clip((np.prod(lengths) / MAX_CELLS) ** (1 / 3), min(spacing), CELL_MM))
    image = sitk.GetImageFromArray(mask.astype(np.float32))
    image.SetSpacing(spacing)
    image = image[tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True))]
    sigma = max(0.5 * cell, 0.7 * max(spacing))
    soft = sitk.SmoothingRecursiveGaussian(sitk.ConstantPad(image, [4] * 3, [4] * 3, 0.0), sigma)
    start = np.array(soft.TransformIndexToPhysicalPoint((0, 0, 0)))
    counts = np.ceil((lengths + 8 * np.array(spacing)) / cell).astype(int) + 1
    cells = sitk.Resample(
        soft, [int(n) for n in counts], sitk.Transform(), sitk.sitkLinear, [float(mm) for mm in start], [cell] * 3
    )
    values = sitk.GetArrayFromImage(cells)
    level = min(0.5, 0.6 * float(values.max()))  # a mask thinner than the cells still has a surface
    vertices, triangles, normals, _ = marching_cubes(values, level)
    return Surface(vertices[:, ::-1] * cell + start, normals[:, ::-1], triangles)

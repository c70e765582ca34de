"""Solid lesions of the lung near a point: their place, and their volume with sub-voxel accuracy.

A lesion is measured by its excess of density over the lung around it. Blur, the size of voxels and the reconstruction
kernel spread this excess, but hardly change its sum, so that volumes agree between scanners.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from reg2rg.volumes.resampling import OUTSIDE_HU

GRID_MM = 1.0
REACH_MM = 26.0
"""The image is examined on cubic voxels of this size, up to this distance from the point."""

SETTLED_MM = 3.0
"""How far from the center of a lesion its thickest point is searched when it is measured."""

MAX_ROUNDS = 5
"""How often a lesion is measured from the center that it had before, until the center stays."""

EDGE_HU = -400.0
"""About halfway between the lung and a solid lesion."""

CORE_SHARE = 0.75
"""Where a lesion is thinner than this share of its greatest thickness, it is a vessel that touches it. An ellipsoid
twice as long as wide keeps 95% of its length."""

GAP_MM = 10.0
"""Half the width of the gaps at the surface of the lungs that belong to them."""

RIM_MM = 1.2
"""Distance within which the surface of a lesion is rough."""

BLUR_MM = 3.0
"""Distance from the edge of a lesion up to which its excess is spread, unless the voxels are larger."""

SOLID_HU = 40.0
"""Density of a lesion too small to show its own."""

CORE_DEPTH_MM = 2.4
"""Depth at which the density of a lesion is not blurred with that of the lung."""

MIN_RADIUS_MM = 1.8
"""Least depth of a lesion, which is about 4 mm wide then. Thinner ones look like vessels on slices of 2 to 3 mm."""

MAX_RADIUS_MM = 20.0
MAX_ELONGATION = 2.5
"""Radius of the largest ball within a lesion, and ratio of its longest to its shortest axis; beyond these limits,
it is a vessel or the chest wall."""


@dataclass(frozen=True)
class Lesion:
    """A solid lesion of the lung.

    Attributes:
        center: its center (x, y, z; LPS, mm).
        excess: sum of its density above that of the lung around it, HU times mm³.
        lung_hu: density of the lung around it.
        core_hu: density of its core; None if it is too small to have one.
    """

    center: np.ndarray
    excess: float
    lung_hu: float
    core_hu: float | None

    def volume_mm3(self, solid_hu: float) -> float:
        """Return the volume of a lesion of a density."""
        return self.excess / (solid_hu - self.lung_hu)


def volumes_mm3(first: Lesion, second: Lesion) -> tuple[float, float]:
    """Return the volumes of a lesion in two scans, of the density that the larger one shows."""
    larger, smaller = sorted((first, second), key=lambda lesion: -lesion.excess)
    core = larger.core_hu if larger.core_hu is not None else smaller.core_hu
    density = SOLID_HU if core is None else core
    return first.volume_mm3(density), second.volume_mm3(density)


def find_lesion(volume: sitk.Image, lungs: sitk.Image, point: np.ndarray, tolerance_mm: float) -> Lesion | None:
    """Return the solid lesion of the lung nearest to a point; None if there is none.

    The lesion depends neither on the point nor on the tolerance, as long as its center is within the tolerance.

    Args:
        volume: image in HU, of any orientation.
        lungs: mask of the lungs, with or without the lesions in them.
        point: where it is expected (x, y, z; LPS, mm).
        tolerance_mm: how far from there it may be.
    """
    settled = (_settled(volume, lungs, lesion) for lesion in _lesions_near(volume, lungs, point, tolerance_mm))
    lesion = _nearest([each for each in settled if each is not None], point)
    return lesion if lesion is not None and np.linalg.norm(lesion.center - point) <= tolerance_mm else None


def _settled(volume: sitk.Image, lungs: sitk.Image, lesion: Lesion) -> Lesion | None:
    """Return a lesion as it is seen from its own center; None if it is not one from there."""
    for _ in range(MAX_ROUNDS):
        place = _on_lattice(lesion.center)
        seen = _nearest(_lesions_near(volume, lungs, place, SETTLED_MM), place)
        if seen is None or (_on_lattice(seen.center) == place).all():
            return seen
        lesion = seen
    return lesion


def _nearest(lesions: Sequence[Lesion], point: np.ndarray) -> Lesion | None:
    return min(lesions, key=lambda lesion: float(np.linalg.norm(lesion.center - point)), default=None)


def _lesions_near(volume: sitk.Image, lungs: sitk.Image, point: np.ndarray, tolerance_mm: float) -> list[Lesion]:
    """Return the solid lesions of which a part is near a point, as they are seen from there."""
    middle, reach = _on_lattice(point), REACH_MM + tolerance_mm
    hu, origin = cube(volume, middle, reach)
    tissue = hu >= EDGE_HU
    dense = tissue & _without_gaps(cube(lungs, middle, reach, 0.0)[0] >= 0.5)
    depth = ndimage.distance_transform_edt(dense) * GRID_MM
    z, y, x = (np.arange(size) * GRID_MM for size in hu.shape)
    away = np.sqrt(sum(np.square(axis - axis.mean()) for axis in np.ix_(z, y, x)))
    lesions: list[Lesion] = []
    rest = dense.copy()
    while True:
        # The deepest point within reach belongs to the thickest structure; it is examined first.
        near = np.where(rest & (away <= tolerance_mm), depth, 0.0)
        peak = np.unravel_index(int(near.argmax()), near.shape)
        radius = float(depth[peak])
        if near[peak] < MIN_RADIUS_MM:
            return lesions
        mask = _around(dense, depth, peak, radius)
        rest &= ~ndimage.binary_dilation(mask, iterations=2)
        rest[peak] = False
        if radius <= MAX_RADIUS_MM and _is_compact(mask):
            lesions.append(_measured(hu, tissue, mask, origin, max(BLUR_MM, *volume.GetSpacing())))


def _on_lattice(point: np.ndarray) -> np.ndarray:
    """Return the nearest point of a lattice that is the same for all cubes."""
    return np.round(point / GRID_MM) * GRID_MM


def cube(
    volume: sitk.Image,
    point: np.ndarray,
    reach_mm: float,
    outside: float = OUTSIDE_HU,
    transform: sitk.Transform | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the image around a point on cubic voxels with LPS axes.

    Args:
        volume: image in HU, of any orientation.
        point: center (x, y, z; LPS, mm).
        reach_mm: half the length of an edge.
        outside: value beyond the image.
        transform: maps points of the cube to those of the image; None if they are the same.

    Returns:
        HU (z, y, x), and the center of the first voxel (x, y, z; LPS, mm).
    """
    count = 2 * round(reach_mm / GRID_MM) + 1
    origin = np.asarray(point, float) - (count - 1) / 2 * GRID_MM
    image = sitk.Resample(
        volume,
        [count] * 3,
        sitk.Transform(3, sitk.sitkIdentity) if transform is None else transform,
        sitk.sitkLinear,
        origin.tolist(),
        [GRID_MM] * 3,
        np.eye(3).ravel().tolist(),
        outside,
        sitk.sitkFloat32,
    )
    return sitk.GetArrayFromImage(image), origin


def _without_gaps(lungs: np.ndarray) -> np.ndarray:
    """Return the lungs with the lesions and vessels in them or at their surface, which some segmenters leave out."""
    edge = round(GAP_MM / GRID_MM) + 1
    padded = np.pad(lungs, edge)
    grown = ndimage.distance_transform_edt(~padded) * GRID_MM <= GAP_MM
    closed = ndimage.distance_transform_edt(grown) * GRID_MM > GAP_MM
    return cast(np.ndarray, ndimage.binary_fill_holes(closed)[edge:-edge, edge:-edge, edge:-edge] | lungs)


def _around(dense: np.ndarray, depth: np.ndarray, peak: tuple[np.intp, ...], radius: float) -> np.ndarray:
    """Return the part of a dense structure around its thickest point, without what is much thinner."""
    labels, _ = ndimage.label(depth >= max(CORE_SHARE * radius, GRID_MM))
    core = labels == labels[peak]
    grown = ndimage.distance_transform_edt(~core) * GRID_MM <= CORE_SHARE * radius + RIM_MM
    return cast(np.ndarray, dense & grown)


def _is_compact(mask: np.ndarray) -> bool:
    """Return whether a mask does not touch the border and is about as long as wide."""
    voxels = np.argwhere(mask)
    if (voxels.min(axis=0) == 0).any() or (voxels.max(axis=0) == np.array(mask.shape) - 1).any():
        return False
    widths = np.linalg.eigvalsh(np.cov(voxels.T) + np.eye(3) / 12) if len(voxels) > 3 else np.ones(3)
    return bool(np.sqrt(widths[-1] / widths[0]) <= MAX_ELONGATION)


def _measured(hu: np.ndarray, tissue: np.ndarray, mask: np.ndarray, origin: np.ndarray, blur_mm: float) -> Lesion:
    """Measure a lesion that was outlined."""
    outside = ndimage.distance_transform_edt(~mask) * GRID_MM
    other = tissue & (outside > RIM_MM)
    # What touches the lesion is not a part of it: a voxel belongs to whichever is nearer.
    beyond = ndimage.distance_transform_edt(~other) * GRID_MM if other.any() else np.full_like(outside, np.inf)
    ring = (outside > blur_mm) & (outside <= 2.5 * blur_mm) & (beyond > blur_mm) & (hu > OUTSIDE_HU)
    lung_hu = float(hu[ring].mean()) if ring.sum() > 50 else -850.0
    near = (outside <= blur_mm) & (outside < beyond)
    excess = float((hu[near] - lung_hu).sum()) * GRID_MM**3
    core = hu[ndimage.distance_transform_edt(mask) * GRID_MM >= CORE_DEPTH_MM]
    center = np.array(ndimage.center_of_mass(mask))[::-1] * GRID_MM + origin
    return Lesion(center, excess, lung_hu, float(np.median(core)) if core.size >= 20 else None)

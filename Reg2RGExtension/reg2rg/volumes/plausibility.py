"""Whether the values of a volume are distributed as in a chest CT: lung inside a body of fat and muscle."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from scipy import ndimage

from reg2rg.volumes.geometry import array_spacing

LUNG_HU = (-980, -600)
"""Range of aerated lung."""

MINIMUM_LUNG_ML = 50.0
"""Smallest amount of lung, without its outermost layer."""

TISSUE_HU = (-300, 1000)
"""Range of fat, organs and bone, with and without contrast medium."""

TISSUE_PEAK_HU = (-160, 160)
"""Range of the most frequent value in tissue: fat is at about -100 HU, muscle and blood at 50."""

MINIMUM_COHERENCE = 0.3
"""Smallest share of tissue voxels that are surrounded by tissue: 0.5 at voxels of 12 mm, 0.8 at 4 mm, 0.2 in noise."""

MAXIMUM_PEAK = 0.6
"""Largest share of the most frequent value, within 20 HU: 0.1 to 0.3 in CTs, 1 if the rest of the body is blanked."""

MAXIMUM_VALLEY = 0.4
"""Largest density of values between lung and fat, relative to tissue: up to 0.2 in CTs, 0.5 in a random field."""

_AIR_HU, _ROOM_AIR_HU = -500, -930
"""Upper limits of lung and air, and of the mean of room air."""

_COARSE_MM = 4.0
"""Voxel size at which values are judged; averaging reduces noise."""

_IN_PLANE = ndimage.generate_binary_structure(2, 1)[None]
_SLICES = np.pad(_IN_PLANE, ((1, 1), (0, 0), (0, 0)))


def find_implausible(volume: sitk.Image) -> str | None:
    """Return why the values of a 3-D volume cannot be those of a chest CT in HU, or None if they can."""
    factors = [
        max(1, min(round(_COARSE_MM / spacing), size // 8))
        for spacing, size in zip(volume.GetSpacing(), volume.GetSize(), strict=True)
    ]
    coarse = sitk.BinShrink(volume, factors)
    hu = sitk.GetArrayViewFromImage(coarse)
    voxel_ml = float(np.prod(array_spacing(coarse))) / 1000
    body = _body(hu)
    if _inside(body & _between(hu, LUNG_HU)).sum() * voxel_ml < MINIMUM_LUNG_ML:
        return "it contains no lung"
    is_tissue = _between(hu, TISSUE_HU)
    tissue = hu[_inside(is_tissue)]
    if len(tissue) < MINIMUM_COHERENCE * is_tissue.sum():
        return "its values are noise"
    counts, edges = np.histogram(tissue, np.arange(TISSUE_HU[0], TISSUE_HU[1] + 1, 20))
    peak = edges[counts.argmax()] + 10
    if not TISSUE_PEAK_HU[0] <= peak <= TISSUE_PEAK_HU[1]:
        return f"the most frequent value in tissue is {peak} HU, which is neither fat nor muscle"
    if counts.max() > MAXIMUM_PEAK * len(tissue):
        return "nearly all voxels outside the lungs have the same value"
    if _between(hu, (-450, -250)).sum() / 200 > MAXIMUM_VALLEY * _between(hu, (-150, 100)).sum() / 250:
        return "its values do not separate lung and tissue"
    return None


def _between(hu: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    low, high = limits
    return (hu > low) & (hu < high)


def _inside(mask: np.ndarray) -> np.ndarray:
    """Return the voxels of a mask whose four neighbors in the slice are in it as well."""
    return ndimage.binary_erosion(mask, _IN_PLANE)


def _body(hu: np.ndarray) -> np.ndarray:
    """Return the largest object in a volume, including lung and air in it, but no thin ones, such as the table."""
    labels, count = ndimage.label(hu < _AIR_HU, _SLICES)
    border = np.unique(np.concatenate([labels[:, [0, -1]].ravel(), labels[:, :, [0, -1]].ravel()]))
    border = border[border > 0]
    is_room = np.zeros(count + 1, bool)
    # Lungs that reach the border of the field of view are brighter than room air.
    is_room[border[np.asarray(ndimage.mean(hu, labels, border)) < _ROOM_AIR_HU]] = True
    objects, count = ndimage.label(ndimage.binary_opening(~is_room[labels], _IN_PLANE, iterations=2))
    sizes = np.bincount(objects.ravel(), minlength=2)
    return objects == 1 + sizes[1:].argmax()

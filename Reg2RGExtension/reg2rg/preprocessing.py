"""Preprocessing: a volume and its region masks become the model's tensors (local feature decoupling, paper III-A).

The result is the published one (reference B.2, B.3): a region's texture is its masked volume cropped to the box of its
voxels above -1000 HU, its geometry is its mask in the box of the whole body; all are resized by area averaging. Here
voxels stay integers and masks stay bits until they are cropped, and one channel stands for three equal ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.errors import InputError
from reg2rg.models.config import PreprocessingConfig, Size
from reg2rg.regions import get_region
from reg2rg.segmentation.masks import RegionMasks, region_bit

OUTSIDE_HU = -1024
"""What the published system writes where a region's mask is not."""

INSIDE_SHARE = 0.4
"""Share of a resized voxel that a region must fill for its average to be taken over the region alone."""

Box = tuple[slice, slice, slice]


@dataclass(frozen=True)
class ModelInputs:
    """What the model sees; float32, one channel, axes right-left, anterior-posterior, superior-inferior (RAS order).

    Attributes:
        image: the whole volume, image_size, in [-1, 1].
        textures: region -> texture_size, in [-1, 1], in published order.
        masks: region -> mask_size, area averages in [0, 1].
        skipped: region -> why it was left out.
    """

    image: Tensor
    textures: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    skipped: Mapping[str, str]


def prepare(
    volume: sitk.Image, masks: RegionMasks, config: PreprocessingConfig, regions: Sequence[str] | None = None
) -> ModelInputs:
    """Tensors of ``volume`` and of the wanted regions (all that have a mask, if None).

    Raises InputError if the volume holds nothing but air or no wanted region is usable.
    """
    hu, bits = _model_axes_view(volume), _model_axes_view(masks.bits)
    boxes, body = _boxes(hu, bits, config.body_threshold)
    if body is None:
        raise InputError(f"No voxel of the volume is above {config.body_threshold:g} HU; expected a CT of a chest.")
    skipped = dict(masks.missing)
    for name in masks.present:
        if regions is not None and name not in regions:
            skipped[name] = "it was not asked for"
        elif region_bit(name) not in boxes:
            skipped[name] = f"none of its voxels is above {config.body_threshold:g} HU"
    names = [name for name in masks.present if name not in skipped]
    if not names:
        raise InputError("No region can be described: " + "; ".join(f"{n}: {why}" for n, why in skipped.items()) + ".")
    bits_in_body = bits[body]
    textures, geometry = {}, {}
    for name in names:
        box, bit = boxes[region_bit(name)], np.uint16(1 << region_bit(name))
        textures[name] = _texture(hu[box], (bits[box] & bit) != 0, config)
        geometry[name] = _resize((bits_in_body & bit) != 0, config.mask_size)
    return ModelInputs(_to_unit(_resize(hu[body], config.image_size), config), textures, geometry, skipped)


def region_crop(
    volume: sitk.Image, masks: RegionMasks, name: str, config: PreprocessingConfig, *, of: sitk.Image
) -> np.ndarray:
    """What lies in another image on the volume's grid where the texture of region ``name`` is cropped, in model axes."""
    hu, bits = _model_axes_view(volume), _model_axes_view(masks.bits)
    boxes, _ = _boxes(hu, bits & np.uint16(1 << region_bit(get_region(name).name)), config.body_threshold)
    return _model_axes_view(of)[boxes[region_bit(name)]]


def _model_axes_view(image: sitk.Image) -> np.ndarray:
    """Voxels with axes in RAS order, as a view: permuted and flipped by the nearest axes of the direction matrix."""
    direction = np.asarray(image.GetDirection()).reshape(3, 3)  # columns: index axes in LPS
    order = max(permutations(range(3)), key=lambda p: sum(abs(direction[axis, p[axis]]) for axis in range(3)))
    view = sitk.GetArrayViewFromImage(image).transpose(2, 1, 0).transpose(order)
    towards = [-direction[0, order[0]], -direction[1, order[1]], direction[2, order[2]]]
    return view[tuple(slice(None, None, 1 if sign > 0 else -1) for sign in towards)]


def _boxes(hu: np.ndarray, bits: np.ndarray, threshold: float) -> tuple[dict[int, Box], Box | None]:
    """Box of each region's voxels above the threshold, by bit, and of the body's; projections keep one pass over voxels."""
    body_bit = np.uint16(1 << 15)
    planes = np.zeros(hu.shape[:2], np.uint16)
    columns = np.zeros(hu.shape[1:], np.uint16)
    for i in range(hu.shape[0]):
        seen = np.where(hu[i] > threshold, bits[i] | body_bit, np.uint16(0))
        planes[i] = np.bitwise_or.reduce(seen, axis=1)
        columns |= seen
    profiles = [np.bitwise_or.reduce(p, axis=a) for p, a in ((planes, 1), (planes, 0), (columns, 0))]
    boxes = {}
    for bit in range(16):
        extents = [np.flatnonzero(profile & np.uint16(1 << bit)) for profile in profiles]
        if extents[0].size:
            boxes[bit] = tuple(slice(int(e[0]), int(e[-1]) + 1) for e in extents)
    return boxes, boxes.pop(15, None)


def _texture(hu: np.ndarray, mask: np.ndarray, config: PreprocessingConfig) -> Tensor:
    size = config.texture_size
    if not config.inside_only:
        return _to_unit(_resize(np.where(mask, hu, hu.dtype.type(OUTSIDE_HU)), size), config)
    inside = _resize(np.where(mask, np.clip(hu, config.hu_min, config.hu_max) - config.hu_min, 0), size)
    share = _resize(mask, size)
    texture = _to_unit(inside / share.clamp(min=1e-6) + config.hu_min, config)
    return torch.where(share > INSIDE_SHARE, texture, torch.tensor(-1.0))


def _resize(array: np.ndarray, size: Size) -> Tensor:
    """Area averages (adaptive average pooling, which is monai's "area" mode)."""
    values = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    return F.adaptive_avg_pool3d(values[None], size)[0]


def _to_unit(hu: Tensor, config: PreprocessingConfig) -> Tensor:
    middle, half = (config.hu_max + config.hu_min) / 2, (config.hu_max - config.hu_min) / 2
    return (hu.clamp(config.hu_min, config.hu_max) - middle) / half

"""Preprocessing: a volume and its region masks become the model's tensors (local feature decoupling, paper III-A).

The result is the published one (reference B.2, B.3): a region's texture is its masked volume cropped to the box of its
voxels above -1000 HU, its geometry is its mask in the box of the whole body; all are resized by area averaging. Here
voxels stay integers and masks stay bits, slab by slab, until they have been averaged; sums of integers are exact, so
doing it in another order changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from torch import Tensor

from reg2rg.errors import InputError
from reg2rg.models.config import PreprocessingConfig, Size
from reg2rg.segmentation.masks import Box, RegionMasks, region_flag, region_index

OUTSIDE_HU = -1024
"""What the published system writes where a region's mask is not."""

INSIDE_SHARE = 0.4
"""Share of a resized voxel that a region must fill for its average to be taken over the region alone."""

BODY_BIT = 15
"""Bit that stands for the whole body among the regions' bits."""


@dataclass(frozen=True)
class ModelInputs:
    """What the model sees; float32, one channel, axes right-left, anterior-posterior, superior-inferior (RAS order).

    Attributes:
        image: the whole volume, image_size, in [-1, 1].
        textures: region -> texture_size, in [-1, 1], in published order.
        masks: region -> mask_size, area averages in [0, 1].
        skipped: region -> why it was left out.
        crops: region -> where in the volume its texture lies.
    """

    image: Tensor
    textures: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    skipped: Mapping[str, str]
    crops: Mapping[str, Crop] = field(default_factory=dict)


@dataclass(frozen=True)
class Crop:
    """Where a region's texture lies in the volume.

    Attributes:
        box: the texture's part of the volume's array (z, y, x).
        voxel_mm: size of the texture's voxels along the model's axes.
        axes: array axis of each model axis.
        flips: of each model axis, whether the array runs the other way.
    """

    box: Box
    voxel_mm: tuple[float, float, float]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def cut(self, array: np.ndarray) -> np.ndarray:
        """What of an array (z, y, x) over the whole volume lies in the crop, in model axes."""
        return array[self.box].transpose(self.axes)[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def to_volume(self, values: Tensor) -> np.ndarray:
        """Values on a grid of any size over the texture, in model axes, as an array (z, y, x) over ``box``: linear."""
        shape = [span.stop - span.start for span in self.box]
        return F.interpolate(self.in_array_order(values)[None, None], shape, mode="trilinear")[0, 0].numpy()

    def in_array_order(self, values: Tensor) -> Tensor:
        """Values in model axes, turned as the volume's array (z, y, x) is; float32, still on their own grid."""
        turned = values.float().flip([axis for axis, flip in enumerate(self.flips) if flip])
        return turned.permute(*(self.axes.index(axis) for axis in range(3)))


def prepare(
    volume: sitk.Image, masks: RegionMasks, config: PreprocessingConfig, regions: Sequence[str] | None = None
) -> ModelInputs:
    """Tensors of ``volume`` and of the wanted regions (all that have a mask, if None).

    Raises InputError if the volume holds nothing but air or no wanted region is usable.
    """
    scan = _Scan(volume, masks)
    boxes = scan.boxes(config.body_threshold)
    if BODY_BIT not in boxes:
        raise InputError(f"No voxel of the volume is above {config.body_threshold:g} HU; expected a CT of a chest.")
    skipped = dict(masks.missing)
    for name in masks.present:
        if regions is not None and name not in regions:
            skipped[name] = "it was not asked for"
        elif region_index(name) not in boxes:
            skipped[name] = f"none of its voxels is above {config.body_threshold:g} HU"
    names = [name for name in masks.present if name not in skipped]
    if not names:
        raise InputError("No region can be described: " + "; ".join(f"{n}: {why}" for n, why in skipped.items()) + ".")
    body = boxes[BODY_BIT]
    return ModelInputs(
        image=_to_unit(scan.average(body, config.image_size, scan.hu), config),
        textures={name: _texture(scan, name, boxes[region_index(name)], config) for name in names},
        masks={name: scan.average(body, config.mask_size, scan.mask(name)) for name in names},
        skipped=skipped,
        crops={name: scan.crop(boxes[region_index(name)], config.texture_size_of(name)) for name in names},
    )


Slab = Callable[[Box], np.ndarray]
"""Gives the voxels of a box, (z, y, x)."""


class _Scan:
    """A volume and its masks in the order they lie in memory, (z, y, x), and the way from there to the model's axes."""

    def __init__(self, volume: sitk.Image, masks: RegionMasks) -> None:
        self._hu = sitk.GetArrayViewFromImage(volume)
        self._bits = sitk.GetArrayViewFromImage(masks.bits)
        direction = np.reshape(volume.GetDirection(), (3, 3))  # columns: index axes x, y, z in LPS
        order = max(permutations(range(3)), key=lambda p: sum(abs(direction[axis, p[axis]]) for axis in range(3)))
        self._axes = [2 - index for index in order]  # array axis of each model axis
        self._spacing = volume.GetSpacing()[::-1]  # z, y, x
        towards = [-direction[0, order[0]], -direction[1, order[1]], direction[2, order[2]]]  # R, A, S
        self._flips = tuple(slice(None, None, 1 if sign > 0 else -1) for sign in towards)

    def in_model_axes(self, array: np.ndarray) -> np.ndarray:
        """An array (z, y, x) seen in the nearest RAS order."""
        return array.transpose(self._axes)[self._flips]

    def crop(self, box: Box, size: Size) -> Crop:
        """The crop of a box that is resized to ``size``."""
        extents = [(box[axis].stop - box[axis].start) * self._spacing[axis] for axis in self._axes]
        voxel_mm = tuple(extent / n for extent, n in zip(extents, size, strict=True))
        return Crop(box, voxel_mm, tuple(self._axes), tuple(flip.step < 0 for flip in self._flips))

    def hu(self, box: Box) -> np.ndarray:
        return self._hu[box]

    def mask(self, name: str) -> Slab:
        bit = region_flag(name)
        return lambda box: (self._bits[box] & bit) != 0

    def boxes(self, threshold: float) -> dict[int, Box]:
        """Box of the voxels above the threshold: of each region, by its bit, and of the body. One pass over the volume.

        Bits of a voxel say what it belongs to; their union over planes and lines leaves one profile along each axis,
        which holds the boxes of all regions at once.
        """
        body = np.uint16(1 << BODY_BIT)
        along_z = np.zeros(self._hu.shape[0], np.uint16)
        planes = np.zeros(self._hu.shape[1:], np.uint16)
        for z, plane in enumerate(self._hu):
            seen = (self._bits[z] | body) * (plane > threshold)
            along_z[z] = np.bitwise_or.reduce(seen, axis=None)
            planes |= seen
        profiles = (along_z, np.bitwise_or.reduce(planes, axis=1), np.bitwise_or.reduce(planes, axis=0))
        found = {}
        for bit in range(16):
            extents = [np.flatnonzero(profile & np.uint16(1 << bit)) for profile in profiles]
            if extents[0].size:
                found[bit] = tuple(slice(int(e[0]), int(e[-1]) + 1) for e in extents)
        return found

    def average(self, box: Box, size: Size, slab: Slab) -> Tensor:
        """Area averages (adaptive average pooling, monai's "area" mode) of a box, at ``size`` in model axes.

        Windows mirror when an axis is flipped, so averaging in memory order and turning the result is the same.
        """
        native = [0, 0, 0]
        for n, axis in zip(size, self._axes, strict=True):
            native[axis] = n
        windows = [_windows(s.stop - s.start, n) for s, n in zip(box, native, strict=True)]
        sums = np.empty(native, np.float32)
        for index, (start, stop) in enumerate(windows[0].T):
            voxels = slab((slice(box[0].start + start, box[0].start + stop), box[1], box[2]))
            plane = voxels.sum(axis=0, dtype=np.float64 if voxels.dtype.kind == "f" else np.int32)
            sums[index] = _window_sums(plane, windows[1], windows[2])
        turned = np.ascontiguousarray(self.in_model_axes(sums))
        # Divided axis by axis in the model's order, as torch does, so that rounding is the same.
        for axis, n in enumerate(size):
            counts = np.diff(windows[self._axes[axis]], axis=0)[0][self._flips[axis]].astype(np.float32)
            turned /= counts.reshape([n if a == axis else 1 for a in range(3)])
        return torch.from_numpy(turned)


def _windows(length: int, count: int) -> np.ndarray:
    """First and last + 1 element (2, count) of each window of adaptive pooling; neighbours may overlap."""
    index = np.arange(count)
    return np.stack([index * length // count, -((index + 1) * -length // count)])


def _window_sums(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Sums of a plane over windows of rows and columns, by differences of its integral (integer overflow cancels)."""
    integral = np.zeros((plane.shape[0] + 1, plane.shape[1] + 1), plane.dtype)
    np.cumsum(plane, axis=0, out=integral[1:, 1:])
    bands = integral[rows[1]] - integral[rows[0]]
    np.cumsum(bands, axis=1, out=bands)
    return bands[:, columns[1]] - bands[:, columns[0]]


def _texture(scan: _Scan, name: str, box: Box, config: PreprocessingConfig) -> Tensor:
    mask, size = scan.mask(name), config.texture_size_of(name)
    if not config.inside_only:
        masked = scan.average(box, size, lambda b: np.where(mask(b), scan.hu(b), np.int16(OUTSIDE_HU)))
        return _to_unit(masked, config)

    def above_minimum(b: Box) -> np.ndarray:
        clamped = np.clip(scan.hu(b), config.hu_min, config.hu_max).astype(scan.hu(b).dtype, copy=False)
        return (clamped - clamped.dtype.type(config.hu_min)) * mask(b)

    share = scan.average(box, size, mask)
    inside = scan.average(box, size, above_minimum) / share.clamp(min=1e-6) + config.hu_min
    return torch.where(share > INSIDE_SHARE, _to_unit(inside, config), torch.tensor(-1.0))


def _to_unit(hu: Tensor, config: PreprocessingConfig) -> Tensor:
    middle, half = (config.hu_max + config.hu_min) / 2, (config.hu_max - config.hu_min) / 2
    return (hu.clamp(config.hu_min, config.hu_max) - middle) / half

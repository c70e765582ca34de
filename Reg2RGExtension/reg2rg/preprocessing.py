"""Preprocessing: turn a volume and its region masks into the tensors that the model sees.

This is the local feature decoupling of the paper (Reg2RG, IEEE TMI 2025, section III-A; arXiv:2411.15539), with the
numbers of the published code. The texture of a region is the volume with everything outside the region's mask set to
-1024 HU, cropped to the bounding box of the voxels above -1000 HU. The geometry of a region is its mask in the bounding
box of the whole body. Both, and the whole volume, are resized by area averaging, and HU from -1000 to 200 are mapped to
the range from -1 to 1.

The published code works on full-size float volumes. Here, voxels stay integers and masks stay bits, slab by slab, until
they have been averaged. Integer sums are exact, so the result is the same bit for bit. Of the masks, only the bounding
boxes of the regions are read. Regions are prepared in as many threads as torch has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import permutations
from typing import TypeVar

import numpy as np
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from reg2rg.errors import InputError
from reg2rg.measurements import Evidence, measure, region_scalars
from reg2rg.models.config import PreprocessingConfig, Size
from reg2rg.runtime.threads import threads
from reg2rg.segmentation.masks import NOT_REQUESTED, RegionMasks, region_index
from reg2rg.segmentation.structures_from_regions import find_structures
from reg2rg.volumes.averaging import VoxelReader, Windows, average_into
from reg2rg.volumes.geometry import Box, array_spacing, direction_matrix

OUTSIDE_HU = -1024
"""Value of voxels outside a region's mask, as in the published code."""

INSIDE_SHARE = 0.4
"""With ``inside_only``, smallest share of a resized voxel that must lie inside the region for it to get a value."""

BODY_BIT = 15
"""Bit for the whole body, in addition to the bits for the ten regions."""

_Array = TypeVar("_Array", Tensor, np.ndarray)


@dataclass(frozen=True)
class ModelInputs:
    """The model's view of a volume: image, region textures and region masks.

    Tensors are float32 with one channel. Their axes point to the patient's right, anterior and superior (RAS order).

    Attributes:
        image: the whole volume, in [-1, 1]; shape ``image_size``.
        textures: region -> its texture, in [-1, 1], in published order; shape ``texture_size``.
        masks: region -> its geometry, area averages in [0, 1]; shape ``mask_size``.
        skipped: region -> why it was left out.
        crops: region -> where in the volume its texture lies.
        scalars: region -> value of each scalar that the model is configured to read, and how far it is known, (S, 2).
            Empty for models that read none.
    """

    image: Tensor
    textures: Mapping[str, Tensor]
    masks: Mapping[str, Tensor]
    skipped: Mapping[str, str]
    crops: Mapping[str, Crop] = field(default_factory=dict)
    scalars: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Crop:
    """Where the texture of a region lies in the volume.

    Attributes:
        box: part of the volume's array (z, y, x) that the texture covers.
        voxel_mm: voxel size of the texture along the model's axes (RAS).
        axes: for each of the model's axes, the corresponding array axis.
        flips: for each of the model's axes, whether the array runs in the opposite direction.
    """

    box: Box
    voxel_mm: tuple[float, float, float]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def cut(self, array: np.ndarray) -> np.ndarray:
        """Crop an array that covers the whole volume (z, y, x), and reorient it to the model's axes."""
        return array[self.box].transpose(self.axes)[tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)]

    def to_volume(self, values: Tensor) -> np.ndarray:
        """Interpolate values given on the texture to the voxels of :attr:`box`.

        Args:
            values: 3-D tensor in the model's axes, on a grid of any size over the texture.

        Returns:
            float32 array in z, y, x order with the shape of the box, linearly interpolated.
        """
        shape = [span.stop - span.start for span in self.box]
        return F.interpolate(self.in_array_order(values)[None, None], shape, mode="trilinear")[0, 0].numpy()

    def in_array_order(self, values: Tensor) -> Tensor:
        """Reorient values from the model's axes to the axes of the volume's array (z, y, x), as float32.

        Args:
            values: 3-D tensor in the model's axes, on a grid of any size over the texture; the grid is kept.
        """
        turned = values.float().flip([axis for axis, flip in enumerate(self.flips) if flip])
        return turned.permute(*(self.axes.index(axis) for axis in range(3)))


def prepare(
    volume: sitk.Image, masks: RegionMasks, config: PreprocessingConfig, regions: Sequence[str] | None = None
) -> ModelInputs:
    """Turn a volume and its region masks into the tensors that the model sees.

    Args:
        volume: 3-D image in HU, with any orientation and spacing.
        masks: region masks on the grid of the volume.
        config: sizes and intensity range.
        regions: names of the regions to prepare; all that have a mask if None.

    Raises:
        InputError: the volume contains only air, or none of the requested regions can be used.
    """
    scan = _Scan(volume, masks)
    boxes = scan.boxes(config.body_threshold)
    if BODY_BIT not in boxes:
        raise InputError(f"The volume has no voxels above {config.body_threshold:g} HU; expected a CT of a chest.")
    skipped = dict(masks.missing)
    for name in masks.present:
        if regions is not None and name not in regions:
            skipped[name] = NOT_REQUESTED
        elif region_index(name) not in boxes:
            skipped[name] = f"no voxels above {config.body_threshold:g} HU"
    names = [name for name in masks.present if name not in skipped]
    if not names:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
        raise InputError(f"No region can be described ({reasons}).")
    body, region_boxes = boxes[BODY_BIT], {name: boxes[region_index(name)] for name in names}

    unit = partial(hu_to_unit, config=config)
    with threads(torch.get_num_threads()) as pool:
        image = pool.submit(scan.average, body, config.image_size, scan.hu, finish=unit)
        textures = {name: pool.submit(_texture, scan, name, region_boxes[name], config) for name in names}
        geometries = {
            name: pool.submit(scan.average, body, config.mask_size, scan.mask(name), within=masks.boxes[name])
            for name in names
        }
    return ModelInputs(
        image=image.result(),
        textures={name: texture.result() for name, texture in textures.items()},
        masks={name: geometry.result() for name, geometry in geometries.items()},
        skipped=skipped,
        crops={name: scan.crop(region_boxes[name], config.texture_size_of(name)) for name in names},
    )


def with_scalars(
    inputs: ModelInputs,
    volume: sitk.Image,
    masks: RegionMasks,
    names: tuple[str, ...],
    evidence: Evidence | None = None,
) -> ModelInputs:
    """Add the scalars of each region that a model is configured to read.

    Args:
        inputs: the tensors of the volume.
        volume: the volume in HU.
        masks: the region masks.
        names: the scalars (``FindingConfig.scalars``); nothing is measured if there are none.
        evidence: what was measured in the volume. None measures it.
    """
    if not names:
        return inputs
    if evidence is None:
        evidence = measure(volume, find_structures(volume, masks), masks)
    scalars = {name: region_scalars(names, name, volume, masks, evidence) for name in inputs.textures}
    return replace(inputs, scalars={name: torch.from_numpy(rows) for name, rows in scalars.items()})


def hu_to_unit(hu: _Array, config: PreprocessingConfig) -> _Array:
    """Clamp HU to the range of a config and map it linearly to [-1, 1].

    Args:
        hu: tensor or array of any shape.
        config: provides ``hu_min`` and ``hu_max``.
    """
    center, half_width = _intensity_range(config)
    return (hu.clip(config.hu_min, config.hu_max) - center) / half_width


def unit_to_hu(values: _Array, config: PreprocessingConfig) -> _Array:
    """Map values in [-1, 1] back to HU; the inverse of :func:`hu_to_unit` within the range of the config.

    Args:
        values: tensor or array of any shape.
        config: provides ``hu_min`` and ``hu_max``.
    """
    center, half_width = _intensity_range(config)
    return values * half_width + center


def _intensity_range(config: PreprocessingConfig) -> tuple[float, float]:
    """Return the center and half-width of the HU range."""
    return (config.hu_max + config.hu_min) / 2, (config.hu_max - config.hu_min) / 2


class _Scan:
    """A volume and its masks in memory order (z, y, x), with the mapping to the model's axes."""

    def __init__(self, volume: sitk.Image, masks: RegionMasks) -> None:
        self._hu = sitk.GetArrayViewFromImage(volume)
        self._bits = sitk.GetArrayViewFromImage(masks.bits)
        self._spacing = array_spacing(volume)
        direction = direction_matrix(volume)
        x, y, z = max(permutations(range(3)), key=lambda p: sum(abs(direction[axis, p[axis]]) for axis in range(3)))
        self._axes = (2 - x, 2 - y, 2 - z)  # array axis for each model axis
        # The model's axes point right, anterior, superior (RAS); SimpleITK's point left, posterior, superior (LPS).
        self._flips = (bool(direction[0, x] >= 0), bool(direction[1, y] >= 0), bool(direction[2, z] <= 0))

    def in_array_order(self, array: np.ndarray) -> np.ndarray:
        """Return a view of an array in the model's axes whose axes are those of the volume's array (z, y, x)."""
        turned = array[tuple(slice(None, None, -1 if flip else 1) for flip in self._flips)]
        return turned.transpose(np.argsort(self._axes))

    def crop(self, box: Box, size: Size) -> Crop:
        """Return the Crop of a box that is resized to ``size``."""
        x, y, z = ((box[axis].stop - box[axis].start) * self._spacing[axis] for axis in self._axes)
        return Crop(box, (x / size[0], y / size[1], z / size[2]), self._axes, self._flips)

    def hu(self, box: Box) -> np.ndarray:
        """Return the values of a box in HU, in z, y, x order."""
        return self._hu[box]

    def mask(self, name: str) -> VoxelReader:
        """Return a reader of a region's mask, int16 voxels of 0 or 1."""
        index, last_bit = np.uint16(region_index(name)), np.uint16(1)
        return lambda box: ((self._bits[box] >> index) & last_bit).view(np.int16)

    def boxes(self, threshold: float) -> dict[int, Box]:
        """Find the bounding box of the voxels above a threshold for each region and for the body, keyed by bit.

        One pass over the volume is enough: bits are combined along planes and lines, which leaves one profile per axis
        for all regions.
        """
        body = np.uint16(1 << BODY_BIT)
        if self._hu.dtype.kind != "f":
            threshold = math.floor(threshold)  # comparing integers with integers is several times as fast
        along_z = np.zeros(self._hu.shape[0], np.uint16)
        planes = np.zeros(self._hu.shape[1:], np.uint16)
        for z, plane in enumerate(self._hu):
            seen = (self._bits[z] | body) * (plane > threshold)
            along_z[z] = np.bitwise_or.reduce(seen, axis=None)
            planes |= seen
        profiles = (along_z, np.bitwise_or.reduce(planes, axis=1), np.bitwise_or.reduce(planes, axis=0))
        found: dict[int, Box] = {}
        for bit in range(16):
            z_indices, y_indices, x_indices = (np.flatnonzero(profile & np.uint16(1 << bit)) for profile in profiles)
            if z_indices.size:
                found[bit] = (_extent(z_indices), _extent(y_indices), _extent(x_indices))
        return found

    def average(
        self,
        box: Box,
        size: Size,
        read: VoxelReader,
        *,
        within: Box | None = None,
        finish: Callable[[np.ndarray], np.ndarray] = lambda averages: averages,
    ) -> Tensor:
        """Resize a box by area averaging.

        The windows of flipped axes are mirrored, so averaging in memory order and turning the result is equivalent.

        Args:
            box: part of the volume.
            size: shape of the result, in the model's axes.
            read: function that returns the voxels of a part of the box.
            within: box outside which all voxels are 0, so that they need not be read.
            finish: function that is applied to each voxel of the result.
        """
        averages = np.zeros(size, np.float32)
        out = self.in_array_order(averages)
        windows = [Windows.adaptive(span, count) for span, count in zip(box, out.shape, strict=True)]
        if within is not None:
            parts = [axis.overlapping(span) for axis, span in zip(windows, within, strict=True)]
            out, windows = out[tuple(parts)], [axis[part] for axis, part in zip(windows, parts, strict=True)]
        if out.size:
            average_into(out, read, windows, self._axes, finish)
        return torch.from_numpy(averages)


def _extent(indices: np.ndarray) -> slice:
    return slice(int(indices[0]), int(indices[-1]) + 1)


def _texture(scan: _Scan, name: str, box: Box, config: PreprocessingConfig) -> Tensor:
    """Compute the texture of a region in [-1, 1].

    Voxels are averaged over the whole box or over the region's voxels only. In the latter case, those within the
    region's margin are averaged over all voxels.
    """
    mask, size = scan.mask(name), config.texture_size_of(name)
    unit = partial(hu_to_unit, config=config)
    if not config.inside_only:
        return scan.average(box, size, lambda b: _only_inside(scan.hu(b), mask(b)), finish=unit)

    def above_minimum(b: Box) -> np.ndarray:
        hu = scan.hu(b)
        lowest, highest = hu.dtype.type(config.hu_min), hu.dtype.type(config.hu_max)
        return (np.clip(hu, lowest, highest) - lowest) * mask(b)

    share = scan.average(box, size, mask)
    inside = scan.average(box, size, above_minimum) / share.clamp(min=1e-6) + config.hu_min
    background = torch.tensor(-1.0)
    if margin_mm := config.margins_mm.get(name, 0.0):
        distance = ndimage.distance_transform_edt(share.numpy() <= INSIDE_SHARE, scan.crop(box, size).voxel_mm)
        surroundings = scan.average(box, size, scan.hu, finish=unit)
        background = torch.where(torch.from_numpy(distance) <= margin_mm, surroundings, background)
    return torch.where(share > INSIDE_SHARE, hu_to_unit(inside, config), background)


def _only_inside(hu: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Set voxels outside a mask (0 or 1) to OUTSIDE_HU."""
    outside = np.int16(OUTSIDE_HU)
    if hu.dtype.kind == "f":
        return np.where(mask, hu, outside)
    # This is several times as fast as choosing. If the difference overflows, the sum overflows back.
    return (hu - outside) * mask + outside

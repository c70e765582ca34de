"""Real CTs that findings are planted into: their list, and their volumes on a common grid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.phantom.findings import FINDING_LABELS
from reg2rg.runtime.dataclass_io import from_plain
from reg2rg.runtime.yaml_files import read_yaml
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.thresholds import ThresholdSegmenter
from reg2rg.segmentation.thresholds.body_mask import find_body
from reg2rg.volumes import read_volume

SPACING_MM = (2.4, 2.4, 3.0)
"""Voxel size of a host along x, y, z. The models that train on it see voxels of 3 mm and more."""

_COARSE_MM = 4.0
"""Voxel size at which the body is found."""


@dataclass(frozen=True)
class HostEntry:
    """A real CT in a list of hosts.

    Attributes:
        file: file or DICOM folder, relative to the folder of the CTs.
        patient: identifier of the patient; scans of one patient are never divided between training and evaluation.
        held_out: whether the patient is reserved for choosing and evaluating models.
        unknown: labels of findings that the scan has or may have. They are never used as negative examples.
        lesions: file with lesions that readers outlined, relative to the folder of the CTs. It is not used in training.
    """

    file: Path
    patient: str
    held_out: bool = False
    unknown: tuple[str, ...] = ()
    lesions: Path | None = None

    def __post_init__(self) -> None:
        """Check the labels."""
        for label in self.unknown:
            if label not in FINDING_LABELS:
                raise InputError(f"Unknown finding {label!r}; expected one of: {', '.join(FINDING_LABELS)}.")


@dataclass(frozen=True)
class Host:
    """A real CT on a grid of SPACING_MM along the LPS axes.

    Attributes:
        entry: its entry in the list.
        volume: int16 image in HU.
        masks: region masks on the volume's grid.
    """

    entry: HostEntry
    volume: sitk.Image
    masks: RegionMasks


def read_host_list(path: Path) -> tuple[HostEntry, ...]:
    """Read a list of hosts from a YAML file.

    Raises:
        InputError: the file is not such a list, or a patient is both held out and not.
    """
    entries = tuple(from_plain(HostEntry, item, f"{path.name}[{i}]") for i, item in enumerate(_items(path)))
    for patient in {entry.patient for entry in entries}:
        if len({entry.held_out for entry in entries if entry.patient == patient}) > 1:
            raise InputError(
                f"{path.name}: some scans of {patient} are held out and others are not; expected all or none."
            )
    return entries


def _items(path: Path) -> list[object]:
    values = read_yaml(path, "a list of real CTs")
    if not isinstance(values, list):
        raise InputError(f"{path} is not a list of real CTs; expected entries with file and patient.")
    return values


def open_host(entry: HostEntry, folder: Path) -> Host:
    """Read a real CT, find its regions by thresholds, and resample it.

    Args:
        entry: the scan.
        folder: folder of the CTs.

    Raises:
        InputError: the scan cannot be read or segmented.
    """
    volume = sitk.DICOMOrient(read_volume(folder / entry.file), "LPS")
    masks = ThresholdSegmenter().segment(volume)
    grid = _grid(volume)
    # Voxels are averaged first, as in preprocessing: sampling single voxels would keep more of the noise.
    factors = [
        min(size, max(1, int(new / old + 0.34)))
        for size, new, old in zip(volume.GetSize(), SPACING_MM, volume.GetSpacing(), strict=True)
    ]
    averaged = sitk.BinShrink(sitk.Cast(volume, sitk.sitkFloat32), factors)
    hu = sitk.Resample(averaged, grid, sitk.Transform(), sitk.sitkLinear, -1024)
    bits = sitk.Resample(masks.bits, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    return Host(entry, sitk.Cast(sitk.Round(hu), sitk.sitkInt16), resampled_masks(masks, bits))


def resampled_masks(masks: RegionMasks, bits: sitk.Image) -> RegionMasks:
    """Return region masks with other voxels, without regions that have none left."""
    return RegionMasks.from_bits(
        sitk.GetArrayFromImage(bits),
        frozenset(masks.present),
        bits,
        segmenter=masks.segmenter,
        approximate=masks.approximate,
        missing=masks.missing,
    )


def _grid(volume: sitk.Image) -> sitk.Image:
    """Return an empty image of SPACING_MM, without rotation, that covers the body in a volume."""
    step = [max(1, round(_COARSE_MM / spacing)) for spacing in volume.GetSpacing()]
    body = find_body(sitk.GetArrayFromImage(volume[:: step[0], :: step[1], :: step[2]]), (_COARSE_MM,) * 3)
    box = [np.flatnonzero(body.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]
    ends = [
        np.clip((line[[0, -1]] + (-1, 1)) * n, 0, size - 1)
        for line, n, size in zip(box, step, volume.GetSize(), strict=True)
    ]
    corners = [volume.TransformContinuousIndexToPhysicalPoint([float(i) for i in index]) for index in product(*ends)]
    low, high = np.min(corners, axis=0), np.max(corners, axis=0)
    grid = sitk.Image([int(n) for n in np.floor((high - low) / SPACING_MM) + 1], sitk.sitkUInt8)
    grid.SetSpacing(SPACING_MM)
    grid.SetOrigin(low.tolist())
    return grid

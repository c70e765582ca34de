"""Files that hold labels: label maps, Slicer segmentations, DICOM segmentations and folders of masks.

Each is read as segments in layers. A layer is a label image. Masks of a folder and segments of a DICOM file are read
when they are used, so that a hundred of them need the memory of one.
"""

from __future__ import annotations

import functools
import math
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.volumes.dicom_folder import header_errors, is_dicom_file, read_dataset
from reg2rg.volumes.files import is_volume_file, read_volume_file
from reg2rg.volumes.geometry import image_like

if TYPE_CHECKING:  # heavy, and only DICOM segmentations need it
    from highdicom.seg import Segmentation

LARGEST_LABEL = 1 << 20
"""Values above this, and values below 1, are not labels."""

_KINDS = (
    "a label map (NIfTI, NRRD, MetaImage), a Slicer segmentation (.seg.nrrd), a DICOM segmentation, or a folder with "
    "one mask per file"
)
_SEGMENTATION_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes Segmentation Storage and Label Map Segmentation Storage."""

MAXIMUM_VOXELS = 1 << 30
"""More voxels than a segment of a CT has; a damaged file could otherwise ask for all memory."""

_HEADER_KEY = re.compile(r"Segment(\d{1,6})_(\w+)")

_FILE_SUFFIX = re.compile(r"(\.seg)?\.(nii(\.gz)?|nrrd|nhdr|mha|mhd)$", re.IGNORECASE)

Layer = Callable[[], sitk.Image]
"""Reads a 3-D image of labels, of any integer type."""


@dataclass(frozen=True)
class Segment:
    """A label in a file.

    Attributes:
        name: name of the segment; the label value as text in a plain label map.
        value: label value.
        layer: index of the layer that contains the segment.
        approximate: whether the segment was estimated rather than segmented.
        id: segment ID; empty in a plain label map.
        codes: what the segment shows: pairs of a SNOMED CT code and its meaning, the most specific first.
    """

    name: str
    value: int
    layer: int
    approximate: bool = False
    id: str = ""
    codes: tuple[tuple[str, str], ...] = ()


def _malformed() -> tuple[type[Exception], ...]:
    """Return what pydicom and highdicom raise for a file that is damaged or does not follow the standard."""
    return (*header_errors(), sqlite3.Error, ArithmeticError, AssertionError)


def read_segments(path: Path, on_notice: NoticeCallback = ignore_notice) -> tuple[list[Layer], list[Segment]]:
    """Read the segments of a file or folder, and how to read its layers.

    Args:
        path: a label map, a Slicer segmentation, a DICOM segmentation, or a folder with one mask per file.
        on_notice: receives messages, one line each, about what was assumed.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    if path.is_dir():
        return _read_folder(path, on_notice)
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected {_KINDS}.")
    if is_dicom_file(path):
        return _read_dicom(path)
    if not is_volume_file(path):
        raise InputError(f"{path} has an unsupported format; expected {_KINDS}.")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    image = read_volume_file(path, on_notice)
    layers = [_as_labels(layer, path) for layer in _split_layers(image)]
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys() if _HEADER_KEY.fullmatch(key)}
    segments = _listed_segments(header, len(layers), path) or _unlisted_segments(layers, path)
    return [functools.partial(_same, layer) for layer in layers], [s for s in segments if 0 < s.value <= LARGEST_LABEL]


def _same(image: sitk.Image) -> sitk.Image:
    return image


def _split_layers(image: sitk.Image) -> list[sitk.Image]:
    """Split a segmentation into its layers, which are components of its voxels if segments overlap."""
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[..., 0]
    count = image.GetNumberOfComponentsPerPixel()
    return [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, index) for index in range(count)]


def _as_labels(image: sitk.Image, path: Path) -> sitk.Image:
    """Return a layer with an integer type that NumPy and ITK handle fast."""
    if image.GetDimension() != 3 or "complex" in image.GetPixelIDTypeAsString():
        raise InputError(f"{path} is not a label map; expected a 3-D image of whole numbers.")
    values = sitk.GetArrayViewFromImage(image)
    if values.dtype.kind == "f":
        if not np.array_equal(values, np.rint(values)):  # also refuses NaN
            raise InputError(
                f"{path} has values that are not whole numbers, such as {_a_fraction(values):g}; expected labels. "
                "Apply a threshold to a map of probabilities first."
            )
        return image_like(np.clip(values, 0, LARGEST_LABEL + 1).astype(np.int32), image)
    if values.dtype.itemsize == 8:
        return image_like(np.clip(values, 0, LARGEST_LABEL + 1).astype(np.int32), image)
    return image


def _a_fraction(values: np.ndarray) -> float:
    return float(values[values != np.rint(values)][0])


def _listed_segments(header: Mapping[str, str], layers: int, path: Path) -> list[Segment]:
    """Segments in the header of a Slicer segmentation; none in that of a plain label map.

    Where a field is missing, the rules are those of Slicer: the label value is 1, and the layer is the number of the
    segment, because older files have one layer per segment.
    """
    fields: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        if match := _HEADER_KEY.fullmatch(key):
            fields.setdefault(int(match[1]), {})[match[2]] = value.strip()
    segments = []
    for number, field in sorted(fields.items()):
        name, segment_id = field.get("Name"), field.get("ID", "")
        label = _whole_number(field.get("LabelValue", "1"), f"Segment{number}_LabelValue", path)
        layer = _whole_number(field.get("Layer", str(number if layers > 1 else 0)), f"Segment{number}_Layer", path)
        if not 0 <= layer < layers:
            raise InputError(
                f"{path} puts Segment{number} into layer {layer}, but has {layers} layers, counted from 0."
            )
        tags = dict(tag.split(":", 1) for tag in field.get("Tags", "").split("|") if ":" in tag)
        approximate, codes = tags.get("Reg2RG.Approximate") == "1", _slicer_codes(tags.get("TerminologyEntry", ""))
        segments.append(Segment(name or segment_id, label, layer, approximate, segment_id, codes))
    _check_distinct(segments, path)
    return segments


def _check_distinct(segments: Sequence[Segment], path: Path) -> None:
    owners: dict[tuple[int, int], Segment] = {}
    for segment in segments:
        other = owners.setdefault((segment.layer, segment.value), segment)
        if other is not segment:
            raise InputError(
                f"{path} gives the segments {other.name!r} and {segment.name!r} the same label value {segment.value} "
                f"in layer {segment.layer}, so they cannot be told apart."
            )


def _whole_number(text: str, name: str, path: Path) -> int:
    """Read a whole number that may be written as a float, such as "1.0"."""
    try:
        value = float(text)
        whole = int(value)
    except (ValueError, OverflowError):
        whole, value = 0, 0.5
    if whole != value:
        raise InputError(f"{path} has {name} {text[:40]!r}; expected a whole number.")
    return whole


def _slicer_codes(entry: str) -> tuple[tuple[str, str], ...]:
    """Codes of a serialized terminology entry: context ~ category ~ type ~ modifier of the type ~ ...

    https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html#terminologyentry-tag
    """
    parts = [tuple(part.split("^")) for part in entry.split("~")]
    coded = [(part[1], part[2]) if len(part) == 3 else ("", "") for part in parts[2:4]]
    return _with_modifier(*coded) if len(coded) == 2 else tuple(coded)


def _with_modifier(kind: tuple[str, str], modifier: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the code with the modifier in its meaning, such as "Right Lung", and the code alone."""
    return (("", f"{modifier[1]} {kind[1]}"), kind) if modifier[1] else (kind,)


def _unlisted_segments(layers: Sequence[sitk.Image], path: Path) -> list[Segment]:
    if len(layers) > 1:
        raise InputError(f"{path} has {len(layers)} values per voxel and no list of segments; expected {_KINDS}.")
    return [Segment(str(value), int(value), 0) for value in np.unique(sitk.GetArrayViewFromImage(layers[0]))]


def _read_folder(path: Path, on_notice: NoticeCallback) -> tuple[list[Layer], list[Segment]]:
    """Read the masks of a folder, which are named after what they show; or its only DICOM segmentation."""
    files = sorted(file for file in path.iterdir() if file.is_file())
    masks = [file for file in files if is_volume_file(file)]
    if masks:
        layers: list[Layer] = [functools.partial(_read_mask, file, on_notice) for file in masks]
        return layers, [Segment(_FILE_SUFFIX.sub("", file.name), 1, number) for number, file in enumerate(masks)]
    segmentations = [file for file in files if is_dicom_file(file) and _sop_class(file) in _SEGMENTATION_CLASSES]
    if len(segmentations) != 1:
        raise InputError(
            f"{path} is a folder with no masks and {len(segmentations) or 'no'} DICOM segmentations; expected {_KINDS}."
        )
    return _read_dicom(segmentations[0])


def _read_mask(file: Path, on_notice: NoticeCallback) -> sitk.Image:
    layers = _split_layers(read_volume_file(file, on_notice))
    if len(layers) > 1:
        raise InputError(f"{file} has {len(layers)} values per voxel; expected a mask.")
    return _as_labels(layers[0], file) != 0


def _sop_class(file: Path) -> str:
    try:
        return str(read_dataset(file, stop_before_pixels=True).get("SOPClassUID", ""))
    except _malformed() as error:
        raise InputError(f"{file} cannot be read as DICOM; it is damaged.") from error


def _read_dicom(path: Path) -> tuple[list[Layer], list[Segment]]:
    """Read the segments of a DICOM segmentation (PS3.3, C.8.20)."""
    if _sop_class(path) not in _SEGMENTATION_CLASSES:
        raise InputError(f"{path} is a DICOM file, but not a segmentation (SEG); expected {_KINDS}.")
    try:
        from highdicom.seg import Segmentation
    except ImportError as error:
        raise Reg2RGError(f"Reading {path} needs the package highdicom: pip install highdicom.") from error
    try:
        stored = Segmentation.from_dataset(read_dataset(path), copy=False)
        numbers = list(stored.segment_numbers)
        segments = []
        for layer, number in enumerate(numbers):
            description = stored.get_segment_description(number)
            kind = description.segmented_property_type
            modifiers = [
                (code.value, code.meaning) for code in getattr(kind, "SegmentedPropertyTypeModifierCodeSequence", ())
            ]
            codes = _with_modifier((kind.value, kind.meaning), modifiers[0] if modifiers else ("", ""))
            segments.append(Segment(str(description.segment_label), 1, layer, codes=codes))
    except _malformed() as error:
        raise InputError(f"{path} is not a valid DICOM segmentation; it is damaged or incomplete.") from error
    return [functools.partial(_read_dicom_segment, stored, number, path) for number in numbers], segments


def _read_dicom_segment(stored: Segmentation, number: int, path: Path) -> sitk.Image:
    """Read the mask of one segment, whose frames may be in any order and leave out empty slices."""
    try:
        geometry = stored.get_volume_geometry(allow_missing_positions=True)
        if geometry is None or math.prod(geometry.spatial_shape) > MAXIMUM_VOXELS:
            raise ValueError("its frames do not form a volume")
        volume = stored.get_volume(segment_numbers=[number], combine_segments=False)
    except _malformed() as error:
        raise InputError(f"{path} has frames that do not form a volume; it is damaged or incomplete.") from error
    mask = volume.array[..., 0] >= 0.5  # fractional segmentations hold probabilities
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(volume.spacing[::-1])
    image.SetOrigin(volume.position)
    image.SetDirection(np.asarray(volume.direction)[:, ::-1].ravel().tolist())
    return image

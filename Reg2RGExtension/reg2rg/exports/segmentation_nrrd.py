"""Regions and findings as Slicer segmentations (.seg.nrrd) with names, colors and terminology.

The header fields are those that Slicer's segmentation storage node writes. Segments overlap, so they are stored in
layers, which are the components of each voxel. Each segment goes into the first layer that has room for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.exports.terminology import finding_entry, region_entry
from reg2rg.measurements.findings import LocatedOutline
from reg2rg.measurements.scan import over_box
from reg2rg.regions import get_region, in_reading_order
from reg2rg.report import segment_id
from reg2rg.segmentation.masks import RegionMasks, region_flag
from reg2rg.segmentation.structures import STRUCTURE_REGIONS, Part, Structures, display_name, structure_label
from reg2rg.volumes.geometry import Box

MAX_LABEL = 255


@dataclass(frozen=True)
class _Segment:
    """A segment to write.

    Attributes:
        id: segment ID.
        name: name that Slicer shows.
        color: red, green, blue, 0 to 255.
        terminology: serialized terminology entry.
        box: part of the volume's array (z, y, x).
        tags: additional tags.
    """

    id: str
    name: str
    color: tuple[int, int, int]
    terminology: str
    box: Box
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Place:
    """Where a segment is stored.

    Attributes:
        layer: component of each voxel.
        value: value of the segment's voxels in this component.
    """

    layer: int
    value: int


def write_regions(masks: RegionMasks, path: Path) -> None:
    """Write the masks of all present regions, one segment per region with the region's name as ID.

    Args:
        masks: the region masks.
        path: file to write, .seg.nrrd.

    Raises:
        InputError: there is no region to write.
    """
    if not masks.present:
        raise InputError("No region was found in the volume; expected a chest CT.")
    bits = sitk.GetArrayViewFromImage(masks.bits)
    values = _distinct(bits)
    has_region = [(values & region_flag(name)) != 0 for name in masks.present]
    places = _places(len(has_region), lambda one, other: bool((has_region[one] & has_region[other]).any()))
    table = np.zeros((1 << 16, max(place.layer for place in places) + 1), np.uint8)
    for name, place in zip(masks.present, places, strict=True):
        table[(np.arange(len(table)) & region_flag(name)) != 0, place.layer] = place.value
    _write([_region_segment(masks, name) for name in masks.present], places, _looked_up(table, bits), masks.bits, path)


def write_structures(structures: Structures, path: Path) -> None:
    """Write structures, one segment per structure with its name as ID. They do not overlap, so one layer holds all.

    Args:
        structures: the structures, at least one.
        path: file to write, .seg.nrrd.

    Raises:
        InputError: there is no structure to write.
    """
    if not structures.present:
        raise InputError("No structure was found in the volume; expected a chest CT.")
    places = [_Place(0, number) for number in range(1, len(structures.present) + 1)]
    table = np.zeros((256, 1), np.uint8)
    for name, place in zip(structures.present, places, strict=True):
        table[structure_label(name)] = place.value
    labels = _looked_up(table, sitk.GetArrayViewFromImage(structures.labels))
    segments = [_structure_segment(structures, name) for name in structures.present]
    _write(segments, places, labels, structures.labels, path)


def write_outlines(
    outlines: Sequence[LocatedOutline], reference: sitk.Image, path: Path, *, in_draft: bool = True
) -> None:
    """Write the outlines of findings, one segment per finding.

    Args:
        outlines: the outlines, at least one.
        reference: image that provides the grid of the outlines.
        path: file to write, .seg.nrrd.
        in_draft: whether the findings are a part of the draft; if not, the names of their segments say so.
    """
    order = [region.name for region in in_reading_order({outline.region for outline in outlines})]
    ordered = sorted(outlines, key=lambda outline: order.index(outline.region))
    places = _places(len(ordered), lambda one, other: _overlap(ordered[one], ordered[other]))
    labels = np.zeros((*reference.GetSize()[::-1], max(place.layer for place in places) + 1), np.uint8)
    for outline, place in zip(ordered, places, strict=True):
        np.copyto(labels[outline.box][..., place.layer], place.value, where=outline.mask)
    _write([_finding_segment(outline, in_draft) for outline in ordered], places, labels, reference, path)


def _region_segment(masks: RegionMasks, name: str) -> _Segment:
    region = get_region(name)
    tags = {"Reg2RG.Approximate": str(int(name in masks.approximate))}
    return _Segment(name, region.display_name, region.color, region_entry(region), masks.boxes[name], tags)


def _structure_segment(structures: Structures, name: str) -> _Segment:
    region = get_region(STRUCTURE_REGIONS[name])
    tags = {"Reg2RG.Approximate": str(int(name in structures.approximate))}
    return _Segment(name, display_name(name), region.color, region_entry(region), structures.boxes[name], tags)


def _finding_segment(outline: LocatedOutline, in_draft: bool) -> _Segment:
    region = get_region(outline.region)
    remark = "" if in_draft else ", not in the draft"
    return _Segment(
        id=segment_id(region.name, outline.label),
        name=f"{outline.label} ({region.display_name.lower()}{remark})",
        color=region.bright_color,
        terminology=finding_entry(outline.label, region),
        box=outline.box,
    )


def _places(count: int, overlap: Callable[[int, int], bool]) -> list[_Place]:
    """Return where each of ``count`` segments is stored, given which of them overlap."""
    layers: list[list[int]] = []
    places = []
    for number in range(count):
        free = (full for full in layers if len(full) < MAX_LABEL and not any(overlap(number, each) for each in full))
        layer = next(free, None)
        if layer is None:
            layers.append(layer := [])
        layer.append(number)
        places.append(_Place(layers.index(layer), len(layer)))
    return places


def _overlap(one: LocatedOutline, other: LocatedOutline) -> bool:
    return bool((over_box(Part(one.box, one.mask), other.box) & other.mask).any())


def _distinct(bits: np.ndarray) -> np.ndarray:
    """Return the distinct values of a uint16 array (z, y, x); along x, most voxels equal their neighbors."""
    seen = np.zeros(1 << 16, bool)
    for plane in bits:
        values = plane.ravel()
        seen[values[0]] = True
        seen[values[1:][values[1:] != values[:-1]]] = True
    return np.flatnonzero(seen)


def _looked_up(table: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Return for each voxel (z, y, x) the row of a uint8 table (values, layers) that its value selects."""
    rows = table.view(f"V{table.shape[1]}")[:, 0]  # copying a row as one item is much faster
    labels = np.empty(voxels.shape, rows.dtype)
    for plane, out in zip(voxels, labels, strict=True):
        np.take(rows, plane, out=out, mode="clip")
    return labels.view(np.uint8).reshape(*voxels.shape, -1)


def _write(
    segments: Sequence[_Segment], places: Sequence[_Place], labels: np.ndarray, reference: sitk.Image, path: Path
) -> None:
    """Write labels (z, y, x, layer), and what is known of each segment."""
    fields = _common_fields()
    for number, (segment, place) in enumerate(zip(segments, places, strict=True)):
        fields |= _segment_fields(number, segment, place)
    is_vector = labels.shape[-1] > 1
    image = sitk.GetImageFromArray(labels if is_vector else labels[..., 0], isVector=is_vector)
    image.CopyInformation(reference)
    for key, value in fields.items():
        image.SetMetaData(key, value)
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        raise Reg2RGError(
            f"Cannot write {path.name}; the disk may be full. Free some space or choose another folder."
        ) from error


def _common_fields() -> dict[str, str]:
    return {
        "Segmentation_SourceRepresentation": "Binary labelmap",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_ConversionParameters": "",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }


def _segment_fields(number: int, segment: _Segment, place: _Place) -> dict[str, str]:
    z, y, x = segment.box
    tags = {"TerminologyEntry": segment.terminology, **segment.tags}
    fields = {
        "ID": segment.id,
        "Name": segment.name,
        "NameAutoGenerated": "0",
        "Color": " ".join(f"{channel / 255:.6g}" for channel in segment.color),
        "ColorAutoGenerated": "0",
        "LabelValue": str(place.value),
        "Layer": str(place.layer),
        "Extent": " ".join(f"{span.start} {span.stop - 1}" for span in (x, y, z)),
        "Tags": "".join(f"{key}:{text}|" for key, text in tags.items()),
    }
    return {f"Segment{number}_{key}": text for key, text in fields.items()}

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
from reg2rg.regions import get_region, in_reading_order
from reg2rg.report import segment_id
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.structures import STRUCTURE_REGIONS, Structures, display_name
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
        mask: function that returns the boolean array over ``box``.
        tags: additional tags.
    """

    id: str
    name: str
    color: tuple[int, int, int]
    terminology: str
    box: Box
    mask: Callable[[], np.ndarray]
    tags: dict[str, str] = field(default_factory=dict)


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
    _write([_region_segment(masks, name) for name in masks.present], masks.bits, path)


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
    _write([_structure_segment(structures, name) for name in structures.present], structures.labels, path)


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
    _write([_finding_segment(outline, in_draft) for outline in ordered], reference, path)


def _region_segment(masks: RegionMasks, name: str) -> _Segment:
    region, box = get_region(name), masks.boxes[name]
    tags = {"Reg2RG.Approximate": str(int(name in masks.approximate))}
    entry = region_entry(region)
    return _Segment(name, region.display_name, region.color, entry, box, lambda: masks.array(name, box), tags)


def _structure_segment(structures: Structures, name: str) -> _Segment:
    part = structures.part(name)
    assert part is not None, "only structures that are present are written"
    region = get_region(STRUCTURE_REGIONS[name])
    tags = {"Reg2RG.Approximate": str(int(name in structures.approximate))}
    entry = region_entry(region)
    return _Segment(name, display_name(name), region.color, entry, part.box, lambda: part.mask, tags)


def _finding_segment(outline: LocatedOutline, in_draft: bool) -> _Segment:
    region = get_region(outline.region)
    remark = "" if in_draft else ", not in the draft"
    return _Segment(
        id=segment_id(region.name, outline.label),
        name=f"{outline.label} ({region.display_name.lower()}{remark})",
        color=region.bright_color,
        terminology=finding_entry(outline.label, region),
        box=outline.box,
        mask=lambda: outline.mask,
    )


def _write(segments: Sequence[_Segment], reference: sitk.Image, path: Path) -> None:
    layers: list[np.ndarray] = []
    used: list[int] = []
    fields = _common_fields()
    for number, segment in enumerate(segments):
        mask = segment.mask()
        taken = (np.logical_and(labels[segment.box], mask).any() for labels in layers)
        layer = next((i for i, full in enumerate(taken) if not full and used[i] < MAX_LABEL), len(layers))
        if layer == len(layers):
            layers.append(np.zeros(reference.GetSize()[::-1], np.uint8))
            used.append(0)
        used[layer] += 1
        np.copyto(layers[layer][segment.box], used[layer], where=mask)
        fields |= _segment_fields(number, segment, used[layer], layer)
    is_vector = len(layers) > 1
    labels = np.stack(layers, axis=-1) if is_vector else layers[0]
    layers.clear()  # each is as large as the volume
    image = sitk.GetImageFromArray(labels, isVector=is_vector)
    del labels
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


def _segment_fields(number: int, segment: _Segment, value: int, layer: int) -> dict[str, str]:
    z, y, x = segment.box
    tags = {"TerminologyEntry": segment.terminology, **segment.tags}
    fields = {
        "ID": segment.id,
        "Name": segment.name,
        "NameAutoGenerated": "0",
        "Color": " ".join(f"{channel / 255:.6g}" for channel in segment.color),
        "ColorAutoGenerated": "0",
        "LabelValue": str(value),
        "Layer": str(layer),
        "Extent": " ".join(f"{span.start} {span.stop - 1}" for span in (x, y, z)),
        "Tags": "".join(f"{key}:{text}|" for key, text in tags.items()),
    }
    return {f"Segment{number}_{key}": text for key, text in fields.items()}

"""Regions from an existing label map or Slicer segmentation (.seg.nrrd)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.regions import REGIONS, get_region
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.segmentation.masks import RegionMasks, region_flag

LARGEST_LABEL = 1 << 20
"""Greater values, and those below 1, are no labels."""


@dataclass(frozen=True)
class _Segment:
    """A label in a file: its name (the value itself in a plain label map), value, layer, whether it was estimated."""

    name: str
    value: int
    layer: int
    approximate: bool = False


class LabelMapSegmenter:
    """Takes the regions from a file instead of segmenting.

    Args:
        path: label map (NIfTI, NRRD, MetaImage) or Slicer segmentation, on any grid that overlaps the volume.
        mapping: label value (as text) or segment name -> region. Without it, a segmentation's segments are known by
            the names of regions and of TotalSegmentator's structures; a plain label map has no names and needs it.
    """

    name = "label map"

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        self._path = Path(path)
        self._mapping = None if mapping is None else {str(key): get_region(to).name for key, to in mapping.items()}

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Masks on the volume's grid, matched in physical space; InputError if no region is found."""
        progress(0.0, "Reading the regions")
        layers, segments = _read(self._path)
        mapping = self._mapping or _known_names(segments)
        used = [segment for segment in segments if segment.name in mapping]
        if not used:
            names = ", ".join(segment.name for segment in segments[:12]) or "none"
            raise InputError(
                f"{self._path} has no label that stands for a region (labels: {names}); give a mapping from label "
                "value or segment name to region."
            )
        bits = np.zeros(volume.GetSize()[::-1], np.uint16)
        for number, layer in enumerate(layers):
            bits_of_label = {s.value: region_flag(mapping[s.name]) for s in used if s.layer == number}
            if bits_of_label:
                on_grid = _on_grid(layer, volume)  # has a name, because the view does not keep it alive
                bits |= _translated(sitk.GetArrayViewFromImage(on_grid), bits_of_label)
        approximate = frozenset(mapping[segment.name] for segment in used if segment.approximate)
        given = frozenset(mapping[segment.name] for segment in used)
        masks = RegionMasks.from_bits(bits, given, volume, segmenter=self.name, approximate=approximate)
        if not masks.present:
            raise InputError(f"The regions in {self._path} do not overlap the volume; are they of the same scan?")
        progress(1.0, "Regions read")
        return masks


def _read(path: Path) -> tuple[list[sitk.Image], list[_Segment]]:
    """The file's layers as 3-D label images, and its segments."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a label map or a .seg.nrrd.")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as a label map or segmentation.") from error
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    layers = _layers(image)
    if len(layers[0].GetSize()) != 3 or layers[0].GetPixelID() not in _INTEGERS:
        raise InputError(f"{path} is no label map: expected 3-D with whole-number labels.")
    segments, number = [], 0
    while f"Segment{number}_LabelValue" in header:
        prefix = f"Segment{number}_"
        name = header.get(prefix + "Name", header.get(prefix + "ID", ""))
        value, layer = int(header[prefix + "LabelValue"]), int(header.get(prefix + "Layer", 0))
        estimated = "Reg2RG.Approximate:1" in header.get(prefix + "Tags", "").split("|")
        segments.append(_Segment(name, value, layer, estimated))
        number += 1
    if not segments:
        values = np.unique(sitk.GetArrayViewFromImage(layers[0]))
        segments = [_Segment(str(value), int(value), 0) for value in values]
    return layers, [segment for segment in segments if 0 < segment.value <= LARGEST_LABEL]


_INTEGERS = {sitk.sitkUInt8, sitk.sitkInt8, sitk.sitkUInt16, sitk.sitkInt16, sitk.sitkUInt32, sitk.sitkInt32}


def _layers(image: sitk.Image) -> list[sitk.Image]:
    # A segmentation with overlapping segments keeps its layers as components of each voxel.
    count = image.GetNumberOfComponentsPerPixel()
    return [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, index) for index in range(count)]


def _on_grid(layer: sitk.Image, volume: sitk.Image) -> sitk.Image:
    """The layer on the volume's grid; as it is where it lies there already."""
    if layer.IsSameImageGeometryAs(volume):
        return layer
    return sitk.Resample(layer, volume, sitk.Transform(), sitk.sitkNearestNeighbor, 0)


def _translated(labels: np.ndarray, bits_of_label: Mapping[int, np.uint16]) -> np.ndarray:
    """The bits that stand for each label; 0 for labels that are none of those given."""
    table = np.zeros(max(bits_of_label) + 2, np.uint16)  # a last place for all greater labels
    for label, bits in bits_of_label.items():
        table[label] |= bits
    return table[np.clip(labels, 0, min(len(table) - 1, np.iinfo(labels.dtype).max))]


def _known_names(segments: list[_Segment]) -> dict[str, str]:
    """Segment name -> region, by the names of regions and of the structures that make them up."""
    known = {}
    for region in REGIONS:
        names = [region.name, region.display_name, region.snomed[1]]
        if region.shell_mm is None:  # the lobes are the lung, not the layer around it
            names += [name for structures in region.structures.values() for name in structures]
        known |= {_plain(name): region.name for name in names}
    return {segment.name: known[_plain(segment.name)] for segment in segments if _plain(segment.name) in known}


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")

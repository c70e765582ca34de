"""Regions from an existing label map or Slicer segmentation (.seg.nrrd)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.regions import REGIONS, get_region
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.segmentation.masks import RegionMasks, region_flag

LARGEST_LABEL = 1 << 20
"""Values above this, and values below 1, are not labels."""

_INTEGERS = {sitk.sitkUInt8, sitk.sitkInt8, sitk.sitkUInt16, sitk.sitkInt16, sitk.sitkUInt32, sitk.sitkInt32}


@dataclass(frozen=True)
class _Segment:
    """A label in a file.

    Attributes:
        name: name of the segment; the label value as text in a plain label map.
        value: label value.
        layer: index of the layer that contains the segment.
        approximate: whether the segment was estimated rather than segmented.
        id: segment ID; empty in a plain label map.
    """

    name: str
    value: int
    layer: int
    approximate: bool = False
    id: str = ""


class LabelMapSegmenter:
    """Reads the regions from a file instead of segmenting the volume.

    Args:
        path: label map (NIfTI, NRRD, MetaImage) or Slicer segmentation, on any grid that overlaps the volume.
        mapping: label value (as text) or segment name -> region. If None, the segments of a segmentation are matched by
            the names of regions and of TotalSegmentator's structures. A plain label map has no names and needs a
            mapping.

    Raises:
        InputError: the mapping names an unknown region.
    """

    name = "label map"

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        self._path = Path(path)
        self._mapping = (
            None if mapping is None else {str(key): get_region(region).name for key, region in mapping.items()}
        )

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Read the regions and resample them onto the grid of a volume, matched in physical space.

        Args:
            volume: 3-D image in HU.
            progress: called with the fraction done and the current step.

        Raises:
            InputError: the file cannot be read, contains no region, or does not overlap the volume.
        """
        progress(0.0, "Reading the regions")
        layers, segments = _read(self._path)
        mapping = self._mapping or _match_names(segments)
        used = [segment for segment in segments if segment.name in mapping]
        if not used:
            names = ", ".join(segment.name for segment in segments[:12]) or "none"
            raise InputError(
                f"{self._path} has no label that matches a region (its labels: {names}); provide a mapping from "
                "label value or segment name to region."
            )
        bits = np.zeros(volume.GetSize()[::-1], np.uint16)
        for number, layer in enumerate(layers):
            flags: dict[int, np.uint16] = {s.value: region_flag(mapping[s.name]) for s in used if s.layer == number}
            if flags:
                resampled = _resample(layer, volume)  # needs a name, because the array view does not keep it alive
                bits |= _to_flags(sitk.GetArrayViewFromImage(resampled), flags)
        approximate = frozenset(mapping[segment.name] for segment in used if segment.approximate)
        provided = frozenset(mapping[segment.name] for segment in used)
        masks = RegionMasks.from_bits(bits, provided, volume, segmenter=self.name, approximate=approximate)
        if not masks.present:
            raise InputError(f"The regions in {self._path} do not overlap the volume; are they from the same scan?")
        progress(1.0, "Regions read")
        return masks


def read_segment(path: Path, segment_id: str) -> sitk.Image:
    """Read one segment of a Slicer segmentation.

    Args:
        path: segmentation file (.seg.nrrd).
        segment_id: ID of the segment.

    Returns:
        uint8 image, 1 inside the segment, on the file's grid.

    Raises:
        InputError: the file cannot be read or has no such segment.
    """
    layers, segments = _read(path)
    for segment in segments:
        if segment.id == segment_id:
            return layers[segment.layer] == segment.value
    ids = ", ".join(segment.id for segment in segments) or "none"
    raise InputError(f"{path} has no segment {segment_id!r}; expected one of: {ids}.")


def _read(path: Path) -> tuple[list[sitk.Image], list[_Segment]]:
    """Read the layers of a file as 3-D label images, and its segments."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; expected a label map or a .seg.nrrd file.")
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read as a label map or segmentation.") from error
    header = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    layers = _layers(image)
    if len(layers[0].GetSize()) != 3 or layers[0].GetPixelID() not in _INTEGERS:
        raise InputError(f"{path} is not a label map; expected a 3-D image with integer labels.")
    segments = _segments(header)
    if not segments:
        values = np.unique(sitk.GetArrayViewFromImage(layers[0]))
        segments = [_Segment(str(value), int(value), 0) for value in values]
    return layers, [segment for segment in segments if 0 < segment.value <= LARGEST_LABEL]


def _segments(header: Mapping[str, str]) -> list[_Segment]:
    """Return the segments listed in the header of a Slicer segmentation; a plain label map has none."""
    segments: list[_Segment] = []
    while (prefix := f"Segment{len(segments)}_") + "LabelValue" in header:
        name = header.get(prefix + "Name", header.get(prefix + "ID", ""))
        value, layer = int(header[prefix + "LabelValue"]), int(header.get(prefix + "Layer", 0))
        approximate = "Reg2RG.Approximate:1" in header.get(prefix + "Tags", "").split("|")
        segments.append(_Segment(name, value, layer, approximate, header.get(prefix + "ID", "")))
    return segments


def _layers(image: sitk.Image) -> list[sitk.Image]:
    """Return the layers of a segmentation, which are components of its voxels if segments overlap."""
    count = image.GetNumberOfComponentsPerPixel()
    return [image] if count == 1 else [sitk.VectorIndexSelectionCast(image, index) for index in range(count)]


def _resample(layer: sitk.Image, volume: sitk.Image) -> sitk.Image:
    """Resample a layer onto the grid of a volume, unless it already has that grid."""
    if layer.IsSameImageGeometryAs(volume):
        return layer
    return sitk.Resample(layer, volume, sitk.Transform(), sitk.sitkNearestNeighbor, 0)


def _to_flags(labels: np.ndarray, flags: Mapping[int, np.uint16]) -> np.ndarray:
    """Replace each label with its flag, and all other labels with 0."""
    table = np.zeros(max(flags) + 2, np.uint16)  # the last entry stands for all larger labels
    for label, flag in flags.items():
        table[label] |= flag
    return table[np.clip(labels, 0, min(len(table) - 1, np.iinfo(labels.dtype).max))]


def _match_names(segments: Sequence[_Segment]) -> dict[str, str]:
    """Match segments by the names of regions and of their structures: segment name -> region."""
    known: dict[str, str] = {}
    for region in REGIONS:
        names = [region.name, region.display_name, region.snomed[1]]
        if region.shell_mm is None:  # the lobes belong to the lung, not to the layer around it
            names += [name for structures in region.structures.values() for name in structures]
        known |= {_normalize(name): region.name for name in names}
    matches = {segment.name: known.get(_normalize(segment.name)) for segment in segments}
    return {name: region for name, region in matches.items() if region is not None}


def _normalize(name: str) -> str:
    return name.strip().lower().replace("_", " ")

"""Regions from existing labels: a label map, a Slicer or DICOM segmentation, or a folder of masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.regions import REGION_NAMES, get_region, region_of_structure
from reg2rg.runtime.callbacks import ProgressCallback, ignore_progress
from reg2rg.segmentation.masks import RegionMasks, region_flag
from reg2rg.segmentation.segment_files import Segment, read_segments
from reg2rg.segmentation.structures import Structures, find_structure, structure_label
from reg2rg.volumes.geometry import image_like

_SAME_PLACE = 0.5
"""Least overlap (intersection over union) of the boxes of a volume and a label map with the same number of voxels."""

_LUNG_HU = (-950, -500)
"""Density of air-filled lung."""

_LEAST_AERATED = 0.5
"""Least share of the lungs that is air-filled, even with much consolidation."""

_LEAST_COVERED = 0.6
"""Least share of what is as dense as air-filled lung that the lungs and airways contain."""

_AIRY = ("lung", "trachea and bronchie", "pleura")
"""Regions that may consist of air."""

_TISSUE_ABOVE_HU = -300
"""Mean HU that all other regions stay above, even with much fat."""


class LabelMapSegmenter:
    """Reads the regions from a file instead of segmenting the volume.

    Args:
        path: label map (NIfTI, NRRD, MetaImage), Slicer or DICOM segmentation, or folder with one mask per file, on any
            grid that overlaps the volume.
        mapping: label value (as text), segment name or file name -> region. Other segments are matched by the names of
            regions and of their structures. A plain label map has no names and needs a mapping.

    Raises:
        InputError: the mapping names an unknown region.
    """

    name = "label map"

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        self._path = Path(path)
        self._mapping = {str(key): get_region(region).name for key, region in (mapping or {}).items()}

    def segment(self, volume: sitk.Image, progress: ProgressCallback = ignore_progress) -> RegionMasks:
        """Read the regions and resample them onto the grid of a volume, matched in physical space.

        Args:
            volume: 3-D image in HU.
            progress: called with the fraction done and the current step.

        Raises:
            InputError: the file cannot be read, contains no region, or lies elsewhere than the volume; or the mapping
                names a label that it does not contain.
        """
        progress(0.0, "Reading the regions")
        notices: list[str] = []
        layers, segments = read_segments(self._path, notices.append)
        used = self._match(segments)
        structures = {segment: name for segment in segments if (name := find_structure(segment.name)) is not None}
        bits = np.zeros(volume.GetSize()[::-1], np.uint16)
        labels = np.zeros(bits.shape, np.uint8)
        total_mm3 = inside_mm3 = 0.0
        numbers = sorted({segment.layer for segment in (*used, *structures)})
        for done, number in enumerate(numbers):
            progress(done / len(numbers), "Reading the regions")
            layer = layers[number]()
            self._check_place(layer, volume)
            flags: dict[int, np.uint16] = {}
            for segment, region in used.items():
                if segment.layer == number:
                    flags[segment.value] = flags.get(segment.value, np.uint16(0)) | region_flag(region)
            resampled = _resample(layer, volume)  # named, because the array view does not keep it alive
            _label_structures(labels, resampled, number, structures)
            if not flags:
                continue
            placed = _to_flags(sitk.GetArrayViewFromImage(resampled), flags)
            bits |= placed
            inside_mm3 += _labeled_mm3(placed, volume)
            total_mm3 += _labeled_mm3(_to_flags(sitk.GetArrayViewFromImage(layer), flags), layer)
        approximate = frozenset(region for segment, region in used.items() if segment.approximate)
        notices += _doubts(self._path, volume, bits, 1 - inside_mm3 / total_mm3 if total_mm3 else 0.0)
        masks = RegionMasks.from_bits(
            bits,
            frozenset(used.values()),
            volume,
            segmenter=self.name,
            approximate=approximate,
            notices=tuple(dict.fromkeys(notices)),
            structures=Structures(
                image_like(labels, volume),
                self.name,
                frozenset(name for segment, name in structures.items() if segment.approximate),
            )
            if structures
            else None,
        )
        if not masks.present:
            raise InputError(f"The regions in {self._path} do not overlap the volume; are they from the same scan?")
        progress(1.0, "Regions read")
        return masks

    def _match(self, segments: Sequence[Segment]) -> dict[Segment, str]:
        """Return the region of each segment that has one: by the mapping, else by its name, else by its code."""
        matched: dict[Segment, str] = {}
        unused = dict(self._mapping)
        values_differ = len({segment.value for segment in segments}) == len(segments)
        for segment in segments:
            labels = {segment.name.casefold(), segment.id.casefold(), str(segment.value) if values_differ else ""}
            given = [key for key in self._mapping if key.strip().casefold() in labels]
            known = [region_of_structure(name, code) for code, name in (("", segment.name), *segment.codes)]
            if given:
                matched[segment] = self._mapping[given[0]]
            elif region := next((region for region in known if region is not None), None):
                matched[segment] = region.name
            for key in given:
                unused.pop(key, None)
        names = ", ".join(dict.fromkeys(segment.name for segment in segments[:12])) or "none"
        if unused:
            raise InputError(
                f"The mapping names {', '.join(map(repr, unused))}, but {self._path} has no such label (its labels: "
                f"{names})."
            )
        if not matched:
            raise InputError(
                f"{self._path} has no label that matches a region (its labels: {names}); provide a mapping from "
                "label value or segment name to region."
            )
        return matched

    def _check_place(self, layer: sitk.Image, volume: sitk.Image) -> None:
        """Refuse a layer that has the same number of voxels as the volume along each axis, but lies elsewhere."""
        if layer.GetSize() != volume.GetSize():
            return
        (low, high), (volume_low, volume_high) = _box(layer), _box(volume)
        shared = np.prod(np.clip(np.minimum(high, volume_high) - np.maximum(low, volume_low), 0, None))
        union = np.prod(high - low) + np.prod(volume_high - volume_low) - shared
        if shared < _SAME_PLACE * union:
            raise InputError(
                f"{self._path} has the size of the volume ({' x '.join(map(str, layer.GetSize()))} voxels), but lies "
                f"elsewhere: it covers {_in_words(low, high)} mm, the volume {_in_words(volume_low, volume_high)} mm. "
                "Its geometry may have been lost; save it again with the geometry of the CT."
            )


def read_segment(path: Path, segment_id: str, reference: sitk.Image | None = None) -> sitk.Image:
    """Read one segment of a Slicer segmentation.

    Args:
        path: segmentation file (.seg.nrrd).
        segment_id: ID of the segment.
        reference: an image on the grid to use. None: the file's grid.

    Returns:
        uint8 image, 1 inside the segment.

    Raises:
        InputError: the file cannot be read or has no such segment.
    """
    layers, segments = read_segments(path)
    for segment in segments:
        if segment.id == segment_id:
            mask = layers[segment.layer]() == segment.value
            return mask if reference is None else _resample(mask, reference)
    ids = ", ".join(segment.id for segment in segments) or "none"
    raise InputError(f"{path} has no segment {segment_id!r}; expected one of: {ids}.")


def read_structures(path: Path, reference: sitk.Image) -> Structures:
    """Read the structures of a report folder.

    Args:
        path: segmentation file (.seg.nrrd) whose segments have the names of structures as IDs.
        reference: image with the grid of the volume.

    Raises:
        InputError: the file cannot be read.
    """
    layers, segments = read_segments(path)
    known = {segment: name for segment in segments if (name := find_structure(segment.id)) is not None}
    labels = np.zeros(reference.GetSize()[::-1], np.uint8)
    for number in sorted({segment.layer for segment in known}):
        _label_structures(labels, _resample(layers[number](), reference), number, known)
    approximate = frozenset(name for segment, name in known.items() if segment.approximate)
    return Structures(image_like(labels, reference), LabelMapSegmenter.name, approximate)


def _label_structures(labels: np.ndarray, layer: sitk.Image, number: int, structures: Mapping[Segment, str]) -> None:
    """Write the structures of a layer, given its number, into an array of structure labels."""
    view = sitk.GetArrayViewFromImage(layer)
    for segment, name in structures.items():
        if segment.layer == number:
            labels[view == segment.value] = structure_label(name)


def _doubts(path: Path, volume: sitk.Image, bits: np.ndarray, outside: float) -> list[str]:
    """Return what makes it doubtful that the regions belong to the volume, one sentence each."""
    notices = []
    if outside > 0.5:
        notices.append(f"{outside:.0%} of the labels in {path} lie outside the volume; are they from the same scan?")
    hu = sitk.GetArrayViewFromImage(volume)
    lungs = (bits & region_flag("lung")) != 0
    if lungs.any():
        share = float((hu[lungs] < _LUNG_HU[1]).mean())
        covered = _covered(hu, bits)
        if share < _LEAST_AERATED:
            notices.append(
                f"Only {share:.0%} of the lungs in {path} are filled with air in this volume; are they from the same "
                "scan?"
            )
        elif covered < _LEAST_COVERED:
            notices.append(
                f"The lungs in {path} contain {covered:.0%} of what looks like lung in this volume; are they complete, "
                "and from the same scan?"
            )
    for region in (name for name in REGION_NAMES if name not in _AIRY):
        inside = (bits & region_flag(region)) != 0
        if inside.any() and (mean := float(hu[inside].mean())) < _TISSUE_ABOVE_HU:
            notices.append(
                f"The region {get_region(region).display_name} in {path} has a mean of {mean:.0f} HU in this volume, "
                "unlike its tissue; are the labels mapped to the right regions?"
            )
    return notices


def _covered(hu: np.ndarray, bits: np.ndarray) -> float:
    """Return the share of what looks like air-filled lung, apart from blurred surfaces, that is lung or airway."""
    coarse = hu[::2, ::4, ::4]
    aerated = (coarse > _LUNG_HU[0]) & (coarse < _LUNG_HU[1])
    inner = aerated[:, 1:-1, 1:-1] & aerated[:, :-2, 1:-1] & aerated[:, 2:, 1:-1]
    inner &= aerated[:, 1:-1, :-2] & aerated[:, 1:-1, 2:]
    found = bits[::2, ::4, ::4][:, 1:-1, 1:-1][inner] & (region_flag("lung") | region_flag("trachea and bronchie"))
    return float((found != 0).mean()) if found.size else 1.0


def _resample(layer: sitk.Image, volume: sitk.Image) -> sitk.Image:
    """Resample a layer onto the grid of a volume, unless it is already on it."""
    if layer.IsSameImageGeometryAs(volume):
        return layer
    return sitk.Resample(layer, volume, sitk.Transform(), sitk.sitkNearestNeighbor, 0)


def _to_flags(labels: np.ndarray, flags: Mapping[int, np.uint16]) -> np.ndarray:
    """Replace each label by its flag, and all other labels by 0."""
    table = np.zeros(max(flags) + 2, np.uint16)  # the last entry stands for all greater labels
    for label, flag in flags.items():
        table[label] |= flag
    return table[np.clip(labels, 0, min(len(table) - 1, np.iinfo(labels.dtype).max))]


def _labeled_mm3(flags: np.ndarray, image: sitk.Image) -> float:
    return float(np.count_nonzero(flags) * np.prod(image.GetSpacing()))


def _box(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Return the lowest and highest coordinates (LPS, mm) of an image."""
    corners = np.array(np.meshgrid(*[(-0.5, size - 0.5) for size in image.GetSize()])).reshape(3, -1).T
    points = np.array([image.TransformContinuousIndexToPhysicalPoint(corner.tolist()) for corner in corners])
    return points.min(axis=0), points.max(axis=0)


def _in_words(low: np.ndarray, high: np.ndarray) -> str:
    return " x ".join(f"{start:.0f} to {end:.0f}" for start, end in zip(low, high, strict=True))

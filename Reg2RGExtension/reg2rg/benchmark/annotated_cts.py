"""Lung lesions that readers outlined in real CTs: does the head mark them, and at how many false findings per CT?"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.benchmark.collect import load_generator
from reg2rg.benchmark.examine import detect_lesion
from reg2rg.benchmark.planted_cts import FALSE_FINDINGS_PER_CT, PlantedResults
from reg2rg.benchmark.real_cts import segmented_cts
from reg2rg.benchmark.records import DetectionRecord
from reg2rg.errors import InputError
from reg2rg.evaluation import Table
from reg2rg.planting import HostEntry

MIN_READERS = 3
"""Number of readers, of four, who must have outlined a voxel of a nodule."""

LESION_LABELS = ("Lung nodule", "Lung opacity", "Consolidation")
"""Findings that a lung lesion may be reported as. Phantoms have no masses; the nearest finding is an opacity."""


@dataclass(frozen=True)
class MarkedLesion:
    """What the finding head says about a lesion.

    Attributes:
        entry: The CT.
        diameter_mm: Diameter of the sphere of the same volume.
        detections: One per label of LESION_LABELS that the head knows.
    """

    entry: HostEntry
    diameter_mm: float
    detections: tuple[DetectionRecord, ...]

    @property
    def marking(self) -> DetectionRecord | None:
        """The most probable detection whose map has its maximum in the lesion. None if there is none."""
        hits = [each for each in self.detections if each.distance_mm == 0]
        return max(hits, key=lambda each: each.probability, default=None)


def examine_annotated_cts(model: Path, folder: Path, entries: Sequence[HostEntry]) -> list[MarkedLesion]:
    """Query a model about every outlined lesion in real CTs, with regions from thresholds.

    Args:
        model: Model folder.
        folder: Folder of the real CTs.
        entries: The CTs. Those without ``lesions`` are left out.
    """
    annotated = [entry for entry in entries if entry.lesions is not None]
    if not annotated:
        return []
    generator, settings = load_generator(model)
    marked = []
    for entry, volume, masks in segmented_cts(folder, annotated):
        for lesion in read_lesions(entry, folder, volume):
            diameter = 2 * (3 * lesion.sum() * np.prod(volume.GetSpacing()) / (4 * np.pi)) ** (1 / 3)
            detections = detect_lesion(generator, settings, volume, masks, lesion, LESION_LABELS)
            marked.append(MarkedLesion(entry, float(diameter), detections))
    return marked


def read_lesions(entry: HostEntry, folder: Path, volume: sitk.Image) -> list[np.ndarray]:
    """Read the lesions outlined in a CT.

    Args:
        entry: The CT. Its lesions are an image on the CT's grid with the number of readers who outlined each voxel, or
            a table of boxes (.tsv) with the columns file, x0_LPS, y0_LPS, x1_LPS, y1_LPS and z_LPS in mm, one row per
            slice of the file's only lesion.
        folder: Folder of the real CTs.
        volume: The CT.

    Returns:
        Boolean arrays (z, y, x).

    Raises:
        InputError: The image has another grid than the CT.
    """
    if entry.lesions is None:
        return []
    path = folder / entry.lesions
    if path.suffix == ".tsv":
        return [_boxes(path, entry.file.name.partition(".")[0], volume)]
    readers = sitk.ReadImage(str(path))
    if readers.GetSize() != volume.GetSize():
        raise InputError(f"{path} has {readers.GetSize()} voxels; expected those of its CT, {volume.GetSize()}.")
    components = sitk.ConnectedComponent(sitk.Cast(readers >= MIN_READERS, sitk.sitkUInt8))
    labels = sitk.GetArrayFromImage(components)
    return [labels == number for number in range(1, labels.max() + 1)]


def lesion_table(lesions: Sequence[MarkedLesion], planted: PlantedResults) -> Table:
    """Return one row per lesion: what marks it, and from which rate of false findings on.

    Args:
        lesions: What the head says about the lesions.
        planted: Results on planted CTs, which give the thresholds.
    """
    thresholds = {rate: planted.threshold(rate) for rate in FALSE_FINDINGS_PER_CT}
    rows = []
    for lesion in lesions:
        mark = lesion.marking
        passed = [rate for rate, threshold in thresholds.items() if mark is not None and mark.probability > threshold]
        rows.append(
            (
                lesion.entry.file.name,
                "yes" if lesion.entry.held_out else None,
                lesion.diameter_mm,
                mark.label if mark else None,
                mark.probability if mark else None,
                min((each.distance_mm for each in lesion.detections if each.distance_mm is not None), default=None),
                min(passed, default=None),
            )
        )
    description = (
        f"Lung lesions that at least {MIN_READERS} of four readers outlined, or that lie in a reader's boxes. A lesion "
        "is marked by a finding whose map has its maximum in it; only the most probable mark is shown. Distance: from "
        "the nearest such maximum. Found at: lowest rate of false findings per CT, of those in the table of planted "
        "findings, at which the mark's probability reaches the threshold."
    )
    columns = ("volume", "held out", "mm", "marked as", "probability", "distance mm", "found at")
    return Table("lesions", "Outlined lesions in real CTs", description, columns, tuple(rows))


def _boxes(path: Path, name: str, volume: sitk.Image) -> np.ndarray:
    """Return the voxels of a file's boxes, each of which covers one slice."""
    array = np.zeros(volume.GetSize()[::-1], bool)
    with path.open(encoding="utf-8", newline="") as file:
        boxes = [row for row in csv.DictReader(file, delimiter="\t") if row["file"] == name]
    for box in boxes:
        corners = [[float(box[f"{axis}{end}_LPS"]) for axis in "xy"] + [float(box["z_LPS"])] for end in "01"]
        indices = np.sort([volume.TransformPhysicalPointToIndex(corner) for corner in corners], axis=0)
        low, high = np.clip(indices, 0, np.array(volume.GetSize()) - 1)
        array[low[2] : high[2] + 1, low[1] : high[1] + 1, low[0] : high[0] + 1] = True
    return array

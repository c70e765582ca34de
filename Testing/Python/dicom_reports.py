"""Report folders and the DICOM series that they were made from, for tests of the DICOM exports."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from dicom_files import Change, write_series
from pydicom.dataset import Dataset
from test_report import generated, provenance

from reg2rg.exports.report_folder import write_report_folder
from reg2rg.exports.segmentation_nrrd import write_outlines, write_regions, write_structures
from reg2rg.measurements import measure, with_findings
from reg2rg.phantom import make_phantom
from reg2rg.regions import REGION_NAMES
from reg2rg.report import Finding, Location, Report, ReportBuilder, load_report, segment_id
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.structures import Structures
from reg2rg.segmentation.structures_from_regions import find_structures
from reg2rg.volumes import read_volume
from reg2rg.volumes.geometry import Box, image_like

FRAME_OF_REFERENCE = "1.2.826.0.1.3680043.8.498.1"

TEXTS = {
    "lung": "There is a nodule of 12 mm in the right lung. Atelectasis is seen. No pneumothorax.",
    "heart": "Cardiomegaly. No pericardial effusion.",
}


@dataclasses.dataclass(frozen=True)
class Outline:
    """The voxels of a finding in a box of the volume."""

    region: str
    label: str
    box: Box
    mask: np.ndarray


@dataclasses.dataclass(frozen=True)
class Chest:
    """A small phantom: volume in HU, bits of its regions, and its structures."""

    volume: sitk.Image
    bits: sitk.Image
    structures: Structures


def small_chest() -> Chest:
    """Return a phantom with every second column and row, and every third slice."""
    case = make_phantom(104)
    structures = find_structures(case.volume, case.masks)
    volume, bits, labels = (
        sitk.Shrink(sitk.Cast(image, sitk.sitkInt16), (2, 2, 3))
        for image in (case.volume, case.masks.bits, structures.labels)
    )
    return Chest(volume, bits, dataclasses.replace(structures, labels=sitk.Cast(labels, sitk.sitkUInt8)))


def complete_header(dataset: Dataset, index: int) -> None:
    """Add what a real CT header has."""
    dataset.FrameOfReferenceUID = FRAME_OF_REFERENCE
    dataset.PatientBirthDate, dataset.PatientSex = "19500101", "F"
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20250102", "101112", "7"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "A1", "Refer^Red"
    dataset.StudyDescription = "CT chest"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Manufacturer, dataset.KVP, dataset.AcquisitionNumber = "Scanner", 120, 1
    dataset.PositionReferenceIndicator, dataset.BodyPartExamined = "", "CHEST"
    dataset.PatientPosition, dataset.RescaleType = "HFS", "HU"


def write_ct(folder: Path, volume: sitk.Image, change: Change = lambda dataset, index: None) -> Path:
    """Write a volume as a DICOM series with complete headers."""

    def complete(dataset: Dataset, index: int) -> None:
        complete_header(dataset, index)
        change(dataset, index)

    write_series(folder, volume, change=complete)
    return folder


def write_report(folder: Path, ct: Path, chest: Chest, segmented: sitk.Image | None = None) -> Report:
    """Make a report of a CT, write its folder, and load it.

    Args:
        folder: where to write the report.
        ct: the CT, as a DICOM folder or file.
        chest: regions and structures.
        segmented: image with the grid of the regions, if that is not the one of the CT.
    """
    volume = read_volume(ct)
    folder.mkdir(parents=True)
    like = segmented or volume
    bits = image_like(sitk.GetArrayFromImage(chest.bits).astype(np.uint16), like)
    masks = _masks(bits, volume, folder)
    labels = sitk.Resample(
        image_like(sitk.GetArrayFromImage(chest.structures.labels), like), volume, sitk.Transform(),
        sitk.sitkNearestNeighbor,
    )  # fmt: skip
    structures = dataclasses.replace(chest.structures, labels=labels)
    write_regions(masks, folder / "regions.seg.nrrd")
    write_structures(structures, folder / "structures.seg.nrrd")
    outlines = _outlines(masks.array("lung"))
    write_outlines(outlines, volume, folder / "findings.seg.nrrd")
    detected = {"lung": [_finding(outline, volume) for outline in outlines]}
    evidence = with_findings(measure(volume, structures, masks), volume, outlines, ("Lung nodule",))
    builder = ReportBuilder(volume, masks, detected=detected, evidence=evidence)
    texts = [generated(region, text, region) for region, text in TEXTS.items()]
    skipped = {"breast": "not found in this volume"}
    write_report_folder(builder.report(texts, provenance(volume), skipped), volume, masks, folder)
    return load_report(folder)


def _masks(bits: sitk.Image, volume: sitk.Image, folder: Path) -> RegionMasks:
    file = folder / "regions.seg.nrrd"
    write_regions(
        RegionMasks.from_bits(sitk.GetArrayFromImage(bits), frozenset(REGION_NAMES), bits, segmenter="t"), file
    )
    return LabelMapSegmenter(file).segment(volume)


def _outlines(lung: np.ndarray) -> list[Outline]:
    """Return a nodule in the lung, and a larger finding around it."""
    z, y, x = (int(middle) for middle in np.median(np.nonzero(lung), axis=1))
    outlines = []
    for label, size in (("Lung nodule", 2), ("Atelectasis", 4)):
        box = tuple(slice(max(0, at - size), at + size) for at in (z, y, x))
        shape = lung[box].shape
        outlines.append(Outline("lung", label, box, np.ones(shape, bool)))
    return outlines


def _finding(outline: Outline, volume: sitk.Image) -> Finding:
    middle = [(span.start + span.stop) // 2 for span in reversed(outline.box)]
    x, y, z = volume.TransformIndexToPhysicalPoint(middle)
    location = Location((-x, -y, z), (10.0, 10.0, 10.0), "right upper lobe", True)
    segment = segment_id(outline.region, outline.label)
    return Finding(outline.label, 0.9, "right", "upper", 12.0, location, segment)

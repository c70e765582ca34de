"""Write files with regions for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from dicom_files import write_series


def write_seg_nrrd(path: Path, image: sitk.Image, segments: Sequence[Mapping[str, str]]) -> None:
    """Write a Slicer segmentation.

    Args:
        path: file to write, .seg.nrrd.
        image: label image; its components are the layers.
        segments: the header fields of each segment, such as ``{"Name": "lung", "LabelValue": "1"}``.
    """
    for number, fields in enumerate(segments):
        for key, value in fields.items():
            image.SetMetaData(f"Segment{number}_{key}", value)
    sitk.WriteImage(image, str(path), useCompression=True)


def write_dicom_seg(path: Path, volume: sitk.Image, masks: Mapping[str, sitk.Image]) -> None:
    """Write a DICOM segmentation of a CT, one segment per mask, without the slices that are empty.

    Args:
        path: file to write.
        volume: the CT in HU.
        masks: label of the segment to its mask.
    """
    import highdicom
    from pydicom import dcmread
    from pydicom.sr.codedict import codes

    write_series(path.parent / "seg_source", volume)
    sources = [dcmread(file) for file in (path.parent / "seg_source").iterdir()]
    sources.sort(key=lambda source: source.ImagePositionPatient[2])
    for source in sources:
        source.FrameOfReferenceUID = "1.2.3"
        source.PatientBirthDate = source.PatientSex = source.StudyID = source.AccessionNumber = ""
        source.StudyDate = source.StudyTime = source.ReferringPhysicianName = ""
    algorithm = highdicom.AlgorithmIdentificationSequence("test", codes.DCM.ArtificialIntelligence, "1")
    descriptions = [
        highdicom.seg.SegmentDescription(
            number,
            label,
            codes.SCT.Organ,
            codes.SCT.Mass,  # no region, so that the label counts
            highdicom.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm,
        )
        for number, label in enumerate(masks, 1)
    ]
    pixels = np.stack([sitk.GetArrayFromImage(mask).astype(np.uint8) for mask in masks.values()], axis=-1)
    segmentation = highdicom.seg.Segmentation(
        sources, pixels, "BINARY", descriptions, "1.2.3.4", 7, "1.2.3.5", 1, "maker", "model", "1", "serial"
    )
    segmentation.save_as(path)

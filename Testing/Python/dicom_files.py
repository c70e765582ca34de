"""Write real DICOM CT files for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, EnhancedCTImageStorage, ExplicitVRLittleEndian, generate_uid

Change = Callable[[Dataset, int], None]


def write_series(
    folder: Path,
    image: sitk.Image,
    *,
    number: int = 1,
    slope: float = 1.0,
    modality: str = "CT",
    leave_out: int = -1,
    change: Change = lambda dataset, index: None,
) -> str:
    """Write an image as a classic series, with file names that do not sort in slice order.

    Args:
        folder: where to write the files; created if necessary.
        image: 3-D image in HU.
        number: series number.
        slope: rescale slope of all slices; each slice has an intercept of its own.
        modality: DICOM modality, such as "CT".
        leave_out: index of a slice that is not written.
        change: changes the header of a slice, given its index, before it is written.

    Returns:
        The series instance UID.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uid, study = generate_uid(), generate_uid()
    voxels = sitk.GetArrayFromImage(image)
    for index in range(len(voxels)):
        if index == leave_out:
            continue
        intercept = -1024.0 - index  # varies by slice, as in files of PET-CT and some CT scanners
        dataset = _dataset(CTImageStorage, uid, study, number, modality, image)
        dataset.InstanceNumber = index + 1
        dataset.ImagePositionPatient = list(image.TransformIndexToPhysicalPoint((0, 0, index)))
        dataset.ImageOrientationPatient = _orientation(image)
        dataset.PixelSpacing = [image.GetSpacing()[1], image.GetSpacing()[0]]
        dataset.SliceThickness = image.GetSpacing()[2]
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        _set_pixels(dataset, np.rint((voxels[index] - intercept) / slope))
        change(dataset, index)
        dataset.save_as(folder / f"{(index * 7919) % 10007:05d}.dcm", enforce_file_format=True)
    return uid


def write_enhanced(path: Path, image: sitk.Image, *, own_rescale: bool = False, kernel: str = "") -> None:
    """Write a 3-D image in HU as one enhanced multi-frame file, with its frames from top to bottom.

    Args:
        path: the file.
        image: 3-D image in HU.
        own_rescale: whether each frame has a rescale slope and intercept of its own.
        kernel: name of the reconstruction kernel; none if empty.
    """
    dataset = _dataset(EnhancedCTImageStorage, generate_uid(), generate_uid(), 1, "CT", image)
    voxels = sitk.GetArrayFromImage(image)[::-1]
    measures, orientation, rescale, shared = Dataset(), Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [image.GetSpacing()[1], image.GetSpacing()[0]]
    measures.SliceThickness = image.GetSpacing()[2]
    orientation.ImageOrientationPatient = _orientation(image)
    rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, -1024, "HU"
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([orientation])
    if kernel:
        reconstruction = Dataset()
        reconstruction.ConvolutionKernel = kernel
        shared.CTReconstructionSequence = Sequence([reconstruction])
    if not own_rescale:
        shared.PixelValueTransformationSequence = Sequence([rescale])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames, stored = [], voxels + 1024
    for index in range(len(voxels)):
        position, content, frame = Dataset(), Dataset(), Dataset()
        at = (0, 0, len(voxels) - 1 - index)
        position.ImagePositionPatient = list(image.TransformIndexToPhysicalPoint(at))
        content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", index + 1, [1, index + 1]
        frame.PlanePositionSequence = Sequence([position])
        frame.FrameContentSequence = Sequence([content])
        if own_rescale:
            own = Dataset()
            own.RescaleSlope, own.RescaleIntercept, own.RescaleType = 1 + index % 2, -1024 - 2 * index, "HU"
            frame.PixelValueTransformationSequence = Sequence([own])
            stored[index] = (voxels[index] - own.RescaleIntercept) / own.RescaleSlope
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    dataset.NumberOfFrames = len(voxels)
    _set_pixels(dataset, stored)
    dataset.save_as(path, enforce_file_format=True)


def _dataset(sop_class: str, uid: str, study: str, number: int, modality: str, image: sitk.Image) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID, dataset.SeriesNumber = uid, study, number
    dataset.Modality, dataset.PatientName, dataset.PatientID = modality, "Secret^Name", "secret-id"
    dataset.Columns, dataset.Rows = image.GetSize()[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 16, 15, 0
    return dataset


def _orientation(image: sitk.Image) -> list[float]:
    direction = np.reshape(image.GetDirection(), (3, 3))
    return [*direction[:, 0], *direction[:, 1]]


def _set_pixels(dataset: Dataset, stored: np.ndarray) -> None:
    dataset.PixelData = np.clip(stored, 0, 65535).astype(np.uint16).tobytes()

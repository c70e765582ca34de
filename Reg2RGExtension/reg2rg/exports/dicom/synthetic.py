"""A volume without DICOM headers as a new CT series.

If patient or study are known, it belongs to them. Otherwise it belongs to a synthetic study, which says so wherever a
viewer looks. UIDs are derived from the voxels, their place, patient and study, so that all reports on a volume end up
in the same study.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from reg2rg.about import __version__
from reg2rg.volumes.acquisition import AcquisitionTags
from reg2rg.volumes.geometry import direction_matrix

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

STUDY_DESCRIPTION = "SYNTHETIC STUDY without patient data"

STUDY_KEYWORDS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
)
"""What can be given of a patient and a study."""


def synthetic_series(volume: sitk.Image, known: Mapping[str, str]) -> list[Dataset]:
    """Return one CT image per slice of a volume.

    Args:
        volume: image in HU; fractions are rounded.
        known: what is known of patient and study, by ``STUDY_KEYWORDS``.
    """
    from pydicom.uid import generate_uid

    voxels = np.clip(np.rint(sitk.GetArrayViewFromImage(volume)), -32768, 32767).astype("<i2")
    place = (volume.GetSpacing(), volume.GetOrigin(), volume.GetDirection())
    identity = f"{place}{sorted(known.items())}" if known else repr(place)
    digest = hashlib.sha256(identity.encode() + voxels.tobytes()).hexdigest()
    study, series, frame = (generate_uid(entropy_srcs=[digest, kind]) for kind in ("study", "series", "frame"))
    files = []
    for index in range(len(voxels)):
        file = _header(volume, known, digest, generate_uid(entropy_srcs=[digest, "slice", str(index)]))
        file.StudyInstanceUID = known.get("StudyInstanceUID") or study
        file.SeriesInstanceUID, file.FrameOfReferenceUID = series, frame
        file.InstanceNumber = index + 1
        file.ImagePositionPatient = _decimals(volume.TransformIndexToPhysicalPoint((0, 0, index)))
        file.PixelData = voxels[index].tobytes()
        file["PixelData"].VR = "OW"
        files.append(file)
    return files


def _header(volume: sitk.Image, known: Mapping[str, str], digest: str, uid: str) -> Dataset:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

    columns, rows, _ = volume.GetSize()
    across, down, between = volume.GetSpacing()
    direction, tags = direction_matrix(volume), AcquisitionTags.of(volume)
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.file_meta.MediaStorageSOPClassUID = file.SOPClassUID = CTImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = file.SOPInstanceUID = UID(uid)
    file.SpecificCharacterSet = "ISO_IR 192"
    file.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    for keyword in STUDY_KEYWORDS:
        setattr(file, keyword, known.get(keyword, ""))
    file.AccessionNumber = file.ReferringPhysicianName = ""
    file.Modality, file.SeriesNumber, file.SeriesDescription = "CT", 1, "CT volume without DICOM headers"
    if not known:
        file.PatientName, file.PatientID = "SYNTHETIC^STUDY", f"REG2RG-{digest[:12]}"
        file.PatientIdentityRemoved, file.DeidentificationMethod = "YES", "Volume without a DICOM header"
        file.StudyID, file.StudyDescription = digest[:8], STUDY_DESCRIPTION
        file.SeriesDescription = "CT volume (synthetic study)"
    file.Manufacturer, file.ManufacturerModelName, file.SoftwareVersions = "Reg2RG", "Reg2RG", __version__
    file.BodyPartExamined = "CHEST"
    file.PatientPosition = file.PositionReferenceIndicator = ""
    file.AcquisitionNumber = ""
    file.KVP = "" if tags.tube_voltage_kv is None else f"{tags.tube_voltage_kv:g}"
    file.ConvolutionKernel = tags.kernel or None
    file.SliceThickness = _decimals([tags.slice_thickness_mm or between])[0]
    file.ImageOrientationPatient = _decimals([*direction[:, 0], *direction[:, 1]])
    file.PixelSpacing = _decimals([down, across])
    file.Rows, file.Columns = rows, columns
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 16, 16, 15, 1
    file.RescaleIntercept, file.RescaleSlope, file.RescaleType = 0, 1, "HU"
    file.WindowCenter, file.WindowWidth = 40, 400
    return file


def _decimals(values: object) -> list[str]:
    """Return numbers as decimal strings of at most 16 characters (PS3.5, 6.2), as exactly as these allow."""
    from pydicom.valuerep import format_number_as_ds

    return [format_number_as_ds(float(value)) for value in np.asarray(values)]

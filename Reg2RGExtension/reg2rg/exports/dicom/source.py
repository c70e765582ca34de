"""The slices that a report is about: those of the DICOM series it was made from, or of a synthetic series."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reg2rg.errors import InputError
from reg2rg.exports.dicom.synthetic import STUDY_KEYWORDS, synthetic_series
from reg2rg.exports.source_ct import find_source_ct
from reg2rg.report import Report

if TYPE_CHECKING:
    import SimpleITK as sitk
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    from reg2rg.volumes.dicom_series import Series

_PATIENT_AND_STUDY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName"),
)
"""Attributes that every object has, if only with an empty value (type 2 in PS3.3, C.7.1.1 and C.7.2.1)."""

_SEXES = ("M", "F", "O", "")


@dataclass(frozen=True)
class SourceSlice:
    """The grid of a slice. Coordinates are LPS, in mm.

    Attributes:
        image: index of its file in the headers of the source.
        frame: index of its frame in that file.
        position: center of the first voxel, (3,).
        orientation: unit vectors along a row and along a column, (2, 3).
        spacing: voxel size along a row and along a column.
    """

    image: int
    frame: int
    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]


@dataclass(frozen=True)
class Source:
    """The series that the objects of a report refer to.

    Attributes:
        volume: the CT in HU.
        headers: one header per file, without pixels.
        slices: the slices that form the volume, in the order of the volume's slices if it was not resampled.
        synthetic: the files of the series with their pixels, if it was made for this export; otherwise empty.
    """

    volume: sitk.Image
    headers: Sequence[Dataset]
    slices: Sequence[SourceSlice]
    synthetic: Sequence[Dataset] = ()


def open_source(report: Report, path: Path, study: Mapping[str, str] | None = None) -> Source:
    """Open the CT that a report was made from.

    Args:
        report: the report.
        path: what was given to ``reg2rg report``: a DICOM folder, a zip file of one, or a volume file. Of several
            series in a folder, the one that the report was made from is found.
        study: DICOM keyword -> value, patient and study if the CT is a volume file.

    Raises:
        InputError: it cannot be read, the report is about another volume, or the patient or the study is not valid.
    """
    volume, series = find_source_ct(report, path)
    if series is not None:
        return _source_of(volume, series, path)
    files = synthetic_series(volume, _valid(study or {}))
    return Source(volume, files, [_slice_of(file, index) for index, file in enumerate(files)], files)


def _source_of(volume: sitk.Image, series: Series, path: Path) -> Source:
    normal = np.cross(*series.stack[0].orientation)
    stack = sorted(series.stack, key=lambda piece: float(piece.position @ normal))
    files = list(dict.fromkeys(piece.image.file for piece in stack))
    by_file = {piece.image.file: piece.image.header for piece in stack}
    if len(files) > 1 and any("NumberOfFrames" in header for header in by_file.values()):
        raise InputError(
            f"The series in {path} has {len(files)} multi-frame files; a DICOM segmentation can refer to one of them, "
            "or to single slices."
        )
    headers = [_complete(by_file[file], path) for file in files]
    if len({str(header.SOPInstanceUID) for header in headers}) < len(headers):
        raise InputError(
            f"Several images in {path} have the same instance UID, so objects cannot refer to one of them."
        )
    slices = [
        SourceSlice(files.index(piece.image.file), piece.frame, piece.position, piece.orientation, piece.spacing)
        for piece in stack
    ]
    return Source(volume, headers, slices)


def _complete(header: Dataset, path: Path) -> Dataset:
    """Return a header with the attributes that all objects need; empty where the source lacks them."""
    import copy

    for keyword, name in (("FrameOfReferenceUID", "frame of reference"), ("StudyInstanceUID", "study")):
        if not header.get(keyword):
            raise InputError(f"The series in {path} has no {name} UID, without which DICOM objects cannot refer to it.")
    complete = copy.copy(header)
    for element in list(complete):
        if element.keyword not in _PATIENT_AND_STUDY and not _is_valid(element):
            del complete[element.tag]
    if not complete.get("ClinicalTrialSponsorName"):  # the module is copied, and not valid without it
        for keyword in complete.dir("ClinicalTrial"):
            delattr(complete, keyword)
    for keyword in _PATIENT_AND_STUDY:
        if complete.get(keyword) is None:
            setattr(complete, keyword, "")
    if complete.PatientSex not in _SEXES:
        complete.PatientSex = ""  # anonymizers write other words, which the standard does not know
    return complete


def _valid(study: Mapping[str, str]) -> dict[str, str]:
    """Return what is known of a patient and a study without values that the standard does not allow.

    Those that identify the patient or the study are refused, because objects without them would be filed elsewhere.
    """
    from pydicom import config
    from pydicom.datadict import dictionary_VR, tag_for_keyword
    from pydicom.dataelem import DataElement

    valid = {}
    for keyword, value in study.items():
        tag = tag_for_keyword(keyword)
        if keyword not in STUDY_KEYWORDS or tag is None:
            raise InputError(f"Unknown attribute {keyword!r} of a study; expected: {', '.join(STUDY_KEYWORDS)}.")
        element = DataElement(
            tag, dictionary_VR(tag), value, validation_mode=config.IGNORE
        )  # no warning with the value
        if _is_valid(element):
            valid[keyword] = value
        elif keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
            raise InputError(f"The {keyword} of the study has a value that DICOM does not allow; correct it.")
    if valid.get("PatientSex") not in _SEXES:
        valid.pop("PatientSex", None)
    return valid


def _is_valid(element: DataElement) -> bool:
    """Return whether the values of an element have the form that its value representation demands (PS3.5, 6.2)."""
    from pydicom import config
    from pydicom.valuerep import validate_value

    values = element.value if element.VM > 1 else [element.value]
    try:
        for value in values if isinstance(values, Iterable) else ():
            if isinstance(value, str):
                validate_value(element.VR, value, config.RAISE)
    except ValueError:
        return False
    return True


def _slice_of(file: Dataset, index: int) -> SourceSlice:
    between_rows, between_columns = map(float, file.PixelSpacing)
    return SourceSlice(
        index,
        0,
        np.array(file.ImagePositionPatient, float),
        np.reshape(np.array(file.ImageOrientationPatient, float), (2, 3)),
        (between_columns, between_rows),
    )

"""What DICOM says of a volume: its files, patient and study. Only exports that refer to the CT read it."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
from pathlib import Path

import slicer

LEVELS = {
    "Patient": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "Study": ("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
}
"""Level of the subject hierarchy -> DICOM keywords of its attributes."""
PLACEHOLDERS = {"PatientName": "No name", "StudyDescription": "No study description"}
"""What Slicer's DICOM import writes for values that are empty in the files."""


def filesOf(volume: slicer.vtkMRMLScalarVolumeNode) -> list[str]:
    """Return the files of a volume's images, or none if it was not loaded from DICOM or the files have gone."""
    instances = (volume.GetAttribute("DICOM.instanceUIDs") or "").split()
    if not instances:
        return []  # not every Slicer has a DICOM database to ask
    database = slicer.app.dicomDatabase()
    files = [database.fileForInstance(instance) for instance in instances] if database is not None else []
    return files if all(file and os.path.isfile(file) for file in files) else []


def studyOf(volume: slicer.vtkMRMLScalarVolumeNode) -> dict[str, str]:
    """Return what the subject hierarchy knows of a volume's patient and study: DICOM keyword -> value."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    item = hierarchy.GetItemByDataNode(volume) if hierarchy is not None else 0
    if not item:
        return {}
    study = {
        keyword: value
        for level, keywords in LEVELS.items()
        for keyword in keywords
        if (value := hierarchy.GetAttributeFromItemAncestor(item, f"DICOM.{keyword}", level))
        and value != PLACEHOLDERS.get(keyword)
    }
    if study.get("PatientID") == f"Patient-{study.get('StudyInstanceUID')}":  # a placeholder, too
        del study["PatientID"]
    return study


def daysBetween(prior: slicer.vtkMRMLScalarVolumeNode, volume: slicer.vtkMRMLScalarVolumeNode) -> int | None:
    """Return the days from the study of a prior CT to that of the current one, or None if a date is unknown."""
    dates = []
    for each in (prior, volume):
        with contextlib.suppress(ValueError):
            dates.append(datetime.datetime.strptime(studyOf(each).get("StudyDate", ""), "%Y%m%d").date())
    return (dates[1] - dates[0]).days if len(dates) == 2 else None


def gather(files: list[str], folder: Path) -> Path:
    """Return a folder that contains exactly these files, as links where the system allows them."""
    folder.mkdir()
    for number, file in enumerate(files):
        target = folder / f"{number:05}.dcm"
        try:
            target.symlink_to(os.path.abspath(file))
        except OSError:  # Windows allows links only to some users
            shutil.copyfile(file, target)
    return folder

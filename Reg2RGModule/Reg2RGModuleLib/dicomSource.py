"""The DICOM files that a volume was loaded from. Only exports that refer to them read their headers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import slicer


def filesOf(volume: slicer.vtkMRMLScalarVolumeNode) -> list[str]:
    """Return the files of a volume's images, or none if it was not loaded from DICOM or the files have gone."""
    instances = (volume.GetAttribute("DICOM.instanceUIDs") or "").split()
    if not instances:
        return []  # not every Slicer has a DICOM database to ask
    database = slicer.app.dicomDatabase()
    files = [database.fileForInstance(instance) for instance in instances] if database is not None else []
    return files if all(file and os.path.isfile(file) for file in files) else []


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

"""The CT that a report was made from, for exports that contain its voxels."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.report import Geometry, Report
from reg2rg.volumes import read_volume


def read_source_ct(report: Report, path: Path) -> sitk.Image:
    """Read the CT that a report was made from.

    Args:
        report: the report.
        path: the CT, a file or a folder with a DICOM series.

    Returns:
        The volume in HU.

    Raises:
        InputError: the CT cannot be read, or has another geometry than the volume of the report.
    """
    volume = read_volume(path)
    if not report.provenance.geometry.matches(Geometry.from_image(volume)):
        raise InputError(f"{path} does not have the geometry of the report's volume; choose the CT it was made from.")
    return volume

"""The CT that a report was made from, for exports that contain its voxels or refer to its slices."""

from __future__ import annotations

from pathlib import Path
from statistics import median

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.measurements.region_statistics import region_statistics
from reg2rg.report import Geometry, Report
from reg2rg.volumes import read_volume_and_series
from reg2rg.volumes.dicom_folder import read_folder
from reg2rg.volumes.dicom_series import Series, group_series

TOLERANCE_MM = 0.01
"""Largest distance between the corners of the report's volume and those of its source."""

TOLERANCE_HU = 1.0
"""Largest median difference between the mean densities of regions in the report and in its source."""


def read_source_ct(report: Report, path: Path) -> sitk.Image:
    """Read the CT that a report was made from, in HU; arguments and errors are those of ``find_source_ct``.

    Args:
        report: the report, from a report folder.
        path: the CT, a file or a folder with DICOM series.
    """
    volume, _ = find_source_ct(report, path)
    return volume


def find_source_ct(report: Report, path: Path) -> tuple[sitk.Image, Series | None]:
    """Read the CT that a report was made from.

    Args:
        report: the report, from a report folder.
        path: what was given to ``reg2rg report``: a DICOM folder, a zip file of one, or a volume file. Of several
            series in a folder, the one that the report was made from is found.

    Returns:
        The volume in HU, and the DICOM series, if it is one.

    Raises:
        InputError: the CT cannot be read, or the report is about another volume.
    """
    volume, series = read_volume_and_series(path)
    difference = _difference(report, volume)
    if series is not None:
        for uid in _other_series(path, series) if difference else ():
            volume, series = read_volume_and_series(path, uid)
            if not (other := _difference(report, volume)):
                difference = other
                break
    if difference:
        raise InputError(f"{path} is not the CT from which this report was made: {difference}.")
    return volume, series


def _other_series(path: Path, series: Series) -> list[str]:
    """Return the UIDs of other series in a folder with as many slices as a series: other reconstructions of a scan."""
    if not path.is_dir():
        return []
    found = group_series(read_folder(path, path).images)
    return [other.uid for other in found if other.uid != series.uid and len(other.stack) == len(series.stack)]


def _difference(report: Report, volume: sitk.Image) -> str:
    """Return how a volume differs from that of a report, in its grid or in the densities of its regions."""
    expected, actual = report.provenance.geometry, Geometry.from_image(volume)
    if expected.size != actual.size or not np.allclose(_corners(expected), _corners(actual), atol=TOLERANCE_MM):
        return f"it has {_words(actual)}, the report {_words(expected)}"
    differences = [
        abs(region_statistics(volume, report.masks, section.region).mean_hu - section.mean_hu)
        for section in report.sections
        if section.region in report.masks.present
    ]
    if differences and median(differences) > TOLERANCE_HU:
        return f"the densities of its regions differ by {median(differences):.0f} HU"
    return ""


def _corners(geometry: Geometry) -> np.ndarray:
    image = geometry.to_image()
    size = image.GetSize()
    ends = [(0, 0, 0), *(tuple(size[axis] - 1 if axis == along else 0 for axis in range(3)) for along in range(3))]
    return np.array([image.TransformIndexToPhysicalPoint(end) for end in ends])


def _words(geometry: Geometry) -> str:
    voxels = " x ".join(map(str, geometry.size))
    origin = ", ".join(f"{coordinate:.1f}" for coordinate in geometry.origin)
    return f"{voxels} voxels from ({origin}) mm"

"""Reading CT volumes from files or DICOM folders, as SimpleITK images in HU.

Files:

    files           NIfTI, NRRD and MetaImage
    headers         NRRD and MetaImage headers that contradict themselves
    integrity       checksums of their compressed data
    nifti           what SimpleITK does not check in a NIfTI header
    nifti_writing   NIfTI files that are complete
    dicom_folder    the files of a DICOM folder
    dicom_series    which of its images can be stacked, and which series is read
    dicom_archive   the series in a part of an archive, and which of them are chest CTs to report on
    dicom_consistency
                    whether its slices belong together
    acquisition     tags that hint at how a scan was acquired
    dicom           CT series, classic and enhanced, as volumes
    zip_files       the files in a ZIP file
    checks          whether an image is a chest CT, and its conversion to clean HU
    plausibility    whether values are distributed as in a chest CT
    resampling      scans that are not on an even, rectangular grid
    voxel_hash      a hash of the voxels, by which a CT is found again
    geometry        arrays on the grid of an image, voxel sizes and axis directions
    averaging       resizing by area averaging

This package returns images as 3-D int16 volumes (float32 if values have fractions), with values of at least -1024 HU.
Of their headers, only kernel, tube voltage, slice thickness and contrast medium are kept, so that no patient data is
passed on.
"""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.runtime.staging import scratch_folder
from reg2rg.volumes.acquisition import copy_tags
from reg2rg.volumes.checks import as_hu_volume
from reg2rg.volumes.dicom import read_series
from reg2rg.volumes.dicom_archive import ArchivedSeries, list_series_of
from reg2rg.volumes.dicom_folder import is_dicom_file
from reg2rg.volumes.dicom_series import Series
from reg2rg.volumes.files import files_of_volume, is_volume_file, read_volume_file
from reg2rg.volumes.zip_files import unpack

__all__ = [
    "ArchivedSeries",
    "files_of_volume",
    "is_volume_file",
    "list_series_of",
    "read_volume",
    "read_volume_and_series",
]


def read_volume(path: Path, series: str | None = None, on_notice: NoticeCallback = ignore_notice) -> sitk.Image:
    """Read a chest CT.

    Args:
        path: a NIfTI, NRRD or MetaImage file, a DICOM folder, a zip file of one, or a multi-frame DICOM file.
        series: number or instance UID of the DICOM series to read; the CT series with the most slices if None.
        on_notice: receives messages, one line each, about what was chosen, left out, assumed or resampled.

    Returns:
        A 3-D image in HU, int16 or float32, with the geometry of the scan (LPS, mm) and the tags of AcquisitionTags.

    Raises:
        InputError: the input is not a readable 3-D chest CT. The message is one line.
    """
    return read_volume_and_series(path, series, on_notice)[0]


def read_volume_and_series(
    path: Path, series: str | None = None, on_notice: NoticeCallback = ignore_notice
) -> tuple[sitk.Image, Series | None]:
    """Read a chest CT like ``read_volume``, and return the headers of its DICOM series; None if it is not DICOM."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a CT volume or a DICOM folder.")
    # ITK prints its warnings to standard error. Those that matter are raised as errors below.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    image, headers = _read(path, series, on_notice)
    volume = as_hu_volume(image, path, on_notice)
    copy_tags(image, volume)
    return volume, headers


def _read(path: Path, series: str | None, on_notice: NoticeCallback) -> tuple[sitk.Image, Series | None]:
    """Read the image at a path without checking its values."""
    if path.is_dir():
        return read_series(path, series, on_notice=on_notice)
    if not path.is_file():
        raise InputError(f"{path} is neither a file nor a folder; expected a CT volume or a DICOM folder.")
    if path.suffix.lower() == ".zip":
        with scratch_folder() as folder:
            unpack(path, folder)
            return read_series(folder, series, path, on_notice)
    if series is not None:
        raise InputError(
            f"Series {series!r} was requested, but {path} is a file; only DICOM folders and zip files contain series."
        )
    if is_dicom_file(path):
        return read_series(path, None, on_notice=on_notice)
    if is_volume_file(path):
        return read_volume_file(path, on_notice), None
    raise InputError(
        f"{path} has an unsupported format; expected NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage "
        "(.mha, .mhd), a DICOM folder or a zip file of one."
    )

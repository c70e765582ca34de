"""Reading CT volumes from files or DICOM folders, as SimpleITK images in HU.

Files:

    files           NIfTI, NRRD and MetaImage
    headers         NRRD and MetaImage headers that contradict themselves
    integrity       checksums of their compressed data
    nifti           what SimpleITK does not check in a NIfTI header
    dicom_folder    the files of a DICOM folder
    dicom_series    which of its images can be stacked, and which series is read
    dicom_archive   the series in a part of an archive, and which of them are chest CTs to report on
    dicom_consistency
                    whether its slices belong together
    acquisition     tags that hint at how a scan was acquired
    dicom           CT series, classic and enhanced, as volumes
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

import lzma
import re
import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.runtime.disk_space import require_free_space
from reg2rg.runtime.staging import scratch_folder
from reg2rg.volumes.acquisition import copy_tags
from reg2rg.volumes.checks import as_hu_volume
from reg2rg.volumes.dicom import read_series
from reg2rg.volumes.dicom_archive import ArchivedSeries, list_series_of
from reg2rg.volumes.dicom_folder import MAXIMUM_FILES, is_dicom_file
from reg2rg.volumes.dicom_series import Series
from reg2rg.volumes.files import files_of_volume, is_volume_file, read_volume_file

__all__ = [
    "ArchivedSeries",
    "files_of_volume",
    "is_volume_file",
    "list_series_of",
    "read_volume",
    "read_volume_and_series",
]

_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError, NotImplementedError)
"""What the module zipfile raises for damaged, encrypted or unknown archives."""

_RESERVED_BYTES = 1 << 29
"""Space in the temporary folder that an unpacked archive leaves to others."""


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
            _extract(path, folder)
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


def _extract(path: Path, folder: Path) -> None:
    """Unpack a zip file, naming its folders and files by number so that no name in it can lead outside the folder."""
    folders: dict[PurePosixPath, Path] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAXIMUM_FILES:
                raise InputError(f"{path} contains more than {MAXIMUM_FILES} files; expected those of one scan.")
            require_free_space(
                folder,
                sum(member.file_size for member in members) + _RESERVED_BYTES,
                f"Unpacking {path}",
                hint="free some space, or unpack it yourself and give the folder",
            )
            for number, member in enumerate(members):
                name = PurePosixPath(member.filename)
                inside = folders.setdefault(name.parent, folder / f"{len(folders):06d}")
                inside.mkdir(exist_ok=True)
                # The name is kept as far as it is harmless: slices are recognized by it.
                target = inside / f"{number:06d}-{re.sub(r'[^A-Za-z0-9.]', '_', name.name)[-64:]}"
                with archive.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file, 1 << 20)
    except _ZIP_ERRORS as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not of the archive
            raise
        raise InputError(f"{path} cannot be unpacked as a zip file ({error}); is it complete?") from error

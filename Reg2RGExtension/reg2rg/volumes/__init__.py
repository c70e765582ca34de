"""Reading CT volumes from files or DICOM folders, as SimpleITK images in HU.

Files:

    files     NIfTI, NRRD and MetaImage
    dicom     DICOM CT series, classic and enhanced
    checks    whether an image is a chest CT, and its conversion to clean HU
    geometry  arrays on the grid of an image, voxel sizes and axis directions

This package returns images as 3-D int16 volumes (float32 if values have fractions), with values of at least -1024 HU
and without header fields, so that no patient data is passed on.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.runtime.staging import scratch_folder
from reg2rg.volumes.checks import as_hu_volume
from reg2rg.volumes.dicom import is_dicom_file, read_dicom
from reg2rg.volumes.files import is_volume_file, read_volume_file

__all__ = ["read_volume"]


def read_volume(path: Path, series: str | None = None) -> sitk.Image:
    """Read a chest CT.

    Args:
        path: a NIfTI, NRRD or MetaImage file, a DICOM folder, a zip file of one, or a multi-frame DICOM file.
        series: number or instance UID of the DICOM series to read; the CT series with the most slices if None.

    Returns:
        A 3-D image in HU, int16 or float32, with the geometry of the scan (LPS, mm).

    Raises:
        InputError: the input is not a readable 3-D chest CT. The message is one line.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a CT volume or a DICOM folder.")
    # ITK prints its warnings to standard error. Those that matter are raised as errors below.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return as_hu_volume(_read(path, series), path)


def _read(path: Path, series: str | None) -> sitk.Image:
    """Read the image at a path without checking its values."""
    if path.is_dir():
        return read_dicom(path, series)
    if path.suffix.lower() == ".zip":
        with scratch_folder() as folder:
            _extract(path, folder)
            return read_dicom(folder, series, display_path=path)
    if series is not None:
        raise InputError(
            f"Series {series!r} was requested, but {path} is a file; only DICOM folders and zip files contain series."
        )
    if is_dicom_file(path):
        return read_dicom(path, None)
    if is_volume_file(path):
        return read_volume_file(path)
    raise InputError(
        f"{path} has an unsupported format; expected NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage "
        "(.mha, .mhd), a DICOM folder or a zip file of one."
    )


def _extract(path: Path, folder: Path) -> None:
    """Unpack a zip file, naming its files by number so that no name in it can lead outside the folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(member for member in archive.infolist() if not member.is_dir()):
                with archive.open(member) as source, (folder / f"{number:06d}").open("wb") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{path} cannot be unpacked as a zip file ({error}); is it complete?") from error

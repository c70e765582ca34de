"""Volumes: a CT from a file or a DICOM folder, as a SimpleITK image in HU with its geometry.

Images that leave this room are 3-D, int16 (float32 where values have fractions), at least -1024 HU, and carry no header
fields: no patient data goes further.
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
    """Read a chest CT: NIfTI, NRRD, MetaImage, a DICOM folder, a zip of one, or a multi-frame DICOM file.

    Args:
        series: number or instance UID of the DICOM series; the CT series with most slices if None.

    Raises InputError, in one line, for anything that is not a 3-D CT.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path} does not exist; expected a CT volume or a DICOM folder.")
    # ITK's warnings go to standard error; what matters in them is raised below in words.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    return as_hu_volume(_read(path, series), path)


def _read(path: Path, series: str | None) -> sitk.Image:
    if path.is_dir():
        return read_dicom(path, series)
    if path.suffix.lower() == ".zip":
        with scratch_folder() as folder:
            _extract(path, folder)
            return read_dicom(folder, series, shown_as=path)
    if series is not None:
        raise InputError(
            f"A series ({series}) was given, but {path} is a file; only DICOM folders and zips hold series."
        )
    if is_dicom_file(path):
        return read_dicom(path, None)
    if is_volume_file(path):
        return read_volume_file(path)
    raise InputError(
        f"{path} has a format that is not read; expected NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage "
        "(.mha, .mhd), a DICOM folder or a zip of one."
    )


def _extract(path: Path, folder: Path) -> None:
    """Unpack the files of a zip under numbers of our own, so that no name in it can lead outside the folder."""
    try:
        with zipfile.ZipFile(path) as archive:
            for number, member in enumerate(member for member in archive.infolist() if not member.is_dir()):
                with archive.open(member) as source, (folder / f"{number:06d}").open("wb") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise InputError(f"{path} cannot be unpacked as a zip ({error}); is it complete?") from error

"""The CTs in a folder, found by the hashes of their voxels. Reports do not know the names of files."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.volumes import read_volume_and_series
from reg2rg.volumes.dicom_folder import is_dicom_file, read_folder
from reg2rg.volumes.dicom_series import Series, group_series
from reg2rg.volumes.files import is_volume_file
from reg2rg.volumes.voxel_hash import voxel_sha256


@dataclass(frozen=True)
class FoundCT:
    """A CT in a folder.

    Attributes:
        path: the file, or the folder of the DICOM series.
        series: UID of the DICOM series; None if it is not in a DICOM folder.
        patient: patient ID in the DICOM header; empty if there is none. It is never stored.
    """

    path: Path
    series: str | None
    patient: str


def find_cts(folder: Path, wanted: Collection[str]) -> dict[str, FoundCT]:
    """Search a folder for CTs until all are found. What cannot be read is passed over.

    Args:
        folder: a folder of volume files, zip files and DICOM series at any depth.
        wanted: hashes of voxels (``voxel_sha256``).

    Returns:
        Hash -> CT, for those that were found.

    Raises:
        InputError: the folder does not exist.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; expected the folder of the CTs that the reports were made from.")
    found: dict[str, FoundCT] = {}
    for path, uid in _candidates(folder):
        if len(found) == len(set(wanted)):
            break
        try:
            volume, series = read_volume_and_series(path, uid)
        except InputError:
            continue
        if (digest := voxel_sha256(volume)) in wanted:
            found.setdefault(digest, FoundCT(path, uid, _patient(series)))
    return found


def _candidates(top: Path) -> Iterator[tuple[Path, str | None]]:
    """Yield volume files, zip files, and DICOM folders with the UID of each series in them."""
    for parent, folders, names in os.walk(top):
        files = [file for name in sorted(names) if (file := Path(parent, name)).is_file()]
        volumes = [file for file in files if is_volume_file(file) or file.suffix.lower() == ".zip"]
        yield from ((file, None) for file in volumes if not file.name.endswith(".seg.nrrd"))
        if any(is_dicom_file(file) for file in files if file not in volumes):
            for series in group_series(read_folder(Path(parent), Path(parent)).images):
                yield Path(parent), series.uid
            folders.clear()  # a series may be spread over subfolders
        folders.sort()


def _patient(series: Series | None) -> str:
    if series is None:
        return ""
    return str(series.header.get("PatientID") or "").strip()

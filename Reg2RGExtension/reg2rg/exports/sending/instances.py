"""The DICOM files of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.volumes.dicom_folder import header_errors, is_dicom_file, read_dataset

_DIRECTORY = "1.2.840.10008.1.3.10"
"""SOP class of the table of contents of a disk (DICOMDIR), which is not an object to store."""


@dataclass(frozen=True)
class Instance:
    """A DICOM file.

    Attributes:
        file: the file.
        uid: SOP instance UID.
        sop_class: SOP class UID.
        transfer_syntax: transfer syntax UID.
    """

    file: Path
    uid: str
    sop_class: str
    transfer_syntax: str


OnStored = Callable[[Instance, str], None]
"""Called with a file that was stored, and with the code of the receiver's warning; empty if there was none."""


def find_instances(folder: Path) -> list[Instance]:
    """Return the DICOM files in a folder and its subfolders, in the order of their names. Other files are left out.

    Raises:
        InputError: there is none, or one is damaged.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; expected a folder with DICOM files.")
    found = []
    for file in sorted(file for file in folder.rglob("*") if file.is_file() and is_dicom_file(file)):
        try:
            header = read_dataset(file, stop_before_pixels=True)
            if header.file_meta.MediaStorageSOPClassUID == _DIRECTORY:
                continue
            transfer_syntax = header.file_meta.TransferSyntaxUID
            found.append(Instance(file, str(header.SOPInstanceUID), str(header.SOPClassUID), str(transfer_syntax)))
        except header_errors() as error:
            raise InputError(f"{file} cannot be read as DICOM; it is damaged. Nothing was sent.") from error
    if not found:
        raise InputError(
            f"{folder} contains no DICOM files; expected a folder written by `reg2rg export --format dicom`."
        )
    return found

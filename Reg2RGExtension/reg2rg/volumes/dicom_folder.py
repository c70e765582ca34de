"""The files of a DICOM folder: headers of its images, and files that should be images but cannot be read."""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from reg2rg.errors import InputError

if TYPE_CHECKING:  # pydicom is slow to import and needed only for DICOM
    from pydicom.dataset import Dataset

MAXIMUM_FILES = 20_000
"""Most files in a folder that is searched for a scan; whole disks and archives have more."""

_CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
"""Prefix of the SOP classes of CT images: classic, enhanced, and enhanced for legacy scans (PS3.6, annex A)."""

_DIRECTORY_STORAGE = "1.2.840.10008.1.3.10"

_PIXEL_DATA = 0x7FE00010
"""Tag of pixel data that are not floating-point numbers."""


def header_errors() -> tuple[type[Exception], ...]:
    """Return what pydicom raises for damaged headers, when it reads them or when it converts a value."""
    from pydicom.errors import BytesLengthException

    known = (OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, RuntimeError, struct.error)
    return (*known, BytesLengthException)


@dataclass(frozen=True)
class DicomImage:
    """A DICOM file with an image.

    Attributes:
        file: the file.
        header: its header.
        has_all_pixels: whether its pixel data are as long as its header says; True if they are compressed.
    """

    file: Path
    header: Dataset
    has_all_pixels: bool


@dataclass(frozen=True)
class DicomFolder:
    """What a folder contains.

    Attributes:
        images: files with an image.
        damaged: DICOM files that end too early or cannot be parsed.
        others: files that are not DICOM, or are empty.
    """

    images: Sequence[DicomImage]
    damaged: Sequence[Path]
    others: Sequence[Path]

    def unreadable(self, series: Iterable[Path]) -> list[Path]:
        """Return the files that probably belong to a series, but cannot be read.

        These are files of the series with too few pixels, damaged DICOM files, and files that are named like those of
        the series or like DICOM. Files in folders that contain images of other series only belong to those.

        Args:
            series: files of the series.
        """
        series = set(series)
        names, suffixes = {_shape(file) for file in series}, {file.suffix for file in series}
        folders = {file.parent for file in series}
        foreign = {image.file.parent for image in self.images} - folders
        missing = [
            file
            for file in self.others
            if _shape(file) in names
            or file.suffix.lower() in (".dcm", ".ima")
            or (file.suffix in suffixes and _is_empty(file))
        ]
        short = (image.file for image in self.images if not image.has_all_pixels and image.file in series)
        return sorted([*short, *(file for file in (*self.damaged, *missing) if file.parent not in foreign)])


def is_dicom_file(path: Path) -> bool:
    """Return whether a file has the DICOM prefix (PS3.10, section 7.1)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_folder(path: Path, name: Path) -> DicomFolder:
    """Read the headers in a folder and its subfolders, or in a single file.

    Args:
        path: a folder or file.
        name: path to show in messages.

    Raises:
        InputError: the folder contains too many files.
    """
    return read_files([path] if path.is_file() else _regular_files(path, name))


def read_files(files: Iterable[Path]) -> DicomFolder:
    """Read the headers of files."""
    images, damaged, others = [], [], []
    for file in files:
        header = None
        try:
            if not is_dicom_file(file):
                others.append(file)
                continue
            header, has_all_pixels = _read_header(file)
            if "Rows" in header and header.get("SeriesInstanceUID") and header.get("SOPInstanceUID"):
                images.append(DicomImage(file, header, has_all_pixels))
            elif not _has_no_image(header):
                damaged.append(file)
        except header_errors():
            damaged.append(file)
    return DicomFolder(images, damaged, others)


def some_files(files: Sequence[Path]) -> str:
    """Return the number of files and the name of the first."""
    return f"{len(files)} file{'s' if len(files) > 1 else ''} ({files[0].name}{', ...' if len(files) > 1 else ''})"


def _regular_files(folder: Path, name: Path) -> list[Path]:
    """List the files in a folder and its subfolders, without pipes and devices, which could be read forever."""
    files: list[Path] = []
    folders = 0
    for parent, _, names in os.walk(folder):
        folders += 1
        files += (Path(parent, file) for file in sorted(names))
        if len(files) > MAXIMUM_FILES or folders > MAXIMUM_FILES:
            raise InputError(
                f"{name} contains more than {MAXIMUM_FILES} files or folders; expected the folder of one scan."
            )
    return [file for file in files if file.is_file()]


def read_dataset(file: Path, stop_before_pixels: bool = False) -> Dataset:
    """Read a DICOM file, or its header only."""
    import pydicom

    with _mapped(file) as content:
        return pydicom.dcmread(content, stop_before_pixels=stop_before_pixels)


def _read_header(file: Path) -> tuple[Dataset, bool]:
    """Read the header of a DICOM file, and return it and whether all pixels follow it."""
    import pydicom

    with _mapped(file) as content:
        header = pydicom.dcmread(content, stop_before_pixels=True)
        return header, _has_all_pixels(header, content)


@contextmanager
def _mapped(file: Path) -> Iterator[BinaryIO]:
    """Map a file, which ends where the file ends. A read would allocate what a damaged length says, up to 4 GB."""
    with file.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        yield cast("BinaryIO", content)


def _has_all_pixels(header: Dataset, content: BinaryIO) -> bool:
    """Return whether the pixel data at the position of a file are long enough; GDCM fills up what is missing."""
    from pydicom.filereader import data_element_generator
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    syntax = header.file_meta.get("TransferSyntaxUID")
    if "Rows" not in header or header.get("SamplesPerPixel", 1) != 1:
        return True
    if syntax not in (ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        return True
    try:
        elements = data_element_generator(content, syntax.is_implicit_VR, syntax.is_little_endian, defer_size=1)
        pixels = next(elements, None)
        length = int(getattr(pixels, "length", 0))
        bits = header.Rows * header.Columns * int(header.get("NumberOfFrames") or 1) * header.get("BitsAllocated", 0)
    except header_errors():
        return False
    return pixels is not None and (pixels.tag != _PIXEL_DATA or 8 * length >= bits)


def _has_no_image(header: Dataset) -> bool:
    """Return whether a header is complete but has no image, as those of reports, structures and directories."""
    sop_class = str(header.get("SOPClassUID") or header.file_meta.get("MediaStorageSOPClassUID", ""))
    is_complete = sop_class == _DIRECTORY_STORAGE or (header.get("SeriesInstanceUID") and header.get("SOPInstanceUID"))
    return bool(is_complete) and not sop_class.startswith(_CT_STORAGE) and "Rows" not in header


def _shape(file: Path) -> str:
    """Return the name of a file with each number replaced: the same for all slices that a program has written."""
    return re.sub(r"\d+", "0", file.name)


def _is_empty(file: Path) -> bool:
    return file.stat().st_size == 0

"""Checksums and lengths of the compressed data in volume files; ITK reads damaged data without an error."""

from __future__ import annotations

import gzip
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy as np

from reg2rg.volumes.headers import metaimage_fields, nrrd_fields
from reg2rg.volumes.nifti import NiftiHeader

_BLOCK = 1 << 20

DAMAGED = (zlib.error, EOFError, OSError, ValueError)
"""What reading damaged compressed data raises."""


def check_regular(path: Path) -> None:
    """Raise a ValueError for empty files, and for pipes and devices, which could be read forever."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path.name} is not a regular file")
    if not status.st_size:
        raise ValueError(f"{path.name} is empty")


def open_nifti(path: Path) -> IO[bytes]:
    """Open a NIfTI file, compressed or not."""
    return cast("IO[bytes]", gzip.open(path)) if path.name.lower().endswith(".gz") else path.open("rb")


def has_length(path: Path, header: NiftiHeader) -> bool:
    """Return whether a compressed NIfTI file ends with the uncompressed length that its header requires."""
    return path.name.lower().endswith(".gz") and gzip_end(path)[1] == header.length


def has_checksum_of(voxels: np.ndarray, path: Path, header: NiftiHeader) -> bool:
    """Return whether the checksum of a compressed NIfTI file is that of voxels that were read from it.

    This proves that the file is intact, and is much faster than decompressing it once more. It is False if the voxels
    were scaled or their bytes swapped, or if the file has several parts.
    """
    if not 0 <= header.offset <= _BLOCK:
        return False
    with open_nifti(path) as file:
        start = zlib.crc32(file.read(header.offset))
    return gzip_end(path) == (zlib.crc32(voxels.data, start), header.offset + voxels.nbytes)


def gzip_end(path: Path) -> tuple[int, int]:
    """Return checksum and length of the uncompressed data, as the last bytes of a gzip file state them (RFC 1952)."""
    with path.open("rb") as file:
        file.seek(-min(8, path.stat().st_size), os.SEEK_END)
        checksum, length = struct.unpack("<II", file.read().rjust(8))
    return checksum, length


def check_nifti(path: Path, header: NiftiHeader) -> bool:
    """Verify the length of a NIfTI file and, if it is compressed, its checksums.

    Returns:
        Whether all values are numbers; ITK replaces NaN and infinity by 0.
    """
    if not path.name.lower().endswith(".gz"):
        _check_length(path.stat().st_size, header)
        if header.float_type is None:
            return True
    with open_nifti(path) as file:
        length, is_finite = 0, True
        while length < header.offset and (skipped := file.read(min(_BLOCK, header.offset - length))):
            length += len(skipped)
        for block in _blocks(file):
            if header.float_type is not None:
                count = min(len(block), max(0, header.length - length)) // header.float_type.itemsize
                is_finite &= bool(np.isfinite(np.frombuffer(block, header.float_type, count)).all())
            length += len(block)
    _check_length(length, header)
    return is_finite


def _check_length(length: int, header: NiftiHeader) -> None:
    if length < header.length:
        raise ValueError(f"it has {length} of {header.length} bytes")


def check_nrrd(path: Path) -> None:
    """Verify the compressed data of an NRRD file (https://teem.sourceforge.net/nrrd/format.html)."""
    with path.open("rb") as file:
        fields = dict(nrrd_fields(file))
        encoding = fields.get("encoding", "").lower()
        data_file = fields.get("data file", fields.get("datafile"))
        if data_file is None:
            _check_stream(encoding, file)
            return
    compressed = encoding not in ("raw", "txt", "text", "ascii", "hex")
    if (data := _data_file(path, data_file, compressed)) is not None:
        with data.open("rb") as file:
            for _ in range(int(fields.get("line skip", fields.get("lineskip", 0)))):
                file.readline()
            _check_stream(encoding, file)


def nrrd_has_space(path: Path) -> bool:
    """Return whether an NRRD file says which way its axes point."""
    with path.open("rb") as file:
        return "space" in dict(nrrd_fields(file))


def check_metaimage(path: Path) -> int | None:
    """Verify the compressed data of a MetaImage file (https://itk.org/Wiki/MetaIO/Documentation).

    Returns:
        The uncompressed length of the data, or None if they are not compressed.
    """
    with path.open("rb") as file:
        fields = dict(metaimage_fields(file))
        compressed = fields.get("compresseddata", "").lower() == "true"
        data_file = fields.get("elementdatafile", "")
        if data_file.lower() == "local":
            return _zlib_length(file) if compressed else None
    data = _data_file(path, data_file, compressed)
    if data is None or not compressed:
        return None
    with data.open("rb") as file:
        return _zlib_length(file)


def metaimage_has_orientation(path: Path) -> bool:
    """Return whether a MetaImage file says which way its axes point."""
    with path.open("rb") as file:
        return not {"transformmatrix", "rotation", "orientation"}.isdisjoint(dict(metaimage_fields(file)))


def _data_file(header: Path, name: str, compressed: bool) -> Path | None:
    """Return the data file that a header names; None if it names several, or one that ITK will not find."""
    if compressed and ("%" in name or name.upper().startswith("LIST")):
        raise ValueError("its compressed data are spread over several files, which is not supported")
    file = header.parent / name
    if not file.exists():
        return None
    check_regular(file)
    return file


def _check_stream(encoding: str, file: IO[bytes]) -> None:
    """Decompress the rest of a file, which verifies its checksums."""
    if encoding in ("gz", "gzip"):
        for _ in _blocks(gzip.GzipFile(fileobj=file)):
            pass


def _zlib_length(file: IO[bytes]) -> int:
    """Decompress the rest of a file, whose end is marked and checksum verified (RFC 1950), and return its length."""
    decompressor = zlib.decompressobj()
    length = 0
    while not decompressor.eof:
        block = file.read(_BLOCK)
        if not block:
            raise EOFError("compressed data ended before the end-of-stream marker was reached")
        while block and not decompressor.eof:
            length += len(decompressor.decompress(block, _BLOCK))
            block = decompressor.unconsumed_tail
    return length


def _blocks(file: io.BufferedIOBase | IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block

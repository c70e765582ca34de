"""Volume files: NIfTI, NRRD and MetaImage."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import SimpleITK as sitk

from reg2rg.errors import InputError

_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


def is_volume_file(path: Path) -> bool:
    """Return whether a file has the extension of a supported volume format."""
    return path.name.lower().endswith(_SUFFIXES)


def read_volume_file(path: Path) -> sitk.Image:
    """Read the image in a volume file without checking its dimension or values.

    Raises:
        InputError: the file cannot be read, or it is truncated.
    """
    try:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            _check_complete(path)
        with _silenced_stderr():
            return sitk.ReadImage(str(path))
    except (RuntimeError, OSError, EOFError, ValueError, struct.error) as error:
        raise InputError(
            f"{path} cannot be read; it is damaged, truncated, or not in the format of its name ({_reason(error)})."
        ) from error


def _reason(error: Exception) -> str:
    """Return the last non-empty line of an error message, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1].removeprefix("ITK ERROR:").split("): ", 1)[-1].rstrip(".")[:160]


def _check_complete(path: Path) -> None:
    """Raise a ValueError if a NIfTI file is shorter than its header says; ITK would read it without an error."""
    compressed = path.name.lower().endswith(".gz")
    with gzip.open(path) if compressed else path.open("rb") as file:
        expected = _nifti_length(file.read(540))
    if not compressed:
        actual = path.stat().st_size
    elif _gzip_trailer_length(path) == expected % 2**32:
        actual = expected
    else:  # truncated, or compressed in several members; only decompressing it tells which
        actual = _decompressed_length(path)
    if actual < expected:
        raise ValueError(f"it has {actual} of {expected} bytes")


def _nifti_length(header: bytes) -> int:
    """Return the uncompressed length that a NIfTI header implies (nifti1.h and nifti2.h, https://nifti.nimh.nih.gov)."""
    for order in "<>":
        size = struct.unpack_from(order + "i", header)[0]
        if size == 348:
            dimensions, bits = struct.unpack_from(order + "8h", header, 40), struct.unpack_from(order + "h", header, 72)
            offset = struct.unpack_from(order + "f", header, 108)
        elif size == 540:
            dimensions, bits = struct.unpack_from(order + "8q", header, 16), struct.unpack_from(order + "h", header, 14)
            offset = struct.unpack_from(order + "q", header, 168)
        else:
            continue
        voxels = math.prod(max(1, n) for n in dimensions[1 : 1 + dimensions[0]])
        return int(offset[0]) + voxels * bits[0] // 8
    raise ValueError("it has no NIfTI header")


def _gzip_trailer_length(path: Path) -> int:
    """Return the uncompressed length, modulo 2**32, stored in the last four bytes of a gzip file (RFC 1952, ISIZE)."""
    with path.open("rb") as file:
        file.seek(-4, os.SEEK_END)
        return struct.unpack("<I", file.read())[0]


def _decompressed_length(path: Path) -> int:
    """Return the uncompressed length of a gzip file, up to where it is truncated."""
    length = 0
    with gzip.open(path) as file, contextlib.suppress(EOFError):
        while block := file.read(1 << 20):
            length += len(block)
    return length


@contextlib.contextmanager
def _silenced_stderr() -> Iterator[None]:
    """Discard what the readers' C++ code prints to standard error; errors are also raised as exceptions."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)

"""Volume files: NIfTI, NRRD, MetaImage."""

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
    """Whether the name says that this is a volume file we read."""
    return path.name.lower().endswith(_SUFFIXES)


def read_volume_file(path: Path) -> sitk.Image:
    """The image in a volume file, as it is; InputError if it cannot be read or is cut off."""
    try:
        if path.name.lower().endswith((".nii", ".nii.gz")):
            _check_complete(path)
        with _silent_stderr():
            return sitk.ReadImage(str(path))
    except (RuntimeError, OSError, EOFError, ValueError, struct.error) as error:
        raise InputError(
            f"{path} cannot be read: it is damaged, cut off, or not what its name says ({_reason(error)})."
        ) from error


def _reason(error: Exception) -> str:
    """The last line of the message that says something, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1].removeprefix("ITK ERROR:").split("): ", 1)[-1].rstrip(".")[:160]


def _check_complete(path: Path) -> None:
    """ITK takes a NIfTI file that is cut off for whole, so its length is compared with what its header promises."""
    compressed = path.name.lower().endswith(".gz")
    with gzip.open(path) if compressed else path.open("rb") as file:
        promised = _nifti_length(file.read(540))
    if not compressed:
        held = path.stat().st_size
    else:
        with path.open("rb") as file:
            file.seek(-4, os.SEEK_END)
            held = struct.unpack("<I", file.read())[0]  # length before compression, modulo 2**32
            if held != promised % 2**32:  # cut off, or compressed in several pieces: only reading tells
                held = _decompressed_length(path)
            else:
                held = promised
    if held < promised:
        raise ValueError(f"it holds {held} of {promised} bytes")


def _nifti_length(header: bytes) -> int:
    """Bytes of a NIfTI file before compression, by its header (nifti1.h, nifti2.h)."""
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


def _decompressed_length(path: Path) -> int:
    length = 0
    with gzip.open(path) as file, contextlib.suppress(EOFError):
        while block := file.read(1 << 20):
            length += len(block)
    return length


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep quiet what the readers' C++ code writes itself; what goes wrong is raised too."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)

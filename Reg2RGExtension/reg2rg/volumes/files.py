"""Volume files: NIfTI, NRRD and MetaImage."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.runtime.staging import scratch_folder, utf8_path
from reg2rg.volumes import headers, integrity
from reg2rg.volumes.geometry import is_orthogonal
from reg2rg.volumes.nifti import HEADER_BYTES, NiftiHeader

_NIFTI_SUFFIXES = (".nii", ".nii.gz")
_NRRD_SUFFIXES = (".nrrd", ".nhdr")
_METAIMAGE_SUFFIXES = (".mha", ".mhd")

_PERMISSIVE = "ITK_NIFTI_SFORM_PERMISSIVE"
"""Environment variable that lets ITK read a NIfTI file whose axes are not perpendicular; it makes them so."""

_UNKNOWN_SIDES = (
    "{} does not say which way its axes point, so left and right, front and back, or head and feet may be swapped; "
    "check them in the result."
)


def is_volume_file(path: Path) -> bool:
    """Return whether a file has the extension of a supported volume format."""
    return path.name.lower().endswith((*_NIFTI_SUFFIXES, *_NRRD_SUFFIXES, *_METAIMAGE_SUFFIXES))


def files_of_volume(path: Path) -> tuple[Path, ...]:
    """Return the files that a volume is stored in: the given one, and those with the voxels of a detached header."""
    name = path.name.lower()
    if not name.endswith((".nhdr", ".mhd")):
        return (path,)
    try:
        with path.open("rb") as file:
            fields = dict(headers.nrrd_fields(file) if name.endswith(".nhdr") else headers.metaimage_fields(file))
    except (OSError, ValueError):
        return (path,)
    data = fields.get("data file") or fields.get("datafile") or fields.get("elementdatafile") or ""
    if data and (path.parent / data).is_file():
        return path, path.parent / data
    # Several files, whose names follow a pattern or a list in the header.
    return path, *sorted(file for file in path.parent.glob(f"{glob.escape(path.stem)}*") if file != path)


def read_volume_file(path: Path, on_notice: NoticeCallback = ignore_notice) -> sitk.Image:
    """Read the image in a volume file without checking its dimension or values.

    The axes of the image may not be perpendicular.

    Args:
        path: the file.
        on_notice: receives a message if the file does not say which way its axes point.

    Raises:
        InputError: the file cannot be read, its data are damaged, it is truncated, or it is NIfTI with values that are
            not numbers.
    """
    name = path.name.lower()
    try:
        integrity.check_regular(path)
        if name.endswith(_NIFTI_SUFFIXES):
            image, has_orientation = _read_nifti(path)
        elif name.endswith(_NRRD_SUFFIXES):
            headers.check_nrrd_header(path)
            integrity.check_nrrd(path)
            image, has_orientation = _read(path), integrity.nrrd_has_space(path)
        else:
            headers.check_metaimage_header(path)
            length = integrity.check_metaimage(path)
            image, has_orientation = _read(path), integrity.metaimage_has_orientation(path)
            expected = sitk.GetArrayViewFromImage(image).nbytes
            if length is not None and length < expected:  # ITK fills the rest with zeros
                raise ValueError(f"it has {length} of {expected} bytes of data")
        if not np.isfinite([*image.GetSpacing(), *image.GetOrigin(), *image.GetDirection()]).all():
            raise ValueError("its geometry contains values that are not numbers")
    except (RuntimeError, struct.error, *integrity.DAMAGED) as error:
        raise InputError(
            f"{path} cannot be read; it is damaged, truncated, or not in the format of its name ({_reason(error)})."
        ) from error
    if not has_orientation:
        on_notice(_UNKNOWN_SIDES.format(path.name))
    return image


def _reason(error: Exception) -> str:
    """Return the last non-empty line of an error message, shortened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return lines[-1].removeprefix("ITK ERROR:").split("): ", 1)[-1].rstrip(".")[:160]


def _read(path: Path) -> sitk.Image:
    with utf8_path(path) as readable, silenced_stderr():
        return sitk.ReadImage(readable)


def _read_nifti(path: Path) -> tuple[sitk.Image, bool]:
    """Read a NIfTI file, and return whether it says which way its axes point."""
    with integrity.open_nifti(path) as file:
        header = NiftiHeader.parse(file.read(HEADER_BYTES))
        header.check_geometry()
    image = None
    if integrity.has_length(path, header):
        with contextlib.suppress(RuntimeError):  # of a damaged file; the check below says what is wrong
            image = _read_voxels(path, header)
    if image is None or not integrity.has_checksum_of(sitk.GetArrayViewFromImage(image), path, header):
        if not integrity.check_nifti(path, header):
            raise InputError(f"{path} contains NaN or infinite values; expected a number in every voxel.")
        if image is None:
            image = _read_voxels(path, header)
    image = _without_intercept(image, header)
    if _is_rectangular(header):
        return image, header.has_orientation
    spacing = np.linalg.norm(header.axes, axis=0)
    extra = image.GetDimension() - 3
    direction = np.eye(3 + extra)
    direction[:3, :3] = header.axes / spacing
    image.SetSpacing((*spacing.tolist(), *image.GetSpacing()[3:]))
    image.SetOrigin((*header.origin.tolist(), *image.GetOrigin()[3:]))
    image.SetDirection(direction.ravel().tolist())
    return image, True


def _is_rectangular(header: NiftiHeader) -> bool:
    """Return whether ITK takes the axes of a file from its header as they are."""
    return header.sform_code <= 0 or is_orthogonal(header.axes)


def _read_voxels(path: Path, header: NiftiHeader) -> sitk.Image:
    if path.suffix.lower() == ".gz" and path.with_suffix("").exists():
        # ITK takes the header from a.nii.gz, but the voxels from a.nii beside it.
        with scratch_folder() as folder:
            return _read_voxels(Path(shutil.copyfile(path, folder / "volume.nii.gz")), header)
    if _is_rectangular(header):
        return _read(path)
    # ITK refuses such an affine matrix, or replaces it by the quaternion.
    with _environment(_PERMISSIVE, "1"):
        return _read(path)


def _without_intercept(image: sitk.Image, header: NiftiHeader) -> sitk.Image:
    """Undo what ITK adds to values that are not scaled according to the header."""
    if not header.ignored_intercept:
        return image
    stored = image - header.ignored_intercept
    return stored if header.float_type is not None else sitk.Round(stored)


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable for the duration of a block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before


@contextlib.contextmanager
def silenced_stderr() -> Iterator[None]:
    """Discard what ITK's C++ code prints to standard error."""
    kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(null)

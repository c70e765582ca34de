"""DICOM CT series, classic (one file per slice) and enhanced (one file with many frames)."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError

if TYPE_CHECKING:  # pydicom is slow to import and needed only for DICOM
    from pydicom.dataset import Dataset

GAP_TOLERANCE = 0.25
"""Largest deviation of a gap between slices, as a share of the median gap; a larger one is a missing or extra slice."""

_SHEAR_TOLERANCE = 0.1
"""Largest sideways shift from one slice to the next, as a share of the gap, plus 0.01 mm for rounding."""

_Header = tuple[Path, "Dataset"]
"""A DICOM file and its header."""


@dataclass(frozen=True)
class _Slice:
    """A slice of a series: one file, or one frame of a multi-frame file. Coordinates are LPS, in mm.

    Attributes:
        file: file that contains the slice.
        frame: index of the frame in the file.
        position: center of the first voxel, (3,).
        orientation: unit vectors along a row and along a column, (2, 3).
        spacing: voxel size along a row and along a column.
    """

    file: Path
    frame: int
    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]


def is_dicom_file(path: Path) -> bool:
    """Return whether a file has the DICOM prefix (PS3.10, section 7.1)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path, series: str | None, display_path: Path | None = None) -> sitk.Image:
    """Read a CT series.

    Args:
        path: a folder, searched recursively, or a single file.
        series: number or instance UID of the series; the CT series with the most slices if None.
        display_path: path shown in error messages instead of ``path`` if that is a temporary folder.

    Returns:
        A 3-D float32 image in HU, in patient coordinates (LPS, mm).

    Raises:
        InputError: there is no such CT series, or its slices do not form a regular grid.
    """
    name = display_path or path
    found = _find_series(path)
    if not found:
        raise InputError(f"{name} contains no DICOM images; expected a folder with a chest CT series.")
    headers = _choose_series(found, series, name)
    slices = [piece for file, header in headers for piece in _slices(file, header, name)]
    return _stack(slices, name)


def _find_series(path: Path) -> dict[str, list[_Header]]:
    """Return the headers of all DICOM images under a path, by series instance UID."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    files = [path] if path.is_file() else [Path(d) / f for d, _, names in os.walk(path) for f in sorted(names)]
    found: dict[str, list[_Header]] = defaultdict(list)
    for file in files:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except (InvalidDicomError, EOFError, OSError):
            continue  # DICOM folders contain other files as well: viewers, text, thumbnails
        if "Rows" in header:
            found[str(header.get("SeriesInstanceUID", ""))].append((file, header))
    return found


def _choose_series(found: Mapping[str, list[_Header]], series: str | None, name: Path) -> list[_Header]:
    """Return the headers of the requested series, or of the CT series with the most slices."""
    if series is not None:
        chosen = [headers for uid, headers in found.items() if series in (uid, _series_number(headers, ""))]
        if len(chosen) != 1:
            numbers = ", ".join(sorted({_series_number(headers, uid) for uid, headers in found.items()}))
            raise InputError(f"{name} contains {len(chosen) or 'no'} series {series}; expected one of: {numbers}.")
    else:
        chosen = sorted(found.values(), key=_slice_count, reverse=True)
        chosen = [headers for headers in chosen if _modality(headers) == "CT"] or chosen
    headers = chosen[0]
    if _modality(headers) != "CT":
        raise InputError(f"{name} contains images of modality {_modality(headers) or 'unknown'}; expected CT.")
    return headers


def _series_number(headers: Sequence[_Header], default: str) -> str:
    return str(headers[0][1].get("SeriesNumber", default))


def _modality(headers: Sequence[_Header]) -> str:
    return str(headers[0][1].get("Modality", ""))


def _slice_count(headers: Sequence[_Header]) -> int:
    return sum(int(header.get("NumberOfFrames", 1) or 1) for _, header in headers)


def _slices(file: Path, header: Dataset, name: Path) -> list[_Slice]:
    """Return the geometry of each slice in a file (PS3.3, C.7.6.2; functional groups of C.7.6.16 for enhanced CT)."""
    try:
        frames = header.get("PerFrameFunctionalGroupsSequence")
        if frames is None:
            return [_slice(file, 0, header, header, header)]
        shared = header.SharedFunctionalGroupsSequence[0]
        return [
            _slice(
                file,
                index,
                _functional_group("PlanePositionSequence", frame, shared),
                _functional_group("PlaneOrientationSequence", frame, shared),
                _functional_group("PixelMeasuresSequence", frame, shared),
            )
            for index, frame in enumerate(frames)
        ]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"{name} has images without position, orientation or pixel spacing; expected axial CT slices."
        ) from error


def _functional_group(keyword: str, frame: Dataset, shared: Dataset) -> Dataset:
    return (frame if keyword in frame else shared)[keyword][0]


def _slice(file: Path, frame: int, position: Dataset, orientation: Dataset, measures: Dataset) -> _Slice:
    between_rows, between_columns = map(float, measures.PixelSpacing)
    return _Slice(
        file,
        frame,
        np.array(position.ImagePositionPatient, float),
        np.array(orientation.ImageOrientationPatient, float).reshape(2, 3),
        (between_columns, between_rows),
    )


def _stack(slices: list[_Slice], name: Path) -> sitk.Image:
    """Sort slices along their normal and stack them into a volume; InputError if they do not form a regular grid."""
    first = slices[0]
    if any(not np.allclose(s.orientation, first.orientation, atol=1e-3) or s.spacing != first.spacing for s in slices):
        raise InputError(
            f"{name} has slices that differ in orientation or pixel spacing; select one series with --series."
        )
    normal = np.cross(*first.orientation)
    slices = sorted(slices, key=lambda s: float(s.position @ normal))
    if len(slices) < 2:
        raise InputError(f"{name} has a series with a single slice; expected a volume.")
    steps = np.diff([s.position for s in slices], axis=0)
    gaps = steps @ normal
    gap = float(np.median(gaps))
    if gap <= 0 or np.abs(gaps - gap).max() > GAP_TOLERANCE * gap:
        raise InputError(
            f"{name} has gaps of {gaps.min():.2f} to {gaps.max():.2f} mm between slices; expected equal gaps: slices "
            "are missing, or the series contains several scans."
        )
    if np.abs(steps - gaps[:, None] * normal).max() > _SHEAR_TOLERANCE * gap + 0.01:
        raise InputError(
            f"{name} was acquired with a tilted gantry or has shifted slices; expected slices stacked along a straight "
            "line."
        )
    image = sitk.GetImageFromArray(_voxels(slices, name))
    image.SetSpacing((*first.spacing, gap))
    image.SetOrigin(slices[0].position.tolist())
    image.SetDirection(np.stack([*first.orientation, normal], axis=1).ravel().tolist())
    return image


def _voxels(slices: Sequence[_Slice], name: Path) -> np.ndarray:
    """Read the HU of slices, float32 (z, y, x); GDCM decodes them and applies the rescale slope and intercept."""
    planes: list[np.ndarray] = []
    open_file: Path | None = None
    frames = np.empty(0)
    for piece in slices:
        if piece.file != open_file:
            try:
                frames = sitk.GetArrayFromImage(sitk.ReadImage(str(piece.file), sitk.sitkFloat32, "GDCMImageIO"))
            except RuntimeError as error:
                raise InputError(f"{name} has a slice whose pixels cannot be read; is it complete?") from error
            open_file = piece.file
        planes.append(frames[piece.frame])
    if len({plane.shape for plane in planes}) > 1:
        raise InputError(f"{name} has slices of different sizes; select one series with --series.")
    return np.stack(planes)

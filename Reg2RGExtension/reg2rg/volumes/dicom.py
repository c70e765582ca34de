"""DICOM CT series: classic (one file a slice) and enhanced (one file, many frames)."""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from reg2rg.errors import InputError

UNEVEN = 0.25
"""Share of the usual gap between slices by which one may differ: more is a missing or doubled slice."""


@dataclass(frozen=True)
class _Slice:
    """One slice, or one frame of a multi-frame file: where its first voxel lies and how its axes run (LPS, mm)."""

    file: Path
    frame: int
    position: np.ndarray
    orientation: np.ndarray  # (2, 3): along a row, along a column
    spacing: tuple[float, float]  # along a row, along a column


def is_dicom_file(path: Path) -> bool:
    """Whether the file carries DICOM's mark."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_dicom(path: Path, series: str | None, shown_as: Path | None = None) -> sitk.Image:
    """The CT series in a folder (or file) as a float32 image in HU.

    Args:
        series: series number or instance UID; the CT series with most slices if None.
        shown_as: name for messages, where ``path`` is a temporary folder.
    """
    name = shown_as or path
    found = _series(path)
    if not found:
        raise InputError(f"{name} holds no DICOM images; expected a folder with a chest CT series.")
    headers = _choose(found, series, name)
    slices = [piece for file, header in headers for piece in _slices(file, header, name)]
    return _stack(slices, name)


def _series(path: Path) -> dict[str, list[tuple[Path, Dataset]]]:
    """Headers of all DICOM images below a path, by series instance UID."""
    files = [path] if path.is_file() else [Path(d) / f for d, _, names in os.walk(path) for f in sorted(names)]
    found: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    for file in files:
        try:
            header = pydicom.dcmread(file, stop_before_pixels=True)
        except (InvalidDicomError, EOFError, OSError):
            continue  # DICOM folders hold other files too: DICOMDIR viewers, text, thumbnails
        if "Rows" in header:
            found[str(header.get("SeriesInstanceUID", ""))].append((file, header))
    return found


def _choose(found: dict, series: str | None, name: Path) -> list[tuple[Path, Dataset]]:
    if series is not None:
        chosen = [h for uid, h in found.items() if series in (uid, str(h[0][1].get("SeriesNumber", "")))]
        if len(chosen) != 1:
            numbers = ", ".join(sorted({str(h[0][1].get("SeriesNumber", uid)) for uid, h in found.items()}))
            raise InputError(f"{name} holds {len(chosen) or 'no'} series {series}; expected one of: {numbers}.")
    else:
        chosen = sorted(found.values(), key=_slice_count, reverse=True)
        chosen = [headers for headers in chosen if _modality(headers) == "CT"] or chosen
    headers = chosen[0]
    if _modality(headers) != "CT":
        raise InputError(f"{name} holds {_modality(headers) or 'no modality'} images; expected a CT.")
    return headers


def _modality(headers: list[tuple[Path, Dataset]]) -> str:
    return str(headers[0][1].get("Modality", ""))


def _slice_count(headers: list[tuple[Path, Dataset]]) -> int:
    return sum(int(header.get("NumberOfFrames", 1) or 1) for _, header in headers)


def _slices(file: Path, header: Dataset, name: Path) -> list[_Slice]:
    """Geometry of each slice in a file (PS3.3 C.7.6.2; functional groups of enhanced CT, C.7.6.16)."""
    try:
        frames = header.get("PerFrameFunctionalGroupsSequence")
        if frames is None:
            return [_slice(file, 0, header, header, header)]
        shared = header.SharedFunctionalGroupsSequence[0]
        return [
            _slice(
                file,
                index,
                _group("PlanePositionSequence", frame, shared),
                _group("PlaneOrientationSequence", frame, shared),
                _group("PixelMeasuresSequence", frame, shared),
            )
            for index, frame in enumerate(frames)
        ]
    except (AttributeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"{name} has images without position, orientation or spacing; expected axial CT slices."
        ) from error


def _group(keyword: str, frame: Dataset, shared: Dataset) -> Dataset:
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
    """Slices sorted along their normal, as one image; InputError if they do not form a regular grid."""
    first = slices[0]
    if any(not np.allclose(s.orientation, first.orientation, atol=1e-3) or s.spacing != first.spacing for s in slices):
        raise InputError(
            f"{name} has slices that differ in orientation or pixel spacing; give one series with --series."
        )
    normal = np.cross(*first.orientation)
    slices = sorted(slices, key=lambda s: float(s.position @ normal))
    if len(slices) < 2:
        raise InputError(f"{name} has a series of one slice; expected a volume.")
    steps = np.diff([s.position for s in slices], axis=0)
    gaps = steps @ normal
    gap = float(np.median(gaps))
    if gap <= 0 or np.abs(gaps - gap).max() > UNEVEN * gap:
        raise InputError(
            f"{name} has slices {gaps.min():.2f} to {gaps.max():.2f} mm apart; expected one gap throughout: slices are "
            "missing, or several scans share the series."
        )
    if np.abs(steps - gaps[:, None] * normal).max() > 0.1 * gap + 0.01:
        raise InputError(f"{name} was taken with a tilted gantry or shifted slices; expected slices stacked straight.")
    image = sitk.GetImageFromArray(_voxels(slices, name))
    image.SetSpacing((*first.spacing, gap))
    image.SetOrigin(slices[0].position.tolist())
    image.SetDirection(np.stack([*first.orientation, normal], axis=1).ravel().tolist())
    return image


def _voxels(slices: list[_Slice], name: Path) -> np.ndarray:
    """HU of the slices (z, y, x), float32; GDCM decodes them and applies each file's rescale slope and intercept."""
    planes, open_file, frames = [], None, None
    for piece in slices:
        if piece.file != open_file:
            try:
                frames = sitk.GetArrayFromImage(sitk.ReadImage(str(piece.file), sitk.sitkFloat32, "GDCMImageIO"))
            except RuntimeError as error:
                raise InputError(f"{name} has a slice whose pixels cannot be read; is it complete?") from error
            open_file = piece.file
        planes.append(frames[piece.frame])
    if len({plane.shape for plane in planes}) > 1:
        raise InputError(f"{name} has slices of different sizes; give one series with --series.")
    return np.stack(planes)

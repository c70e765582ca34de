"""The series of a DICOM folder: which of their images can be stacked, and which series is read."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reg2rg.errors import InputError
from reg2rg.volumes.dicom_folder import DicomImage, header_errors, some_files

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SPACING_TOLERANCE = 1e-3
"""Largest difference between the pixel spacings of two slices, as a share; files store it with few digits."""

ORIENTATION_TOLERANCE = 1e-3
"""Largest difference between the orientations of two slices, as cosines."""

_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
"""Prefix of the SOP classes of screenshots, such as dose pages and rendered views (PS3.6, annex A)."""

_NOT_SLICES = {
    "LOCALIZER": "localizer",
    "SCOUT": "localizer",
    "MIP": "projection",
    "MAX_IP": "projection",
    "MINIP": "projection",
    "MIN_IP": "projection",
    "PROJECTION IMAGE": "projection",
    "SCREEN SAVE": "screenshot",
}
"""Values of Image Type (0008,0008) to what such an image is."""


@dataclass(frozen=True)
class Slice:
    """A slice of a series: one file, or one frame of a multi-frame file. Coordinates are LPS, in mm.

    Attributes:
        image: file that contains the slice.
        frame: index of the frame in the file.
        position: center of the first voxel, (3,).
        orientation: unit vectors along a row and along a column, (2, 3).
        spacing: voxel size along a row and along a column.
        rescale: slope and intercept that turn stored values into HU; None if the header has none.
    """

    image: DicomImage
    frame: int
    position: np.ndarray
    orientation: np.ndarray
    spacing: tuple[float, float]
    rescale: tuple[float, float] | None

    def fits(self, other: Slice) -> bool:
        """Return whether two slices can be part of the same volume."""
        return (
            np.allclose(self.orientation, other.orientation, rtol=0, atol=ORIENTATION_TOLERANCE)
            and np.allclose(self.spacing, other.spacing, rtol=SPACING_TOLERANCE, atol=0)
            and self.shape == other.shape
        )

    @property
    def is_white_air(self) -> bool:
        """Whether low values are to be displayed as white (MONOCHROME1); GDCM inverts the values of such files."""
        return str(self.image.header.get("PhotometricInterpretation", "")) == "MONOCHROME1"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return int(self.image.header.Rows), int(self.image.header.Columns)


@dataclass
class Series:
    """A series, sorted by what its images are.

    Attributes:
        header: header of its first image.
        files: its files.
        stack: the slices of its largest volume.
        left_out: what the images that are not in the stack are, to their number.
        invalid: files whose position, orientation, pixel spacing or rescale slope is not valid.
    """

    header: Dataset
    files: list[Path]
    stack: list[Slice] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    invalid: list[Path] = field(default_factory=list)

    @property
    def uid(self) -> str:
        """The series instance UID."""
        return str(self.header.SeriesInstanceUID)

    @property
    def number(self) -> str:
        """The series number, or an empty text."""
        return _text(self.header, "SeriesNumber")

    @property
    def modality(self) -> str:
        """The modality, such as CT."""
        return _text(self.header, "Modality") or "unknown"

    @property
    def slice_count(self) -> int:
        """Number of slices, including those with an invalid position."""
        return len(self.stack) + len(self.invalid)

    def __str__(self) -> str:
        """Return number, description, size and UID for messages."""
        description = _text(self.header, "SeriesDescription")
        quoted = f' "{description}"' if description else ""
        return f"{self.number or 'without number'}{quoted} ({self.modality}, {self.slice_count} slices, UID {self.uid})"

    def describe_left_out(self) -> str:
        """Return what was left out, and how often, such as "localizer (1), color image (2)"."""
        return ", ".join(f"{kind} ({count})" for kind, count in self.left_out.items())


def _text(header: Dataset, keyword: str) -> str:
    """Return a value as printable text; empty if it is missing or damaged."""
    try:
        value = header.get(keyword)
    except header_errors():
        return ""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else "?" for character in text).strip()[:64]


def group_series(images: Sequence[DicomImage]) -> list[Series]:
    """Group images by series instance UID, and stack what can be stacked, the largest stack first."""
    by_uid: Mapping[str, list[DicomImage]] = defaultdict(list)
    for image in images:
        by_uid[str(image.header.SeriesInstanceUID)].append(image)
    return sorted(map(_sort_images, by_uid.values()), key=lambda series: series.slice_count, reverse=True)


def choose_series(found: Sequence[Series], requested: str | None, name: Path) -> Series:
    """Return the requested series, or the CT series with the most slices.

    Args:
        found: all series, the one with the most slices first.
        requested: number or instance UID of a series.
        name: path to show in messages.

    Raises:
        InputError: there is no such series, there are several, or it is not a CT that can be stacked.
    """
    if requested is not None:
        matches = [series for series in found if requested in (series.uid, series.number)]
        if len(matches) != 1:
            count = f"{len(matches)} series with the number" if matches else "no series"
            raise InputError(
                f"{name} contains {count} {requested}; expected a number or UID of one of: "
                f"{list_series(matches or found)}."
            )
    else:
        matches = [series for series in found if series.modality == "CT"] or list(found)
    series = matches[0]
    if series.modality != "CT":
        raise InputError(f"{name} contains images of modality {series.modality}; expected CT.")
    if series.invalid:
        raise InputError(
            f"{name} has slices whose position, orientation, pixel spacing or rescale slope is not valid "
            f"({some_files(series.invalid)}); expected numbers in all of them."
        )
    if len(series.stack) < 2:
        found_instead = series.describe_left_out() or "a single slice"
        raise InputError(f"{name} has no slices that can be stacked, but {found_instead}; expected axial CT slices.")
    return series


def list_series(series: Sequence[Series]) -> str:
    """Return series for a message, the first ten."""
    more = f"; and {len(series) - 10} more" if len(series) > 10 else ""
    return "; ".join(map(str, series[:10])) + more


def _sort_images(images: Sequence[DicomImage]) -> Series:
    """Make a series of its images."""
    series = Series(images[0].header, [image.file for image in images])
    stacks: list[list[Slice]] = []
    seen: set[tuple[str, int, tuple[float, ...]]] = set()
    for image in images:
        try:
            kind = _kind(image.header)
            slices = _slices(image) if kind is None else []
            if slices and min(slices[0].shape) < 1:
                raise ValueError("it has no pixels")
        except header_errors():
            series.invalid.append(image.file)
            continue
        if kind is not None:
            series.left_out[kind] += 1
            continue
        # Anonymizers may give all slices the same instance UID, so the position counts as well.
        identity = (str(image.header.SOPInstanceUID), len(slices), tuple(slices[0].position))
        if identity in seen:
            series.left_out["copy of another file"] += 1
            continue
        seen.add(identity)
        for piece in slices:
            stack = next((stack for stack in stacks if stack[0].fits(piece)), None)
            if stack is None:
                stacks.append([piece])
            else:
                stack.append(piece)
    stacks.sort(key=len, reverse=True)
    if stacks:
        series.stack = stacks[0]
    if rest := sum(map(len, stacks[1:])):
        series.left_out["slice of another orientation or size"] = rest
    return series


def _kind(header: Dataset) -> str | None:
    """Return what an image is if it is not part of a stack."""
    frames = int(header.get("NumberOfFrames") or 1)
    if str(header.get("SOPClassUID", "")).startswith(_SECONDARY_CAPTURE):
        return "secondary capture"
    image_type = header.get("ImageType") or ()
    for value in [image_type] if isinstance(image_type, str) else image_type:
        if str(value).upper() in _NOT_SLICES:
            return _NOT_SLICES[str(value).upper()]
    if header.get("SamplesPerPixel", 1) != 1:
        return "color image"
    if "PerFrameFunctionalGroupsSequence" in header:
        return None
    if frames > 1:
        return "multi-frame image without a position for each frame"
    if not any(header.get(keyword) for keyword in ("ImagePositionPatient", "ImageOrientationPatient")):
        return "image without position and orientation"
    return None


def _slices(image: DicomImage) -> list[Slice]:
    """Geometry of each slice in a file (PS3.3, C.7.6.2; for enhanced CT the functional groups of C.7.6.16)."""
    header = image.header
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if frames is None:
        return [_slice(image, 0, header, header, header, header)]
    shared = (header.get("SharedFunctionalGroupsSequence") or [None])[0]
    if not frames or len(frames) != int(header.get("NumberOfFrames") or 1):
        raise ValueError("the number of frames is not that of their positions")
    return [
        _slice(
            image,
            index,
            _functional_group("PlanePositionSequence", frame, shared),
            _functional_group("PlaneOrientationSequence", frame, shared),
            _functional_group("PixelMeasuresSequence", frame, shared),
            _functional_group("PixelValueTransformationSequence", frame, shared, required=False),
        )
        for index, frame in enumerate(frames)
    ]


def _functional_group(keyword: str, frame: Dataset, shared: Dataset | None, required: bool = True) -> Dataset:
    """Return the group of a frame, or the one that all frames share."""
    for groups in (frame, shared):
        if groups is not None and keyword in groups:
            return groups[keyword][0]
    if required:
        raise KeyError(keyword)
    return frame  # which has none of the values


def _slice(
    image: DicomImage, frame: int, position: Dataset, orientation: Dataset, measures: Dataset, rescale: Dataset
) -> Slice:
    """Make a slice; a ValueError says that its geometry is not valid."""
    between_rows, between_columns = map(float, measures.PixelSpacing)
    cosines = np.array(orientation.ImageOrientationPatient, float).reshape(2, 3)
    corner = np.array(position.ImagePositionPatient, float).reshape(3)
    if not (np.isfinite(corner).all() and np.allclose(cosines @ cosines.T, np.eye(2), rtol=0, atol=1e-2)):
        raise ValueError("the position or orientation is not valid")
    if not (0 < between_rows < np.inf and 0 < between_columns < np.inf):
        raise ValueError("the pixel spacing is not valid")
    slope, intercept = rescale.get("RescaleSlope"), rescale.get("RescaleIntercept")
    values = None if slope is None or intercept is None else (float(slope), float(intercept))
    if values is not None and not (np.isfinite(values).all() and values[0]):
        raise ValueError("the rescale slope or intercept is not valid")
    return Slice(image, frame, corner, cosines, (between_columns, between_rows), values)

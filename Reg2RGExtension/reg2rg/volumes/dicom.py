"""DICOM CT series, classic (one file per slice) and enhanced (one file with many frames), as volumes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.runtime.staging import utf8_path
from reg2rg.volumes.acquisition import set_tags
from reg2rg.volumes.dicom_consistency import check_continuity, check_gaps, check_rescale, describe_gaps
from reg2rg.volumes.dicom_folder import DicomImage, header_errors, read_dataset, read_folder, some_files
from reg2rg.volumes.dicom_series import Series, Slice, choose_series, group_series, list_series
from reg2rg.volumes.geometry import orthogonal_axes
from reg2rg.volumes.resampling import even_slices, is_sheared

GRID_TOLERANCE, ROUNDING_MM = 0.05, 0.1
"""Largest distance of a slice from its place on an even grid, as a share of the gap and in mm, whichever is larger."""

EXACT_MM = 0.01
"""Largest distance of a slice from its place if positions are stored with enough digits."""


SELECT_SERIES = "select one with --series"
"""How the notice about several series ends; whoever has no such option says something else."""


def read_series(
    path: Path, series: str | None, name: Path | None = None, on_notice: NoticeCallback = ignore_notice
) -> tuple[sitk.Image, Series]:
    """Read a CT series.

    Args:
        path: a folder, searched recursively, or a single file.
        series: number or instance UID of the series; the CT series with the most slices if None.
        name: path shown in messages instead of ``path``, if that is a temporary folder.
        on_notice: receives messages about what was chosen, left out or changed.

    Returns:
        A 3-D float32 image in HU, in patient coordinates (LPS, mm), with the tags of AcquisitionTags, and the headers
        of the series. If the gantry was tilted, the axes of the image are not perpendicular.

    Raises:
        InputError: there is no such CT series, files of it cannot be read, or its slices do not form a volume.
    """
    name = name or path
    folder = read_folder(path, name)
    found = group_series(folder.images)
    if not found:
        unreadable = folder.unreadable([])
        reason = f", but {some_files(unreadable)} that cannot be read" if unreadable else ""
        raise InputError(f"{name} contains no DICOM images{reason}; expected a folder with a chest CT series.")
    chosen = choose_series(found, series, name)
    if unreadable := folder.unreadable(chosen.files):
        raise InputError(
            f"{name} contains {some_files(unreadable)} that cannot be read (empty, cut off or damaged); expected all "
            "slices: copy the folder again, or remove these files if they are not slices."
        )
    others = [other for other in found if other is not chosen and other.modality == "CT" and len(other.stack) > 1]
    if others and series is None:
        on_notice(
            f"Read series {chosen}, the CT with the most slices. {name.name} also contains {list_series(others)}; "
            f"{SELECT_SERIES}."
        )
    if chosen.left_out:
        count = sum(chosen.left_out.values())
        images = count + len(chosen.stack)
        on_notice(
            f"Left out {count} of the {images} images of series {chosen.number or chosen.uid}: "
            f"{chosen.describe_left_out()}."
        )
    if chosen.stack[0].is_white_air:
        on_notice(
            f"The slices of {name.name} are marked MONOCHROME1 (low values are white); this concerns only their "
            "display, so their values were read as they are stored."
        )
    image = _stack(chosen.stack, name, on_notice)
    set_tags(image, chosen.stack[0].image.header)
    return image, chosen


def _stack(slices: Sequence[Slice], name: Path, on_notice: NoticeCallback) -> sitk.Image:
    """Stack slices into a volume on an even grid."""
    orientation = slices[0].orientation
    normal = np.cross(*orientation)
    normal /= np.linalg.norm(normal)
    slices = sorted(slices, key=lambda piece: float(piece.position @ normal))
    positions = np.array([piece.position for piece in slices])
    along = positions @ normal
    check_gaps(along, name)
    check_rescale(slices, name)
    slope, offset = np.polyfit(along, positions - along[:, None] * normal, 1)
    step = normal + slope  # 1 mm along the normal, and sideways as far as the slices are shifted
    sideways = np.linalg.norm(positions - along[:, None] * step - offset, axis=1).max()
    if sideways > max(ROUNDING_MM, 0.25 * min(slices[0].spacing)):
        raise InputError(
            f"{name} has slices that are shifted sideways by up to {sideways:.1f} mm; expected slices stacked along a "
            "straight line."
        )
    voxels = _voxels(slices, name)
    check_continuity(voxels, slices, name)
    start, gap, deviation = _even_grid(along)
    if notice := describe_gaps(slices, gap, name):
        on_notice(notice)
    if deviation > max(ROUNDING_MM, GRID_TOLERANCE * gap):
        gaps = np.diff(along)
        voxels, gap = even_slices(voxels, along)
        start = float(along[0])
        on_notice(
            f"The slices of {name.name} have gaps of {gaps.min():.2f} to {gaps.max():.2f} mm; they were resampled to "
            f"even gaps of {gap:.2f} mm."
        )
    direction = np.stack([*orientation, step / np.linalg.norm(step)], axis=1)
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing((*slices[0].spacing, gap * float(np.linalg.norm(step))))
    image.SetOrigin((positions[0] + (start - along[0]) * step).tolist())
    image.SetDirection(direction.ravel().tolist())
    if not is_sheared(image):
        image.SetSpacing((*slices[0].spacing, gap))
        image.SetDirection(orthogonal_axes(direction).ravel().tolist())
    return image


def _even_grid(along: np.ndarray) -> tuple[float, float, float]:
    """Return first position and gap of the even grid that fits best, and the largest distance of a slice from it."""
    indices = np.arange(len(along))
    start, gap = float(along[0]), float(np.median(np.diff(along)))
    deviation = float(np.abs(start + gap * indices - along).max())
    if deviation > EXACT_MM:  # positions are rounded, or gaps are uneven
        gap, start = map(float, np.polyfit(indices, along, 1))
        deviation = float(np.abs(start + gap * indices - along).max())
    return start, gap, deviation


def _voxels(slices: Sequence[Slice], name: Path) -> np.ndarray:
    """Read the HU of slices, float32 (z, y, x)."""
    voxels = np.empty((len(slices), *slices[0].shape), np.float32)
    by_file: dict[Path, list[int]] = defaultdict(list)
    for index, piece in enumerate(slices):
        by_file[piece.image.file].append(index)
    for indices in by_file.values():
        voxels[indices] = _frames([slices[index] for index in indices], name)
    return voxels


def _frames(slices: Sequence[Slice], name: Path) -> np.ndarray:
    """Read the HU of slices in the same file, (n, y, x)."""
    image, numbers = slices[0].image, [piece.frame for piece in slices]
    if len({piece.rescale for piece in slices}) == 1 and not slices[0].is_white_air:
        return _hu_frames(image, name)[numbers]
    rescales = [piece.rescale or (1.0, 0.0) for piece in slices]
    slopes, intercepts = np.array(rescales, np.float32).T[:, :, None, None]
    return _stored_frames(image, name)[numbers] * slopes + intercepts


def _hu_frames(image: DicomImage, name: Path) -> np.ndarray:
    """Decode the frames of a file with GDCM, which applies the rescale slope and intercept that all of them share."""
    try:
        with utf8_path(image.file) as file:
            frames = sitk.GetArrayFromImage(sitk.ReadImage(file, sitk.sitkFloat32, "GDCMImageIO"))
    except RuntimeError as error:
        raise _pixel_error(image, name) from error
    return frames


def _stored_frames(image: DicomImage, name: Path) -> np.ndarray:
    """Decode the frames of a file without rescaling them; GDCM would use the slope and intercept of the first."""
    try:
        pixels = read_dataset(image.file).pixel_array.astype(np.float32)
        return pixels if pixels.ndim == 3 else pixels[None]
    except header_errors() as error:
        raise _pixel_error(image, name) from error


def _pixel_error(image: DicomImage, name: Path) -> InputError:
    return InputError(f"{name} has a slice whose pixels cannot be read ({image.file.name}); is it complete?")

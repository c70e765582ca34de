"""Whether the slices of a DICOM series belong together: their gaps, and the values that turn them into HU."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reg2rg.errors import InputError
from reg2rg.volumes.dicom_folder import header_errors, some_files
from reg2rg.volumes.dicom_series import Slice

GAP_TOLERANCE = 0.5
"""Largest deviation of a gap between slices, as a share of the median gap; a larger one is a missing or extra slice."""

WIDE_GAP = 1.5
"""Gap between slices, as a multiple of their thickness, from which on tissue between them is not in the scan."""

MINIMUM_JUMP_HU = 20.0
"""Smallest difference of rescale values that shows as a jump; from slice to slice, tissue changes by a few HU."""

JUMP_TOLERANCE = 0.25
"""Largest deviation of a jump from the difference of the rescale values that explains it, as a share."""


def check_gaps(along: np.ndarray, name: Path) -> None:
    """Raise an InputError if slices are missing or lie on each other.

    Args:
        along: positions of the slices along their normal, in order, in mm.
        name: path to show in messages.
    """
    gaps = np.diff(along)
    typical = float(np.median(gaps))
    if typical <= 0 or np.abs(gaps - typical).max() > GAP_TOLERANCE * typical:
        raise InputError(
            f"{name} has gaps of {gaps.min():.2f} to {gaps.max():.2f} mm between slices; expected equal gaps: slices "
            "are missing, or the series contains several scans."
        )


def describe_gaps(slices: Sequence[Slice], gap: float, name: Path) -> str | None:
    """Return a notice if all gaps are equal but wider than the slices, as if every other slice were missing."""
    thickness = _number(slices[0], "SliceThickness")
    numbers = np.array([_number(piece, "InstanceNumber") for piece in slices])
    steps = np.abs(np.diff(numbers))
    step = int(steps[0]) if np.isfinite(steps).all() and np.ptp(steps) == 0 else 1
    if gap <= WIDE_GAP * thickness or not (thickness > 0 or step > 1):
        return None
    width = f" but are {thickness:g} mm thick" if thickness > 0 else ""
    count = f", and their instance numbers go up by {step}: slices may be missing" if step > 1 else ""
    return f"The slices of {name.name} are {gap:g} mm apart{width}{count}. What lies between them is not in the scan."


def _number(piece: Slice, keyword: str) -> float:
    """Return a number in the header of a slice; NaN if there is none."""
    try:
        return float(piece.image.header.get(keyword))
    except header_errors():
        return float("nan")


def check_rescale(slices: Sequence[Slice], name: Path) -> None:
    """Raise an InputError if some slices have no rescale slope or intercept, and others have both."""
    without = sorted({piece.image.file for piece in slices if piece.rescale is None})
    if without and any(piece.rescale is not None for piece in slices):
        raise InputError(
            f"{name} has slices without a rescale slope or intercept ({some_files(without)}), although others have "
            "both; expected both in all slices: export the series again, or remove these files."
        )


def check_continuity(hu: np.ndarray, slices: Sequence[Slice], name: Path) -> None:
    """Raise an InputError if rescale values differ between neighboring slices whose voxels contradict the difference.

    Different values are valid, and usual in PET-CT. But HU that would continue without the difference, and jump with
    it, are wrong on one side.

    Args:
        hu: HU of the slices, (z, y, x).
        slices: the slices in the same order.
        name: path to show in messages.
    """
    for index, (lower, upper) in enumerate(zip(slices[:-1], slices[1:], strict=True)):
        if lower.rescale == upper.rescale or lower.rescale is None or upper.rescale is None:
            continue
        below, above = hu[index], hu[index + 1]
        # Padding is often the smallest value that can be stored, whatever it is in HU.
        is_tissue = (below > below.min()) & (above > above.min())
        if not is_tissue.any():
            continue
        below, above = below[is_tissue], above[is_tissue]
        (slope, intercept), (upper_slope, upper_intercept) = lower.rescale, upper.rescale
        alike = (above - upper_intercept) / upper_slope * slope + intercept  # as if both had the same values
        difference, jump = float(np.median(above - alike)), float(np.median(above - below))
        if abs(difference) >= MINIMUM_JUMP_HU and abs(jump - difference) < JUMP_TOLERANCE * abs(difference):
            raise InputError(
                f"{name} has slices whose rescale slope or intercept is wrong: between {lower.image.file.name} "
                f"(intercept {intercept:g}) and {upper.image.file.name} (intercept {upper_intercept:g}), HU jump by "
                f"{abs(jump):.0f}; expected values that continue. Export the series again."
            )

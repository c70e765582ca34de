"""The series in a part of a DICOM archive. Only a few words are kept of their headers, because archives are large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reg2rg.volumes.checks import MINIMUM_SLICES
from reg2rg.volumes.dicom_folder import read_files
from reg2rg.volumes.dicom_series import Series, group_series

_REFORMATTED = {"REFORMATTED", "MPR", "CPR", "CURVED", "OBLIQUE", "VRT"}
"""Words in Image Type (0008,0008) of slices that were computed from those of another series."""

_AXIAL_COSINE = 0.7
"""Smallest cosine between the body's axis and the normal of axial slices; the gantry tilts by up to 30 degrees."""


@dataclass(frozen=True)
class ArchivedSeries:
    """A series, or the part of it that is in one folder.

    Attributes:
        uid: its instance UID.
        files: its files, and damaged ones that may belong to it.
        modality: its modality, such as CT.
        slice_count: number of slices that may be part of a volume.
        left_out: what its other images are, to their number.
        reformatted: whether its slices were computed from those of another series, or are not axial.
    """

    uid: str
    files: tuple[Path, ...]
    modality: str
    slice_count: int
    left_out: Counter[str]
    reformatted: bool

    @property
    def reason_to_leave_out(self) -> str | None:
        """Why no report is written about it; None if it is a scan."""
        if self.modality != "CT":
            return "not CT"
        if self.slice_count < MINIMUM_SLICES:
            return self.left_out.most_common(1)[0][0] if self.left_out else f"fewer than {MINIMUM_SLICES} slices"
        return "reformat" if self.reformatted else None

    def with_part(self, other: ArchivedSeries) -> ArchivedSeries:
        """Return the series together with a part of it in another folder."""
        return ArchivedSeries(
            self.uid,
            tuple(sorted({*self.files, *other.files})),
            self.modality,
            self.slice_count + other.slice_count,
            self.left_out + other.left_out,
            self.reformatted or other.reformatted,
        )


def list_series_of(files: Iterable[Path]) -> tuple[list[ArchivedSeries], Counter[str]]:
    """Read the headers of files.

    Args:
        files: the files of one folder. All of their headers are in memory at the same time.

    Returns:
        The series, and what the files that do not belong to a series are, to their number.
    """
    folder = read_files(files)
    found = [
        ArchivedSeries(
            series.uid,
            tuple(sorted({*series.files, *folder.unreadable(series.files)})),
            series.modality,
            series.slice_count,
            series.left_out,
            _is_reformatted(series),
        )
        for series in group_series(folder.images)
    ]
    used = {file for series in found for file in series.files}
    rest = Counter(
        {
            "damaged DICOM file": len(set(folder.damaged) - used),
            "other file": len(set(folder.others) - used),
        }
    )
    return found, +rest


def _is_reformatted(series: Series) -> bool:
    if not series.stack:
        return False
    image_type = series.stack[0].image.header.get("ImageType") or ()
    values: Sequence[str] = [image_type] if isinstance(image_type, str) else image_type
    if not _REFORMATTED.isdisjoint(word for value in values for word in str(value).upper().split()):
        return True
    return abs(float(np.cross(*series.stack[0].orientation)[2])) < _AXIAL_COSINE

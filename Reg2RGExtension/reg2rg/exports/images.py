"""The images of a report, as an export is given them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Images:
    """The images of a report. Each format uses what it needs.

    Attributes:
        ct: the CT that the report was made from: a file, or a folder with a DICOM series.
        study: DICOM keyword -> value, what is known of patient and study if the CT has no DICOM headers.
        dicomweb: address of the DICOMweb service that stores the images.
    """

    ct: Path | None = None
    study: Mapping[str, str] = field(default_factory=dict)
    dicomweb: str | None = None

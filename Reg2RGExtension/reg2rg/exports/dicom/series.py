"""What all objects of a report have in common: study, series, UIDs, device, state and dates.

UIDs follow from the report, or from its signature once it is signed, and from the series of the CT. The same report
exported twice gives the same objects, so sending it again adds nothing, and an addendum knows the objects it replaces.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import unicodedata
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from reg2rg.about import __version__
from reg2rg.exports.dicom.codes import private_scheme
from reg2rg.exports.dicom.source import Source
from reg2rg.report import Content, Report, report_content

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MANUFACTURER, DEVICE = "Reg2RG for 3D Slicer", "Reg2RG"

CHARACTER_SET = "ISO_IR 192"
"""UTF-8."""

_MAXIMUM_DESCRIPTION, _MAXIMUM_NAME = 64, 64


class Kind(Enum):
    """The objects of a report: number of their series, name of their file, and description."""

    REGIONS = (9001, "regions", "Regions")
    STRUCTURES = (9002, "structures", "Structures")
    FINDINGS = (9003, "findings", "Findings")
    NARRATIVE = (9004, "report", "Chest CT report")
    MEASUREMENTS = (9005, "measurements", "Measurements")
    PDF = (9006, "pdf", "Report (PDF)")

    @property
    def number(self) -> int:
        """Number of the series. Each object has a series of its own, because viewers show one object per series."""
        return self.value[0]

    @property
    def file(self) -> str:
        """Name of the file, without extension."""
        return self.value[1]

    @property
    def description(self) -> str:
        """Description of the series."""
        return self.value[2]


@dataclass(frozen=True)
class Origin:
    """Where the objects of an export come from.

    Attributes:
        report: the report.
        content: its content.
        source: the series it is about.
    """

    report: Report
    content: Content
    source: Source

    @classmethod
    def of(cls, report: Report, source: Source) -> Origin:
        """Return the origin of the objects of a report."""
        return cls(report, report_content(report), source)

    @property
    def signed(self) -> bool:
        """Whether the report is signed."""
        return self.content.signature is not None

    @functools.cached_property
    def identity(self) -> str:
        """What the UIDs are derived from."""
        signature = self.content.signature
        return signature.content_sha256 if signature else hashlib.sha256(self.report.to_json().encode()).hexdigest()

    @property
    def time(self) -> datetime.datetime:
        """When the report was signed or, for a draft, created; in local time, as in all of DICOM."""
        signature = self.content.signature
        text = signature.time if signature else self.report.provenance.created
        return datetime.datetime.fromisoformat(text).astimezone()

    @property
    def reader(self) -> str | None:
        """Name of the person who signed, as a DICOM person name; None for a draft."""
        return person_name(self.content.signature.reviewer) if self.content.signature else None

    def uid(self, *purpose: str, identity: str | None = None) -> str:
        """Return the UID for a purpose, such as ("regions", "series").

        Args:
            purpose: what the UID is for.
            identity: signature of another version of the report; this version if None.
        """
        from pydicom.uid import generate_uid

        series = str(self.source.headers[0].SeriesInstanceUID)
        return str(generate_uid(entropy_srcs=[identity or self.identity, series, *purpose]))

    def description(self, kind: Kind) -> str:
        """Return the description of a series; that of a draft ends with the beginning of its label."""
        label = f", {self.content.banner.partition('.')[0]}" if self.content.banner else ""
        return f"{kind.description}{label}"[:_MAXIMUM_DESCRIPTION]

    def series(self, kind: Kind) -> dict[str, Any]:
        """Return the arguments that all classes of highdicom take."""
        return {
            "series_instance_uid": self.uid(kind.file, "series"),
            "series_number": kind.number,
            "sop_instance_uid": self.uid(kind.file, "instance"),
            "instance_number": 1,
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": DEVICE,
            "software_versions": __version__,
            "device_serial_number": self.report.provenance.model_sha256[:_MAXIMUM_NAME],
            "series_description": self.description(kind),
            "content_date": self.time.date(),
            "content_time": self.time.time(),
            "coding_schemes": [private_scheme()],
            "specific_character_set": CHARACTER_SET,
        }


def finish(dataset: Dataset, origin: Origin) -> Dataset:
    """Set what the classes of highdicom take from the clock, or from a source in another character set."""
    dataset.SpecificCharacterSet = CHARACTER_SET
    dataset.InstanceCreationDate = f"{origin.time:%Y%m%d}"
    dataset.InstanceCreationTime = f"{origin.time:%H%M%S}"
    for equipment in dataset.get("ContributingEquipmentSequence", [])[-1:]:  # the library, which adds itself last
        equipment.ContributionDateTime = f"{origin.time:%Y%m%d%H%M%S}"
    return dataset


def person_name(name: str) -> str:
    """Return a name in one line as a DICOM person name, all of it in the first component."""
    return plain(name).translate(str.maketrans("^=\\", "   "))[: _MAXIMUM_NAME - 1].strip() + "^"


def plain(text: str) -> str:
    """Return a text without characters that DICOM does not allow in texts; line breaks are kept (PS3.5, 6.2)."""
    kept = (c for c in text.replace("\r\n", "\n") if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    return "".join(kept)

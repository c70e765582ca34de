"""What both structured reports have in common: who observed, how the document is marked, and references."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reg2rg.exports.dicom.codes import side_code
from reg2rg.exports.dicom.segments import Segment, segment_key
from reg2rg.exports.dicom.series import DEVICE, MANUFACTURER, Kind, Origin, finish
from reg2rg.measurements import Measurement
from reg2rg.measurements.reviewing import finding_key
from reg2rg.report import ContentSection

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import LanguageOfContentItemAndDescendants, ObservationContext
    from pydicom.dataset import Dataset
    from pydicom.sr.coding import Code


@dataclass(frozen=True)
class SegmentReference:
    """Where a segment is stored.

    Attributes:
        segmentation: the DICOM segmentation.
        number: number of the segment in it.
        segment: the segment.
    """

    segmentation: Segmentation
    number: int
    segment: Segment


def references(segmentation: Segmentation, segments: Sequence[Segment]) -> dict[str, SegmentReference]:
    """Return key -> reference of the segments of a segmentation."""
    return {each.key: SegmentReference(segmentation, number, each) for number, each in enumerate(segments, 1)}


def measured_segment(
    section: ContentSection, measurement: Measurement, segments: Mapping[str, SegmentReference]
) -> SegmentReference | None:
    """Return the segment that a measurement is about: a finding, a structure, or else the region.

    A number about several structures is a number about the region.
    """
    sizes = {finding_key(section.region, f.label): f.segment for f in section.findings if f.segment}
    finding = sizes.get(measurement.key)
    keys = [segment_key(Kind.FINDINGS, finding)] if finding else []
    keys += [segment_key(Kind.STRUCTURES, name) for name in measurement.structures if len(measurement.structures) == 1]
    keys.append(segment_key(Kind.REGIONS, section.region))
    return next((segments[key] for key in keys if key in segments), None)


def observers(origin: Origin) -> ObservationContext:
    """Return the observers of a report: the device, and the person who signed it."""
    from highdicom.sr import (
        DeviceObserverIdentifyingAttributes,
        ObservationContext,
        ObserverContext,
        PersonObserverIdentifyingAttributes,
    )
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    model = origin.report.provenance.model_sha256
    device = DeviceObserverIdentifyingAttributes(
        uid=generate_uid(entropy_srcs=["device", model]),
        name=DEVICE,
        manufacturer_name=MANUFACTURER,
        model_name=DEVICE,
        serial_number=model,
    )
    person = None
    if origin.reader is not None:
        name = PersonObserverIdentifyingAttributes(origin.reader)
        person = ObserverContext(codes.DCM.Person, name)
    return ObservationContext(person, ObserverContext(codes.DCM.Device, device))


def language() -> LanguageOfContentItemAndDescendants:
    """Return the language of the reports, American English (TID 1204)."""
    from highdicom.sr import CodedConcept, LanguageOfContentItemAndDescendants

    return LanguageOfContentItemAndDescendants(CodedConcept("en-US", "RFC5646", "English (United States)"))


def procedure() -> Code:
    """Return the code of the procedure that is reported."""
    from pydicom.sr.coding import Code

    return Code("169069000", "SCT", "CT of chest")


def document(origin: Origin, kind: Kind, evidence: Sequence[Dataset]) -> dict[str, Any]:
    """Return the arguments of highdicom's classes of structured reports.

    Args:
        origin: the report and its source.
        kind: which structured report it is.
        evidence: the objects that its content may refer to besides the slices of the source.
    """
    signed = origin.signed
    return {
        "evidence": [*origin.source.headers, *evidence],
        "is_complete": signed,
        "is_final": signed,
        "is_verified": signed,
        "verifying_observer_name": origin.reader,
        "verifying_organization": "unknown" if signed else None,
        "previous_versions": _previous(origin, kind),
        **origin.series(kind),
    }


def finish_document(dataset: Dataset, origin: Origin) -> Dataset:
    """Set the dates of a structured report."""
    signature = origin.content.signature
    for observer in dataset.get("VerifyingObserverSequence", ()):
        assert signature is not None, "only signed reports have a verifying observer"
        time = datetime.datetime.fromisoformat(signature.time).astimezone(datetime.timezone.utc)
        observer.VerificationDateTime = f"{time:%Y%m%d%H%M%S}+0000"
    return finish(dataset, origin)


def _previous(origin: Origin, kind: Kind) -> list[Dataset] | None:
    """Return what an addendum amends: the document of the version that was signed before."""
    from pydicom.dataset import Dataset
    from pydicom.uid import Comprehensive3DSRStorage, EnhancedSRStorage

    amends = origin.content.amends
    if amends is None or not origin.signed:
        return None
    earlier = Dataset()
    earlier.StudyInstanceUID = origin.source.headers[0].StudyInstanceUID
    earlier.SOPClassUID = EnhancedSRStorage if kind is Kind.NARRATIVE else Comprehensive3DSRStorage
    earlier.SeriesInstanceUID = origin.uid(kind.file, "series", identity=amends.content_sha256)
    earlier.SOPInstanceUID = origin.uid(kind.file, "instance", identity=amends.content_sha256)
    return [earlier]


def side_of(part: str) -> Code | None:
    """Return the side that the name of a part begins with, such as "right lung"."""
    return side_code(part.partition(" ")[0])

"""The measurements of a report as a structured report, TID 1500 Measurement Report (PS3.16).

Each region, structure and finding with a segment is a volumetric ROI that refers to its segment. A distance is a group
of its own, inferred from the segment and the line it was measured along, because measurements of a ROI have no
coordinates of their own. Numbers keep their uncertainty and the conditions that were not met.

Each group has coordinates on a slice: the line or, if there is none that lies in a slice, the center. OHIF shows
nothing of a document in which a group has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reg2rg.exports.dicom.codes import measure_code, region_code, structure_codes, unit_code
from reg2rg.exports.dicom.coordinates import center_of_line, center_of_mask, line_coordinates
from reg2rg.exports.dicom.segmentation import algorithm, tracking_uid
from reg2rg.exports.dicom.segments import Segment, segment_key
from reg2rg.exports.dicom.series import Kind, Origin, plain
from reg2rg.exports.dicom.structured_report import (
    SegmentReference,
    document,
    finish_document,
    language,
    measured_segment,
    observers,
    procedure,
    side_of,
)
from reg2rg.measurements import Measurement
from reg2rg.regions import get_region
from reg2rg.report import ContentSection
from reg2rg.segmentation.structures import STRUCTURE_REGIONS

if TYPE_CHECKING:
    from highdicom import sr

_WITH_AXES = ("finding_diameter", "finding_extent")
"""Measures whose lines are the axes of a finding."""


def make_measurement_report(origin: Origin, segments: Mapping[str, SegmentReference]) -> sr.Comprehensive3DSR:
    """Return the measurements of a report as a Comprehensive 3D SR document.

    Args:
        origin: the report and its source.
        segments: key -> segment that was measured.
    """
    from highdicom import sr
    from pydicom.sr.codedict import codes

    groups: list[Any] = []
    by_segment: dict[str, list[sr.Measurement]] = {key: [] for key in segments}
    for section in origin.content.sections:
        for key, item in _of_section(origin, section, segments):
            by_segment[key].append(item)
        for measurement in section.measurements:
            reference = measured_segment(section, measurement, segments)
            if reference and measurement.lines:
                groups.append(_distance(origin, reference, measurement))
            elif reference:
                by_segment[reference.segment.key].append(_measured(origin, measurement))
    groups += [_region_of_interest(origin, segments[key], items) for key, items in by_segment.items() if items]
    content = sr.MeasurementReport(
        observation_context=observers(origin),
        procedure_reported=procedure(),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
        language_of_content_item_and_descendants=language(),
    )
    used = {id(each.segmentation): each.segmentation for each in segments.values()}
    report = sr.Comprehensive3DSR(content=content, **document(origin, Kind.MEASUREMENTS, list(used.values())))
    finish_document(report, origin)
    return report


def _of_section(
    origin: Origin, section: ContentSection, segments: Mapping[str, SegmentReference]
) -> Iterator[tuple[str, sr.Measurement]]:
    """Yield what every region and finding has: key of the segment, and number."""
    from pydicom.sr.codedict import codes

    region = segment_key(Kind.REGIONS, section.region)
    if region in segments:
        facts = origin.report.section(section.region)
        for concept, value, unit in (
            (codes.SCT.Volume, facts.volume_ml, "mL"),
            (codes.DCM.MeanAttenuationCoefficient, facts.mean_hu, "HU"),
        ):
            yield region, _number(origin, f"{region}/{concept.meaning}", concept.meaning, concept, value, unit)
    for finding in section.findings:
        key = segment_key(Kind.FINDINGS, finding.segment or "")
        if key in segments and finding.probability is not None:
            concept, certainty = codes.DCM.CertaintyOfFinding, round(100 * finding.probability, 1)
            yield key, _number(origin, f"{key}/certainty", concept.meaning, concept, certainty, "%")


def _number(
    origin: Origin, key: str, label: str, concept: Any, value: float, unit: str, **details: Any
) -> sr.Measurement:
    """Return a number with a tracking identifier of its own."""
    from highdicom import sr

    tracking = _tracking(origin, key, label)
    return sr.Measurement(name=concept, value=value, unit=unit_code(unit), tracking_identifier=tracking, **details)


def _tracking(origin: Origin, key: str, label: str) -> sr.TrackingIdentifier:
    from highdicom import sr

    return sr.TrackingIdentifier(origin.uid("measurement", key), plain(label))


def _measured(origin: Origin, measurement: Measurement, sources: Sequence[Any] = ()) -> sr.Measurement:
    """Return a measurement of the report.

    Args:
        origin: the report and its source.
        measurement: the measurement.
        sources: the content items that it is inferred from.
    """
    from highdicom import sr
    from pydicom.sr.codedict import codes

    assert measurement.value is not None, "the content of a report has only measurements with a value"
    uncertainty = measurement.uncertainty
    item = _number(
        origin,
        measurement.key,
        measurement.name,
        measure_code(measurement.measure, measurement.label),
        measurement.value,
        measurement.unit,
        properties=sr.MeasurementProperties(
            upper_measurement_uncertainty=uncertainty, lower_measurement_uncertainty=uncertainty
        )
        if uncertainty is not None
        else None,
        finding_sites=_sites(measurement),
    )
    remarks = [f"Holds with reservation: {reason}" for reason in measurement.reservations]
    if measurement.adjective:
        remarks.append(f"{measurement.adjective} ({measurement.cutoff})")
    comments = [sr.TextContentItem(codes.DCM.Comment, plain(remark), "HAS PROPERTIES") for remark in remarks]
    (number,) = item
    number.ContentSequence = sr.ContentSequence([*sources, *number.ContentSequence, *comments])
    return item


def _sites(measurement: Measurement) -> list[sr.FindingSite] | None:
    """Return the part of the body that a number is about, if that is not the whole region."""
    from highdicom import sr

    if len(measurement.structures) == 1 and measurement.structures[0] in STRUCTURE_REGIONS:
        _, kind, side = structure_codes(measurement.structures[0])
        return [sr.FindingSite(kind, laterality=side)]
    if side := side_of(measurement.part):
        return [sr.FindingSite(region_code(get_region(measurement.region)), laterality=side)]
    return None


def _region_of_interest(
    origin: Origin, reference: SegmentReference, items: list[sr.Measurement]
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    from highdicom import sr

    segment, segmentation = reference.segment, reference.segmentation
    found = algorithm(origin, segment.layer)[0]
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=sr.ReferencedSegment(
            segmentation.SOPClassUID,
            segmentation.SOPInstanceUID,
            reference.number,
            source_series=sr.SourceSeriesForSegmentation(origin.source.headers[0].SeriesInstanceUID),
        ),
        algorithm_id=sr.AlgorithmIdentification(found.AlgorithmName, found.AlgorithmVersion),
        measurements=items,
        tracking_identifier=sr.TrackingIdentifier(tracking_uid(origin, segment), segment.label),
        **_finding(segment),
    )
    group[0].ContentSequence.append(center_of_mask(origin, segment.mask()))
    return group


def _distance(
    origin: Origin, reference: SegmentReference, measurement: Measurement
) -> sr.MeasurementsAndQualitativeEvaluations:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    lines = [line_coordinates(origin, line) for line in measurement.lines]
    segment = sr.ImageContentItem(
        codes.DCM.SourceOfMeasurement,
        reference.segmentation.SOPClassUID,
        reference.segmentation.SOPInstanceUID,
        referenced_segment_numbers=reference.number,
        relationship_type="INFERRED FROM",
    )
    group = sr.MeasurementsAndQualitativeEvaluations(
        measurements=[_measured(origin, measurement, [*lines, segment]), *_axes(origin, measurement, lines)],
        tracking_identifier=_tracking(origin, measurement.key, measurement.name),
        **_finding(reference.segment),
    )
    if lines[0].ValueType != "SCOORD":
        group[0].ContentSequence.append(center_of_line(origin, measurement.lines[0]))
    return group


def _axes(origin: Origin, measurement: Measurement, lines: Sequence[Any]) -> Iterator[sr.Measurement]:
    """Yield the lengths of both axes of a finding, each with its line."""
    from pydicom.sr.codedict import codes

    if measurement.measure not in _WITH_AXES:
        return
    lengths = [math.dist(line.start_ras, line.end_ras) for line in measurement.lines]
    longest_first = sorted(zip(lengths, lines, strict=True), key=lambda each: each[0], reverse=True)
    for concept, (length, line) in zip((codes.SCT.LongAxis, codes.SCT.ShortAxis), longest_first, strict=False):
        key = f"{measurement.key}/{concept.meaning}"
        yield _number(origin, key, concept.meaning, concept, round(length, 2), "mm", referenced_coordinates=[line])


def _finding(segment: Segment) -> dict[str, Any]:
    """Return the arguments that say what a group of measurements is about."""
    from highdicom import sr

    side = segment.side or side_of(segment.label.lower())
    return {
        "finding_type": segment.kind,
        "finding_category": segment.category,
        "finding_sites": [sr.FindingSite(segment.site or segment.kind, laterality=side)],
    }

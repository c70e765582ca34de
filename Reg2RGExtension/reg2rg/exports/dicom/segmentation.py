"""Segments as DICOM segmentations (SEG).

Regions and findings overlap, so each segment has frames of its own (BINARY). Structures do not overlap; they can also
be one label per voxel (LABELMAP), which is much smaller, but which fewer viewers read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from reg2rg.about import __version__
from reg2rg.exports.dicom.segments import Segment
from reg2rg.exports.dicom.series import DEVICE, Kind, Origin, finish, plain
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.segmentation.thresholds import ThresholdSegmenter

if TYPE_CHECKING:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription

_MAXIMUM_TEXT = 64


def make_segmentation(
    origin: Origin, kind: Kind, segments: Sequence[Segment], *, label_map: bool = False
) -> Segmentation:
    """Return a DICOM segmentation.

    Args:
        origin: the report and its source.
        kind: which of the report's segmentations it is.
        segments: the segments; the number of a segment is its place in this list, counted from 1.
        label_map: whether to store one label per voxel. Segments must not overlap then.
    """
    from highdicom.seg import Segmentation
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless

    words = origin.description(kind)
    segmentation = Segmentation(
        source_images=list(origin.source.headers),
        pixel_array=_pixels(origin, segments, label_map),
        segmentation_type="LABELMAP" if label_map else "BINARY",
        segment_descriptions=[_describe(origin, number, each) for number, each in enumerate(segments, 1)],
        content_label=kind.file.upper(),
        content_description=words,
        content_creator_name=origin.reader or f"{DEVICE}^",
        transfer_syntax_uid=RLELossless if label_map else ExplicitVRLittleEndian,
        **origin.series(kind),
    )
    dimensions = origin.uid(kind.file, "dimensions")  # random otherwise, unlike all other UIDs
    for item in (*segmentation.DimensionOrganizationSequence, *segmentation.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimensions
    finish(segmentation, origin)
    return segmentation


def _pixels(origin: Origin, segments: Sequence[Segment], label_map: bool) -> np.ndarray:
    """Return the array that highdicom takes, whose frames are in the order of the source's files or frames."""
    shape = segments[0].mask().shape
    headers, slices = origin.source.headers, origin.source.slices
    frames = int(headers[0].get("NumberOfFrames") or 1) if len(headers) == 1 else len(headers)
    where = [piece.frame if len(headers) == 1 else piece.image for piece in slices]
    if label_map:
        labels = np.zeros((frames, *shape[1:]), np.uint8)
        for number, segment in enumerate(segments, 1):
            labels[where] = np.where(segment.mask(), np.uint8(number), labels[where])
        return labels
    stacked = np.zeros((frames, *shape[1:], len(segments)), bool)
    for index, segment in enumerate(segments):
        stacked[where, :, :, index] = segment.mask()
    return stacked


def _describe(origin: Origin, number: int, segment: Segment) -> SegmentDescription:
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept

    from_user = segment.layer is not Kind.FINDINGS and origin.report.provenance.segmenter == LabelMapSegmenter.name
    description = SegmentDescription(
        segment_number=number,
        segment_label=segment.label[:_MAXIMUM_TEXT],
        segmented_property_category=segment.category,
        segmented_property_type=segment.kind,
        algorithm_type="SEMIAUTOMATIC" if from_user else "AUTOMATIC",
        algorithm_identification=algorithm(origin, segment.layer),
        tracking_uid=tracking_uid(origin, segment),
        tracking_id=segment.key,
        anatomic_regions=None if segment.site is None else [segment.site],
        display_color=CIELabColor.from_rgb(*segment.color),
    )
    if segment.side is not None:
        (item,) = description.SegmentedPropertyTypeCodeSequence
        item.SegmentedPropertyTypeModifierCodeSequence = [CodedConcept.from_code(segment.side)]
    description.SegmentDescription = "Estimated" if segment.approximate else "Segmented"
    return description


def tracking_uid(origin: Origin, segment: Segment) -> str:
    """Return the UID by which measurements refer to a segment."""
    return origin.uid("segment", segment.key)


def algorithm(origin: Origin, kind: Kind) -> AlgorithmIdentificationSequence:
    """Return the algorithm that found regions and structures, or findings."""
    from highdicom import AlgorithmIdentificationSequence
    from pydicom.sr.codedict import codes

    provenance = origin.report.provenance
    if kind is Kind.FINDINGS:
        name, version = provenance.model, provenance.model_sha256[:12]
    else:
        name, version = provenance.segmenter, provenance.versions.get(provenance.segmenter, __version__)
    trained = kind is Kind.FINDINGS or provenance.segmenter not in (LabelMapSegmenter.name, ThresholdSegmenter.name)
    family = codes.DCM.ArtificialIntelligence if trained else codes.DCM.MorphologicalOperations
    return AlgorithmIdentificationSequence(
        name=plain(name)[:_MAXIMUM_TEXT], family=family, version=plain(version)[:_MAXIMUM_TEXT], source=DEVICE
    )

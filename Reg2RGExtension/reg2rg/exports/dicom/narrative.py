"""The text of a report as a structured report, TID 2000 Basic Diagnostic Imaging Report (PS3.16).

Each sentence is a text item of its own. It is inferred from the segment that it is about, and from the slice that shows
it best: the link from words to the image that a viewer can follow.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from reg2rg.exports.dicom.codes import region_code
from reg2rg.exports.dicom.coordinates import image_of, slice_at
from reg2rg.exports.dicom.segments import segment_key
from reg2rg.exports.dicom.series import Kind, Origin, plain
from reg2rg.exports.dicom.structured_report import (
    SegmentReference,
    document,
    finish_document,
    language,
    measured_segment,
    observers,
    procedure,
)
from reg2rg.regions import get_region
from reg2rg.report import ContentSection, Target

if TYPE_CHECKING:
    from highdicom.sr import ContainerContentItem, EnhancedSR, ImageContentItem, TextContentItem
    from pydicom.sr.coding import Code


def make_narrative(origin: Origin, segments: Mapping[str, SegmentReference]) -> EnhancedSR:
    """Return the text of a report as an Enhanced SR document.

    Args:
        origin: the report and its source.
        segments: key -> segment that sentences may refer to.
    """
    from highdicom.sr import CodeContentItem, ContainerContentItem, ContentSequence, EnhancedSR
    from pydicom.sr.codedict import codes

    content = origin.content
    root = ContainerContentItem(codes.LN.CTChestReport, is_content_continuous=False, template_id="2000")
    items = ContentSequence(is_root=False)
    items.extend(language())
    items.append(CodeContentItem(codes.DCM.ProcedureReported, procedure(), "HAS CONCEPT MOD"))
    items.extend(observers(origin))
    summary = (content.banner, *content.warnings, *(f"{region}: {why}" for region, why in _not_described(origin)))
    technique = [f"{topic}: {words}" for topic, words in content.technique]
    notes = [*content.notes, content.disclaimer]
    items.extend(_part(codes.LN.Summary, codes.DCM.Comment, [text for text in summary if text]))
    items.extend(_part(codes.LN.CurrentProcedureDescriptions, codes.DCM.ProcedureDescription, technique))
    items.extend(_section(origin, section, segments) for section in content.sections)
    items.extend(_part(codes.LN.Impressions, codes.DCM.Impression, [content.impression] if content.impression else []))
    items.extend(_part(codes.LN.Summary, codes.DCM.Comment, notes))
    root.ContentSequence = items
    used = {id(each.segmentation): each.segmentation for each in segments.values()}
    narrative = EnhancedSR(content=root, **document(origin, Kind.NARRATIVE, list(used.values())))
    finish_document(narrative, origin)
    return narrative


def _not_described(origin: Origin) -> list[tuple[str, str]]:
    return [(f"Not described: {get_region(name).display_name}", why) for name, why in origin.content.skipped]


def _part(heading: Code, concept: Code, texts: Iterable[str]) -> list[ContainerContentItem]:
    """Return a container with one text item per text; nothing if there is no text."""
    from highdicom.sr import ContainerContentItem, ContentSequence

    items = ContentSequence([_text(concept, text) for text in texts])
    if not items:
        return []
    container = ContainerContentItem(heading, is_content_continuous=False, relationship_type="CONTAINS")
    container.ContentSequence = items
    return [container]


def _section(origin: Origin, section: ContentSection, segments: Mapping[str, SegmentReference]) -> ContainerContentItem:
    from highdicom.sr import CodeContentItem, ContainerContentItem, ContentSequence
    from pydicom.sr.codedict import codes

    container = ContainerContentItem(codes.LN.Findings, is_content_continuous=False, relationship_type="CONTAINS")
    region = get_region(section.region)
    items = ContentSequence()
    items.append(CodeContentItem(codes.SCT.FindingSite, region_code(region), "HAS CONCEPT MOD"))
    for sentence in section.sentences:
        item = _text(codes.DCM.Finding, sentence.text)
        _refer(item, origin, section, sentence.targets, segments)
        items.append(item)
    for finding, line in zip(section.findings, section.finding_lines, strict=True):
        item = _text(codes.DCM.Finding, line)
        _refer(item, origin, section, [Target(section.region, finding=finding)], segments)
        items.append(item)
    items.extend(_text(codes.DCM.Comment, words) for words in (section.facts, *section.warnings) if words)
    container.ContentSequence = items
    return container


def _text(concept: Code, text: str) -> TextContentItem:
    from highdicom.sr import TextContentItem

    return TextContentItem(concept, plain(text) or " ", "CONTAINS")


def _refer(
    item: TextContentItem,
    origin: Origin,
    section: ContentSection,
    targets: Iterable[Target],
    segments: Mapping[str, SegmentReference],
) -> None:
    """Add what a sentence is inferred from: the segments that it is about, and the slices that show them best."""
    from highdicom.sr import ContentSequence

    about: dict[str, SegmentReference] = {}
    images: dict[str, ImageContentItem] = {}
    for target in targets:
        if found := _segment(section, target, segments):
            about[found.segment.key] = found
        for image in _slices(origin, target):
            images.setdefault(image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID, image)
    if len({key.partition("/")[0] for key in about}) > 1:  # what is in the region says more than the region
        about.pop(segment_key(Kind.REGIONS, section.region), None)
    children = [*(_illustration(reference) for reference in about.values()), *images.values()]
    if children:
        item.ContentSequence = ContentSequence(children)


def _segment(
    section: ContentSection, target: Target, segments: Mapping[str, SegmentReference]
) -> SegmentReference | None:
    if target.measurement is not None:
        return measured_segment(section, target.measurement, segments)
    outlined = segment_key(Kind.FINDINGS, target.finding.segment or "") if target.finding is not None else ""
    return segments.get(outlined) or segments.get(segment_key(Kind.REGIONS, target.region))


def _illustration(reference: SegmentReference) -> ImageContentItem:
    from highdicom.sr import ImageContentItem
    from pydicom.sr.codedict import codes

    return ImageContentItem(
        codes.DCM.IllustrationOfROI,
        reference.segmentation.SOPClassUID,
        reference.segmentation.SOPInstanceUID,
        referenced_segment_numbers=reference.number,
        relationship_type="INFERRED FROM",
    )


def _slices(origin: Origin, target: Target) -> Iterable[ImageContentItem]:
    from highdicom.sr import ImageContentItem
    from pydicom.sr.codedict import codes

    finding, measurement = target.finding, target.measurement
    points = []
    if finding is not None and finding.location is not None:
        points.append((codes.DCM.BestIllustrationOfFinding, finding.location.point_ras))
    if measurement is not None and measurement.lines:
        points.append((codes.DCM.SourceOfMeasurement, measurement.lines[0].start_ras))
    for purpose, point in points:
        header, frame = image_of(origin, slice_at(origin, point))
        yield ImageContentItem(
            purpose, header.SOPClassUID, header.SOPInstanceUID, frame, relationship_type="INFERRED FROM"
        )

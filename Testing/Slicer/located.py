"""A report with located findings, like the one that a model with a finding head writes for the sample case."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import slicer
import vtk
from hands import arrayOfRegion, generate, moduleWidget, settle
from Reg2RGModuleLib import findingsDisplay, regionsGeometry, reportNode
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.segmentationFile import GENERATED_ATTRIBUTE

if TYPE_CHECKING:
    from reg2rg.report import Finding, Report, Section

NODULE, EFFUSION, HERNIA, CONSOLIDATION, BONE_LESION = (
    "Lung nodule",
    "Pleural effusion",
    "Hiatal hernia",
    "Consolidation",
    "Sclerotic bone lesion",
)


class Detected(NamedTuple):
    """A finding that the finding head detects."""

    region: str
    label: str
    probability: float
    side: str
    level: str | None
    focal: bool


DETECTED = (
    Detected("lung", NODULE, 0.87, "left", "upper", focal=True),  # stated in the text
    Detected("lung", CONSOLIDATION, 0.75, "left", "lower", focal=True),  # denied in the text
    Detected("pleura", EFFUSION, 0.55, "left", None, focal=False),  # stated in the text
    Detected("bone", BONE_LESION, 0.62, "left", "lower", focal=True),  # not mentioned in the text
)
"""The hernia of the text is not among them."""
TEXTS = {
    "lung": "A nodule of 20 mm is found in the left upper lobe. There is no consolidation.",
    "pleura": "There is a small pleural effusion on the left.",
    "esophagus": "A 32 mm hiatal hernia is present.",
    "bone": "The bones are unremarkable.",
}
"""Region to the text of its section, whatever the embedded model writes."""
UNDETECTED_PROBABILITY = 0.05
RADIUS_MM = 12.0


def makeReport() -> slicer.vtkMRMLTextNode:
    """Generate a report for the sample case, add located findings to it, and show it in the panel."""
    panel = moduleWidget().panel
    panel.inputs.loadSample()
    generate(panel)
    node = reportNode.reportNodes()[0]
    locate(node)
    reopen()
    return node


def reopen() -> None:
    """Make the panel read the report again, and draw it."""
    _readAgain()
    settle()


def restore(node: slicer.vtkMRMLTextNode, text: str) -> None:
    """Make a report and the panel what they were before a test changed the review, which takes long if it did."""
    if node.GetText() != text:
        node.SetText(text)
        _readAgain()


def _readAgain() -> None:
    moduleWidget().panel.setParameters(None)
    moduleWidget().initializeParameterNode()


def asSceneReview(text: str, version: int) -> dict[str, Any]:
    """Return a report under review in the form in which scenes stored it before it became a part of the report.

    Args:
        text: the report with its review as JSON.
        version: 2, or 1, which had no decisions about measurements.
    """
    report = json.loads(text)
    review = report.pop("review")
    impression = {"text": review["impression"], "edited": review["impression_edited"]}
    parts = {name: review[name] for name in ("sections", "measurements", "replaced", "log")}
    if version == 1:
        del parts["measurements"]
    return {"form": "Reg2RG review", "version": version, "report": report, **parts, "impression": impression}


def rewrite(node: slicer.vtkMRMLTextNode, change: Callable[[Report], Report]) -> None:
    """Change the report that a node stores, and make the panel read it again."""
    reportNode.write(node, Review.ofReport(change(reportNode.read(node).report)))
    reopen()


def locate(node: slicer.vtkMRMLTextNode, inDistribution: bool = True) -> None:
    """Add the findings that a finding head would detect to a report, with outlines of the located ones.

    Args:
        node: a report for the sample case.
        inDistribution: whether the volume is like the training data.
    """
    outlines: dict[str, np.ndarray] = {}
    detected = {
        section.region: [*_detectedIn(node, section.region, outlines), *_undetectedIn(section)]
        for section in reportNode.read(node).report.sections
    }
    reportNode.write(node, Review.ofReport(_rebuilt(node, detected, inDistribution)))
    reportNode.setFindings(node, _segmentationOf(reportNode.volumeOf(node), outlines))


def withoutFindingHead(node: slicer.vtkMRMLTextNode) -> Report:
    """Return a report as a model without a finding head would write it."""
    return _rebuilt(node, {}, None)


@dataclass(frozen=True)
class _Text:
    """The text that the language model wrote about a region."""

    region: str
    recognized: str | None
    text: str
    complete: bool
    tokens: tuple = ()


def _rebuilt(
    node: slicer.vtkMRMLTextNode, detected: Mapping[str, list[Finding]], inDistribution: bool | None
) -> Report:
    """Return the report of a node with different texts and findings."""
    from reg2rg.report import OutOfDistribution, ReportBuilder

    report = reportNode.read(node).report
    image, masks = _sampleCase()
    distance = 1.0 if inDistribution else 9.0
    outOfDistribution = None if inDistribution is None else OutOfDistribution(distance, limit=2.0)
    builder = ReportBuilder(image, masks, detected=detected, out_of_distribution=outOfDistribution)
    texts = [
        _Text(section.region, section.recognized, _textOf(section), section.complete) for section in report.sections
    ]
    return builder.report(texts, report.provenance, report.skipped_regions)


@functools.cache
def _sampleCase() -> tuple[Any, Any]:
    """Return the CT and region masks of the sample case, as read by the engine."""
    from reg2rg.runtime.resources import sample_case
    from reg2rg.segmentation.label_map import LabelMapSegmenter
    from reg2rg.volumes import read_volume

    ct, regions = sample_case()
    image = read_volume(ct)
    return image, LabelMapSegmenter(regions).segment(image)


def _textOf(section: Section) -> str:
    return TEXTS.get(section.region, section.text)


def _detectedIn(node: slicer.vtkMRMLTextNode, region: str, outlines: dict[str, np.ndarray]) -> list[Finding]:
    """Return the detected findings of a region, and add their outlines."""
    from reg2rg.report import Finding, Location, segment_id

    findings = []
    for detected in DETECTED:
        if detected.region == region:
            point, outline = _ball(node, region, far=detected.label == CONSOLIDATION)
            segmentId = segment_id(region, detected.label)
            outlines[segmentId] = outline
            findings.append(
                Finding(
                    label=detected.label,
                    probability=detected.probability,
                    side=detected.side,
                    level=detected.level,
                    location=Location(point, (2 * RADIUS_MM,) * 3, None, detected.focal),
                    segment=segmentId,
                )
            )
    return findings


def _undetectedIn(section: Section) -> list[Finding]:
    """Return the findings that the text of a section mentions and the finding head does not detect."""
    from reg2rg.labeler import extract_mentions
    from reg2rg.report import Finding

    detected = {detected.label for detected in DETECTED if detected.region == section.region}
    labels = {mention.label for mention in extract_mentions(_textOf(section), section.region)}
    return [Finding(label, UNDETECTED_PROBABILITY) for label in sorted(labels - detected)]


def _ball(node: slicer.vtkMRMLTextNode, region: str, far: bool) -> tuple[tuple[float, float, float], np.ndarray]:
    """Return the center (RAS) and the mask (k, j, i) of a ball in a region.

    Args:
        node: the report.
        region: the region.
        far: whether to center the ball on a voxel about 60 mm from the region's center point instead of on that point.
    """
    segmentation, volume = reportNode.segmentationOf(node), reportNode.volumeOf(node)
    inside = np.argwhere(arrayOfRegion(segmentation, region, volume))
    toRas = slicer.util.arrayFromVTKMatrix(_ijkToRas(volume))
    points = inside[:, ::-1] @ toRas[:3, :3].T + toRas[:3, 3]
    point = np.array(regionsGeometry.pointInside(segmentation, region))
    distance = np.linalg.norm(points - point, axis=1)
    if far:
        point = points[np.argmin(np.abs(distance - 60.0))]
        distance = np.linalg.norm(points - point, axis=1)
    mask = np.zeros(slicer.util.arrayFromVolume(volume).shape, np.uint8)
    mask[tuple(inside[distance <= RADIUS_MM].T)] = 1
    r, a, s = (round(float(coordinate), 2) for coordinate in point)
    return (r, a, s), mask


def _ijkToRas(volume: slicer.vtkMRMLScalarVolumeNode) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix


def _segmentationOf(
    volume: slicer.vtkMRMLScalarVolumeNode, outlines: Mapping[str, np.ndarray]
) -> slicer.vtkMRMLSegmentationNode:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "findings")
    node.SetAttribute(GENERATED_ATTRIBUTE, "1")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for segmentId, mask in outlines.items():
        node.GetSegmentation().AddEmptySegment(segmentId, segmentId.split(".")[1])
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask, node, segmentId, volume)
    findingsDisplay.prepare(node)
    return node

"""The report's node in the scene: a text node (JSON) with references to its volume and segmentations.

Saving the scene therefore saves the review as well, and the reports of different volumes are independent.
"""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.segmentationFile import GENERATED_ATTRIBUTE

VOLUME_ROLE = "Reg2RG.Volume"
SEGMENTATION_ROLE = "Reg2RG.Segmentation"
FINDINGS_ROLE = "Reg2RG.Findings"
STRUCTURES_ROLE = "Reg2RG.Structures"
LINES_ROLE = "Reg2RG.Lines"
PRIOR_ROLE = "Reg2RG.Prior"
REGISTRATION_ROLE = "Reg2RG.Registration"


def reportNodes() -> list[slicer.vtkMRMLTextNode]:
    """Return all report nodes in the scene."""
    return [node for node in slicer.util.getNodesByClass("vtkMRMLTextNode") if node.GetAttribute(GENERATED_ATTRIBUTE)]


def reportOf(volume: slicer.vtkMRMLScalarVolumeNode | None) -> slicer.vtkMRMLTextNode | None:
    """Return the report node of a volume, or None if it has none."""
    if volume is None:
        return None
    return next((node for node in reportNodes() if volumeOf(node) == volume), None)


def volumeOf(node: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the volume of a report."""
    return node.GetNodeReference(VOLUME_ROLE)


def segmentationOf(node: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLSegmentationNode | None:
    """Return the segmentation of a report's regions."""
    return node.GetNodeReference(SEGMENTATION_ROLE)


def findingsOf(node: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLSegmentationNode | None:
    """Return the segmentation of a report's located findings, or None if it has none."""
    return node.GetNodeReference(FINDINGS_ROLE)


def setFindings(node: slicer.vtkMRMLTextNode, findings: slicer.vtkMRMLSegmentationNode) -> None:
    """Set the segmentation of a report's located findings."""
    node.SetNodeReferenceID(FINDINGS_ROLE, findings.GetID())


def structuresOf(node: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLSegmentationNode | None:
    """Return the segmentation of the structures that were measured, or None if the report has none."""
    return node.GetNodeReference(STRUCTURES_ROLE)


def setStructures(node: slicer.vtkMRMLTextNode, structures: slicer.vtkMRMLSegmentationNode) -> None:
    """Set the segmentation of the structures that were measured, and remove the earlier one."""
    earlier = structuresOf(node)
    node.SetNodeReferenceID(STRUCTURES_ROLE, structures.GetID())
    if earlier is not None:
        slicer.mrmlScene.RemoveNode(earlier)


def priorOf(node: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the prior CT that a report was compared with, or None if the scene does not contain it."""
    return node.GetNodeReference(PRIOR_ROLE)


def setPrior(node: slicer.vtkMRMLTextNode, prior: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Set the prior CT that a report was compared with."""
    node.SetNodeReferenceID(PRIOR_ROLE, prior.GetID())


def registrationOf(node: slicer.vtkMRMLTextNode) -> slicer.vtkMRMLTransformNode | None:
    """Return the transform that brings the prior CT to the current one, or None if they were not compared."""
    return node.GetNodeReference(REGISTRATION_ROLE)


def setRegistration(node: slicer.vtkMRMLTextNode, registration: slicer.vtkMRMLTransformNode) -> None:
    """Set the transform that brings the prior CT to the current one."""
    node.SetNodeReferenceID(REGISTRATION_ROLE, registration.GetID())


def linesOf(node: slicer.vtkMRMLTextNode) -> list[slicer.vtkMRMLMarkupsLineNode]:
    """Return the lines of the measurement that is shown."""
    lines = (node.GetNthNodeReference(LINES_ROLE, index) for index in range(node.GetNumberOfNodeReferences(LINES_ROLE)))
    return [line for line in lines if line is not None]


def addLine(node: slicer.vtkMRMLTextNode, line: slicer.vtkMRMLMarkupsLineNode) -> None:
    """Add a line of the measurement that is shown."""
    node.AddNodeReferenceID(LINES_ROLE, line.GetID())


def removeLines(node: slicer.vtkMRMLTextNode) -> None:
    """Remove the lines of the measurement that is shown."""
    lines = linesOf(node)
    node.RemoveNodeReferenceIDs(LINES_ROLE)
    for line in lines:
        slicer.mrmlScene.RemoveNode(line)


def segmentationsOf(node: slicer.vtkMRMLTextNode) -> list[slicer.vtkMRMLSegmentationNode]:
    """Return those segmentations of a report (regions, findings, structures) that exist."""
    return [found for found in (segmentationOf(node), findingsOf(node), structuresOf(node)) if found is not None]


def createReport(
    volume: slicer.vtkMRMLScalarVolumeNode, segmentation: slicer.vtkMRMLSegmentationNode, review: Review
) -> slicer.vtkMRMLTextNode:
    """Add a report for a volume to the scene. It replaces an older report and the segmentations generated for it."""
    old = reportOf(volume)
    if old is not None:
        removeReport(old, keep=segmentation)
    name = _("{0} report").format(volume.GetName())
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", name)
    node.SetAttribute(GENERATED_ATTRIBUTE, "1")
    node.SetNodeReferenceID(VOLUME_ROLE, volume.GetID())
    node.SetNodeReferenceID(SEGMENTATION_ROLE, segmentation.GetID())
    write(node, review)
    return node


def removeReport(node: slicer.vtkMRMLTextNode, keep: slicer.vtkMRMLSegmentationNode | None = None) -> None:
    """Remove a report, its lines, its registration and the segmentations generated for it, except ``keep``."""
    segmentations, registration = segmentationsOf(node), registrationOf(node)
    removeLines(node)
    slicer.mrmlScene.RemoveNode(node)
    if registration is not None:
        slicer.mrmlScene.RemoveNode(registration)
    for segmentation in segmentations:
        if segmentation is not keep and segmentation.GetAttribute(GENERATED_ATTRIBUTE):
            slicer.mrmlScene.RemoveNode(segmentation)


def write(node: slicer.vtkMRMLTextNode, review: Review) -> None:
    """Store a review in its node."""
    node.SetText(review.toJson())


def read(node: slicer.vtkMRMLTextNode) -> Review:
    """Return a new review object with the content of a node.

    Raises:
        ValueError: the node does not contain a valid review.
    """
    return Review.fromJson(node.GetText() or "")

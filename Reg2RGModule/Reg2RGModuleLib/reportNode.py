"""The report in the scene: a text node (JSON) tied to its volume and segmentations by node references.

So saving the scene saves the review, and several reports for several volumes stay apart.
"""

import slicer

from Reg2RGModuleLib.review import Review

ATTRIBUTE = "Reg2RG.Report"
VOLUME_ROLE = "Reg2RG.Volume"
SEGMENTATION_ROLE = "Reg2RG.Segmentation"
FINDINGS_ROLE = "Reg2RG.Findings"


def reportNodes():
    """All report nodes of the scene."""
    return [node for node in slicer.util.getNodesByClass("vtkMRMLTextNode") if node.GetAttribute(ATTRIBUTE)]


def reportOf(volume):
    """The report node of a volume, None if it has none."""
    if volume is None:
        return None
    return next((node for node in reportNodes() if volumeOf(node) == volume), None)


def volumeOf(node):
    return node.GetNodeReference(VOLUME_ROLE)


def segmentationOf(node):
    return node.GetNodeReference(SEGMENTATION_ROLE)


def findingsOf(node):
    """Segmentation of the report's located findings, None if it has none."""
    return node.GetNodeReference(FINDINGS_ROLE)


def setFindings(node, findings):
    node.SetNodeReferenceID(FINDINGS_ROLE, findings.GetID())


def segmentationsOf(node):
    """Both, as far as they are there."""
    return [each for each in (segmentationOf(node), findingsOf(node)) if each is not None]


def createReport(volume, segmentation, review):
    """Store a new report of a volume; one that was there before goes, with the segmentations that were made for it."""
    old = reportOf(volume)
    if old is not None:
        removeReport(old, keep=segmentation)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", f"{volume.GetName()} report")
    node.SetAttribute(ATTRIBUTE, "1")
    node.SetNodeReferenceID(VOLUME_ROLE, volume.GetID())
    node.SetNodeReferenceID(SEGMENTATION_ROLE, segmentation.GetID())
    write(node, review)
    return node


def removeReport(node, keep=None):
    segmentations = segmentationsOf(node)
    slicer.mrmlScene.RemoveNode(node)
    for segmentation in segmentations:
        if segmentation is not keep and segmentation.GetAttribute(ATTRIBUTE):
            slicer.mrmlScene.RemoveNode(segmentation)


def write(node, review):
    node.SetText(review.toJson())


def read(node):
    """The review that a node holds; ValueError if it holds none."""
    return Review.fromJson(node.GetText() or "")

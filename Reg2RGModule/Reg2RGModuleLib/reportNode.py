"""The report in the scene: a text node (JSON) tied to its volume and segmentation by node references.

So saving the scene saves the review, and several reports for several volumes stay apart.
"""

import slicer

from Reg2RGModuleLib.review import Review

ATTRIBUTE = "Reg2RG.Report"
VOLUME_ROLE = "Reg2RG.Volume"
SEGMENTATION_ROLE = "Reg2RG.Segmentation"


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


def createReport(volume, segmentation, review):
    """Store a new report of a volume; one that was there before goes, with the segmentation that was made for it."""
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
    segmentation = segmentationOf(node)
    slicer.mrmlScene.RemoveNode(node)
    if segmentation is not None and segmentation is not keep and segmentation.GetAttribute(ATTRIBUTE):
        slicer.mrmlScene.RemoveNode(segmentation)


def write(node, review):
    node.SetText(review.toJson())


def read(node):
    """The review that a node holds; ValueError if it holds none."""
    return Review.fromJson(node.GetText() or "")

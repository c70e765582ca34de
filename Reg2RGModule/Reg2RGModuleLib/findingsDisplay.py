"""Display of located findings. They have their own segmentation, with one segment per finding."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry, segmentationFile
from Reg2RGModuleLib.segmentationDisplay import Look, setLooks, showSurfacesAndMasks

_DEFAULT = Look(0.9, 0.15, 0.9)
_HIGHLIGHTED = Look(1.0, 0.3, 1.0)
_DIMMED = Look(0.15, 0.0, 0.35)
HIGHLIGHT_COLOR = (1.0, 0.83, 0.0)
"""Color of the highlighted finding. No region uses it, and it stands out against dark lungs and bright tissue."""
OUTLINE_PIXELS = 2


def loadFindings(
    file: Path | str, volume: slicer.vtkMRMLScalarVolumeNode, frame: slicer.vtkMRMLTransformNode | None
) -> slicer.vtkMRMLSegmentationNode:
    """Load the outlines of the findings that the engine located in a volume, seen in the coordinates of a transform."""
    node = segmentationFile.load(file, volume, _("{0} findings").format(volume.GetName()), frame)
    prepare(node)
    return node


def prepare(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Show surfaces in 3D and masks in slices, with thicker outlines than those of the regions."""
    showSurfacesAndMasks(node)
    node.GetDisplayNode().SetSliceIntersectionThickness(OUTLINE_PIXELS)


def merge(node: slicer.vtkMRMLSegmentationNode, other: slicer.vtkMRMLSegmentationNode) -> None:
    """Copy the segments of another segmentation into this one, replacing segments with the same ID.

    No other segment is removed, because undo may bring a finding back. ``show`` decides which segments are visible.
    """
    segments, others = node.GetSegmentation(), other.GetSegmentation()
    with NodeModify(node):
        for segmentId in regionsGeometry.segmentIds(other):
            segments.RemoveSegment(segmentId)
            segments.CopySegmentFromSegmentation(others, segmentId)


def show(node: slicer.vtkMRMLSegmentationNode, visible: Collection[str], highlighted: str | None = None) -> None:
    """Show some findings and hide the others.

    Args:
        node: the segmentation of the findings. Nothing happens if it has no display node.
        visible: IDs of the segments to show.
        highlighted: ID of the segment to highlight; the others are dimmed. If None, all have their default look.
    """
    display = node.GetDisplayNode()
    if display is None:
        return

    def lookOf(segmentId: str) -> Look:
        if highlighted is None:
            return _DEFAULT
        return _HIGHLIGHTED if segmentId == highlighted else _DIMMED

    with NodeModify(display):
        for segmentId in regionsGeometry.segmentIds(node):
            ownColor = node.GetSegmentation().GetSegment(segmentId).GetColor()
            color = HIGHLIGHT_COLOR if segmentId == highlighted else ownColor
            display.SetSegmentOverrideColor(segmentId, *color)
            display.SetSegmentVisibility(segmentId, segmentId in visible)
        setLooks(node, lookOf)

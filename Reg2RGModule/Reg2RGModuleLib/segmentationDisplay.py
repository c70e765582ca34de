"""Display of segments: code shared by the displays of regions and findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import slicer
from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry


class Look(NamedTuple):
    """Opacity of a segment's surface in 3D, and of its fill and outline in slices."""

    surface: float
    fill: float
    outline: float


def showSurfacesAndMasks(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Show a segmentation as surfaces in 3D and as masks in slices."""
    node.CreateDefaultDisplayNodes()
    converter = slicer.vtkSegmentationConverter
    display = node.GetDisplayNode()
    display.SetPreferredDisplayRepresentationName3D(converter.GetSegmentationClosedSurfaceRepresentationName())
    display.SetPreferredDisplayRepresentationName2D(converter.GetSegmentationBinaryLabelmapRepresentationName())


def setLooks(node: slicer.vtkMRMLSegmentationNode, lookOf: Callable[[str], Look]) -> None:
    """Apply a look to every segment.

    Args:
        node: the segmentation. Nothing happens if it has no display node.
        lookOf: returns the look of a segment, given its ID.
    """
    display = node.GetDisplayNode()
    if display is None:
        return
    with NodeModify(display):
        display.SetOpacity2DFill(1.0)
        display.SetOpacity2DOutline(1.0)
        for segmentId in regionsGeometry.segmentIds(node):
            look = lookOf(segmentId)
            display.SetSegmentOpacity3D(segmentId, look.surface)
            display.SetSegmentOpacity2DFill(segmentId, look.fill)
            display.SetSegmentOpacity2DOutline(segmentId, look.outline)

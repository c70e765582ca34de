"""Display of the regions. By default, outer ones are transparent; one can be highlighted and the others dimmed."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import regionsGeometry, segmentationFile
from Reg2RGModuleLib.segmentationDisplay import Look, setLooks, showSurfacesAndMasks

_OUTER = {"lung": 0.25, "pleura": 0.08, "breast": 0.15, "abdomen": 0.35, "mediastinum": 0.35, "bone": 0.5}
"""Default surface opacity of regions that surround or hide others."""
_DEFAULT_FILL, _DEFAULT_OUTLINE = 0.18, 0.8
_HIGHLIGHTED = Look(1.0, 0.4, 1.0)
_AROUND_FINDING = Look(0.2, 0.0, 0.6)
"""Look of the region around a highlighted finding, which must stay visible inside it."""
_DIMMED = Look(0.06, 0.0, 0.2)


def loadRegions(
    file: Path | str, volume: slicer.vtkMRMLScalarVolumeNode, frame: slicer.vtkMRMLTransformNode | None
) -> slicer.vtkMRMLSegmentationNode:
    """Load the regions that the engine found in a volume, which it saw in the coordinates of a transform."""
    node = segmentationFile.load(file, volume, _("{0} regions").format(volume.GetName()), frame)
    _orderForDrawing(node)
    prepare(node)
    return node


def prepare(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Show surfaces in 3D and masks in slices, all with their default look."""
    showSurfacesAndMasks(node)
    highlight(node, None)


def highlight(node: slicer.vtkMRMLSegmentationNode, region: str | None, aroundFinding: bool = False) -> None:
    """Highlight one region and dim the others.

    Args:
        node: the segmentation of the regions.
        region: the region to highlight, or None to give all regions their default look.
        aroundFinding: whether a finding in the region is highlighted, in which case the region is only outlined.
    """

    def lookOf(segmentId: str) -> Look:
        if region is None:
            return Look(_OUTER.get(segmentId, 1.0), _DEFAULT_FILL, _DEFAULT_OUTLINE)
        if segmentId != region:
            return _DIMMED
        return _AROUND_FINDING if aroundFinding else _HIGHLIGHTED

    setLooks(node, lookOf)


def _orderForDrawing(node: slicer.vtkMRMLSegmentationNode) -> None:
    """Order the segments by size, largest first, because later segments are drawn over earlier ones."""
    ids = sorted(regionsGeometry.segmentIds(node), key=lambda segmentId: -regionsGeometry.sizeOf(node, segmentId))
    node.GetSegmentation().ReorderSegments(ids)

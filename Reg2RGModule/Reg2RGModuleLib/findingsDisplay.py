"""Where the findings lie: a segmentation beside that of the regions, a segment for each located finding."""

from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry, segmentationFile

_CALM, _LIT, _DIM = (0.9, 0.15, 0.9), (1.0, 0.3, 1.0), (0.15, 0.0, 0.35)
"""Opacity in 3D, of the fill and of the outline in slices: none is lit, this one is, another one is."""
LIT_COLOR = (1.0, 0.83, 0.0)
"""Of no region, light against dark lungs and strong against bright tissue; findings not lit have their region's hue."""
OUTLINE_PIXELS = 2


def load(file, volume):
    """Read the findings that the engine located into the scene."""
    node = segmentationFile.load(file, volume, f"{volume.GetName()} findings")
    prepare(node)
    return node


def prepare(node):
    """Surfaces in 3D, masks in slices, outlines thicker than those of the regions."""
    segmentationFile.showSurfacesAndMasks(node)
    node.GetDisplayNode().SetSliceIntersectionThickness(OUTLINE_PIXELS)


def merge(node, other):
    """Take over the segments of another segmentation; those of the same ID are replaced.

    None is removed: undo may bring a finding back. What is shown is what the report has (``show``).
    """
    segments, others = node.GetSegmentation(), other.GetSegmentation()
    with NodeModify(node):
        for segmentId in regionsGeometry.segmentIds(other):
            segments.RemoveSegment(segmentId)
            segments.CopySegmentFromSegmentation(others, segmentId)


def show(node, shown, lit=None):
    """Show the segments of these IDs and no others; one of them lit up, or all calm."""
    display = node.GetDisplayNode()
    if display is None:
        return
    with NodeModify(display):
        display.SetOpacity2DFill(1.0)
        display.SetOpacity2DOutline(1.0)
        for segmentId in regionsGeometry.segmentIds(node):
            own = node.GetSegmentation().GetSegment(segmentId).GetColor()
            display.SetSegmentOverrideColor(segmentId, *(LIT_COLOR if segmentId == lit else own))
            display.SetSegmentVisibility(segmentId, segmentId in shown)
            opacity, fill, outline = _CALM if lit is None else _LIT if segmentId == lit else _DIM
            display.SetSegmentOpacity3D(segmentId, opacity)
            display.SetSegmentOpacity2DFill(segmentId, fill)
            display.SetSegmentOpacity2DOutline(segmentId, outline)

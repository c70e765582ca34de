"""How the regions look: behind and before, and one of them lit up while the others dim."""

from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry, segmentationFile

_BEHIND = {"lung": 0.25, "pleura": 0.08, "breast": 0.15, "abdomen": 0.35, "mediastinum": 0.35, "bone": 0.5}
"""3D opacity of regions that lie before or around others, while none is selected."""
_DIM_3D, _DIM_FILL, _DIM_OUTLINE = 0.06, 0.0, 0.2
_LIT_FILL, _CALM_FILL, _CALM_OUTLINE = 0.4, 0.18, 0.8
_AROUND_SPOT = 0.2, 0.0, 0.6


def loadRegions(file, volume):
    """Read the regions that the engine found into the scene."""
    node = segmentationFile.load(file, volume, f"{volume.GetName()} regions")
    _orderForDrawing(node)
    prepare(node)
    return node


def prepare(node):
    """Surfaces in 3D, masks in slices, and the calm look."""
    segmentationFile.showSurfacesAndMasks(node)
    light(node, None)


def light(node, lit, spot=False):
    """Light one segment up, by its ID, and dim the others; the calm look if ``lit`` is None.

    With ``spot`` it is only outlined and seen through, for a spot in it is what is to be seen.
    """
    display = node.GetDisplayNode()
    if display is None:
        return
    with NodeModify(display):
        display.SetOpacity2DFill(1.0)
        display.SetOpacity2DOutline(1.0)
        for segmentId in regionsGeometry.segmentIds(node):
            opacity, fill, outline = _look(segmentId, lit, spot)
            display.SetSegmentOpacity3D(segmentId, opacity)
            display.SetSegmentOpacity2DFill(segmentId, fill)
            display.SetSegmentOpacity2DOutline(segmentId, outline)


def _look(segmentId, lit, spot):
    """Opacity in 3D, of the fill and of the outline in slices."""
    if lit is None:
        return _BEHIND.get(segmentId, 1.0), _CALM_FILL, _CALM_OUTLINE
    if segmentId == lit:
        return _AROUND_SPOT if spot else (1.0, _LIT_FILL, 1.0)
    return _DIM_3D, _DIM_FILL, _DIM_OUTLINE


def _orderForDrawing(node):
    """Large regions first: what comes later is drawn over it."""
    ids = sorted(regionsGeometry.segmentIds(node), key=lambda each: -regionsGeometry.sizeOf(node, each))
    node.GetSegmentation().ReorderSegments(ids)

"""How the regions look: behind and before, and one of them lit up while the others dim."""

import slicer
from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry
from Reg2RGModuleLib.reportNode import ATTRIBUTE

_BEHIND = {"lung": 0.25, "pleura": 0.08, "breast": 0.15, "abdomen": 0.35, "mediastinum": 0.35, "bone": 0.5}
"""3D opacity of regions that lie before or around others, while none is selected."""
_DIM_3D, _DIM_FILL, _DIM_OUTLINE = 0.06, 0.0, 0.2
_LIT_FILL, _CALM_FILL, _CALM_OUTLINE = 0.4, 0.18, 0.8


def loadRegions(file, volume):
    """Read a segmentation that the engine wrote into the scene: names, colours and terminology are in the file."""
    name = f"{volume.GetName()} regions"
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    storage = slicer.vtkMRMLSegmentationStorageNode()  # not of the scene: the file is temporary
    storage.SetFileName(str(file))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        raise RuntimeError("The regions that the engine wrote could not be read.")
    node.SetName(name)
    node.SetAttribute(ATTRIBUTE, "1")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    _orderForDrawing(node)
    prepare(node)
    return node


def saveRegions(node, file):
    """Write a segmentation into a file (.seg.nrrd)."""
    storage = slicer.vtkMRMLSegmentationStorageNode()  # not of the scene, which keeps its own file names
    storage.SetFileName(str(file))
    storage.SetUseCompression(0)
    if not storage.WriteData(node):
        raise RuntimeError("The segmentation could not be written; has it any segment, and is there room on the disk?")


def prepare(node):
    """Surfaces in 3D, masks in slices, and the calm look."""
    node.CreateDefaultDisplayNodes()
    converter = slicer.vtkSegmentationConverter
    display = node.GetDisplayNode()
    display.SetPreferredDisplayRepresentationName3D(converter.GetSegmentationClosedSurfaceRepresentationName())
    display.SetPreferredDisplayRepresentationName2D(converter.GetSegmentationBinaryLabelmapRepresentationName())
    light(node, None)


def light(node, lit):
    """Light one segment up, by its ID, and dim the others; the calm look if ``lit`` is None."""
    display = node.GetDisplayNode()
    if display is None:
        return
    with NodeModify(display):
        display.SetOpacity2DFill(1.0)
        display.SetOpacity2DOutline(1.0)
        for segmentId in regionsGeometry.segmentIds(node):
            opacity, fill, outline = _look(segmentId, lit)
            display.SetSegmentOpacity3D(segmentId, opacity)
            display.SetSegmentOpacity2DFill(segmentId, fill)
            display.SetSegmentOpacity2DOutline(segmentId, outline)


def showOnly(shown, segmentations):
    """Of several segmentations show one, or none; reports of other volumes must not lie over this one."""
    for segmentation in segmentations:
        if segmentation is not None:
            segmentation.SetDisplayVisibility(segmentation is shown)


def _look(segmentId, lit):
    """Opacity in 3D, of the fill and of the outline in slices."""
    if lit is None:
        return _BEHIND.get(segmentId, 1.0), _CALM_FILL, _CALM_OUTLINE
    if segmentId == lit:
        return 1.0, _LIT_FILL, 1.0
    return _DIM_3D, _DIM_FILL, _DIM_OUTLINE


def _orderForDrawing(node):
    """Large regions first: what comes later is drawn over it."""
    ids = sorted(regionsGeometry.segmentIds(node), key=lambda each: -regionsGeometry.sizeOf(node, each))
    node.GetSegmentation().ReorderSegments(ids)

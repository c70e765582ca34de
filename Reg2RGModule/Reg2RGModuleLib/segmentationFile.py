"""Segmentations that cross between the scene and the engine, as files (.seg.nrrd), and what all of them show."""

import slicer

from Reg2RGModuleLib.reportNode import ATTRIBUTE


def load(file, volume, name):
    """Read a segmentation that the engine wrote into the scene: names, colours and terminology are in the file."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    storage = slicer.vtkMRMLSegmentationStorageNode()  # not of the scene: the file is temporary
    storage.SetFileName(str(file))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        raise RuntimeError("A segmentation that the engine wrote could not be read.")
    node.SetName(name)
    node.SetAttribute(ATTRIBUTE, "1")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    return node


def showSurfacesAndMasks(node):
    """Let a segmentation be shown as surfaces in 3D and as masks in slices."""
    node.CreateDefaultDisplayNodes()
    converter = slicer.vtkSegmentationConverter
    display = node.GetDisplayNode()
    display.SetPreferredDisplayRepresentationName3D(converter.GetSegmentationClosedSurfaceRepresentationName())
    display.SetPreferredDisplayRepresentationName2D(converter.GetSegmentationBinaryLabelmapRepresentationName())


def save(node, file):
    """Write a segmentation."""
    storage = slicer.vtkMRMLSegmentationStorageNode()  # not of the scene, which keeps its own file names
    storage.SetFileName(str(file))
    storage.SetUseCompression(0)
    if not storage.WriteData(node):
        raise RuntimeError("The segmentation could not be written; has it any segment, and is there room on the disk?")

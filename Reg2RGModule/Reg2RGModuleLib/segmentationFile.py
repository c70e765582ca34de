"""Segmentation files (.seg.nrrd), which pass segmentations between the scene and the engine."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

GENERATED_ATTRIBUTE = "Reg2RG.Report"
"""Node attribute of report nodes and of the segmentations that belong to a report."""


def load(file: Path | str, volume: slicer.vtkMRMLScalarVolumeNode, name: str) -> slicer.vtkMRMLSegmentationNode:
    """Load a segmentation that the engine wrote. The file contains the segments' names, colors and terminology.

    Args:
        file: the segmentation file.
        volume: the volume that was segmented. The segmentation gets its geometry and transform.
        name: name of the new node.

    Raises:
        RuntimeError: the file could not be read.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    storage = slicer.vtkMRMLSegmentationStorageNode()  # not added to the scene, because the file is temporary
    storage.SetFileName(str(file))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        raise RuntimeError(_("Could not read a segmentation that the engine wrote."))
    node.SetName(name)
    node.SetAttribute(GENERATED_ATTRIBUTE, "1")
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    node.SetAndObserveTransformNodeID(volume.GetTransformNodeID())
    return node


def save(node: slicer.vtkMRMLSegmentationNode, file: Path | str) -> None:
    """Write a segmentation to a file.

    Raises:
        RuntimeError: the file could not be written.
    """
    # The storage node is not added to the scene, so that the segmentation keeps its own file name.
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(file))
    storage.SetUseCompression(0)
    if not storage.WriteData(node):
        raise RuntimeError(
            _("Could not write the segmentation. Check that it has segments and that the disk is not full.")
        )

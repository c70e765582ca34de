"""Segmentation files (.seg.nrrd), which pass segmentations between the scene and the engine."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import transforms

GENERATED_ATTRIBUTE = "Reg2RG.Report"
"""Node attribute of report nodes and of the segmentations that belong to a report."""


def load(
    file: Path | str,
    volume: slicer.vtkMRMLScalarVolumeNode,
    name: str,
    frame: slicer.vtkMRMLTransformNode | None,
) -> slicer.vtkMRMLSegmentationNode:
    """Load a segmentation that the engine wrote. The file contains the segments' names, colors and terminology.

    Args:
        file: the segmentation file.
        volume: the volume that was segmented.
        name: name of the new node.
        frame: the transform in whose coordinates the volume was segmented. The segmentation is put under it.

    Raises:
        RuntimeError: the file could not be read.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name)
    if not readGenerated(node, slicer.vtkMRMLSegmentationStorageNode(), file):
        raise RuntimeError(_("Could not read a segmentation that the engine wrote."))
    if frame is volume.GetParentTransformNode():
        node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    else:  # the voxels of the volume are elsewhere
        node.SetNodeReferenceID(node.GetReferenceImageGeometryReferenceRole(), volume.GetID())
    node.SetAndObserveTransformNodeID(frame.GetID() if frame is not None else None)
    return node


def readGenerated(
    node: slicer.vtkMRMLSegmentationNode | slicer.vtkMRMLTransformNode,
    storage: slicer.vtkMRMLSegmentationStorageNode | slicer.vtkMRMLTransformStorageNode,
    file: Path | str,
) -> bool:
    """Read what the engine wrote into a new node. Remove the node if that fails.

    Args:
        node: the node, whose name is kept.
        storage: what reads the file. It is not added to the scene, because the file is temporary.
        file: the file.

    Returns:
        Whether the file could be read.
    """
    name = node.GetName()
    storage.SetFileName(str(file))
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        return False
    node.SetName(name)
    node.SetAttribute(GENERATED_ATTRIBUTE, "1")
    return True


def save(node: slicer.vtkMRMLSegmentationNode, file: Path | str, frame: slicer.vtkMRMLTransformNode | None) -> None:
    """Write the masks of a segmentation to a file, in the coordinates of a transform.

    Surfaces are left out: Slicer would recreate those that a file names, on the full grid, while loading the file.

    Raises:
        RuntimeError: the file could not be written.
    """
    # The storage node is not added to the scene, so that the segmentation keeps its own file name.
    storage = slicer.vtkMRMLSegmentationStorageNode()
    storage.SetFileName(str(file))
    storage.SetUseCompression(0)
    if not storage.WriteData(transforms.masksIn(node, frame)):
        raise RuntimeError(
            _("Could not write the segmentation. Check that it has segments and that the disk is not full.")
        )

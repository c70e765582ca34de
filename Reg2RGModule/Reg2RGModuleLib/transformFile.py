"""Transform files (.tfm), which pass the registration of a prior CT between the scene and the engine."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib.segmentationFile import readGenerated


def load(file: Path | str, name: str, frame: slicer.vtkMRMLTransformNode | None) -> slicer.vtkMRMLTransformNode:
    """Load a transform that the engine wrote. What is put under it is shown where the current CT shows the same.

    Args:
        file: the transform file.
        name: name of the new node.
        frame: the transform in whose coordinates the engine saw the current CT. The new one is put under it.

    Raises:
        RuntimeError: the file could not be read.
    """
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTransformNode", name)
    if not readGenerated(node, slicer.vtkMRMLTransformStorageNode(), file):
        raise RuntimeError(_("Could not read the registration of the prior CT that the engine wrote."))
    node.SetAndObserveTransformNodeID(frame.GetID() if frame is not None else None)
    return node


def save(node: slicer.vtkMRMLTransformNode, file: Path | str) -> None:
    """Write a transform to a file.

    Raises:
        RuntimeError: the file could not be written.
    """
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(file))
    if not storage.WriteData(node):
        raise RuntimeError(_("Could not write the registration of the prior CT. Check that the disk is not full."))

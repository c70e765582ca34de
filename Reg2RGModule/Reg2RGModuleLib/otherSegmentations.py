"""Segmentations of a volume that do not belong to its report. They are hidden while they would cover the report."""

from __future__ import annotations

import slicer

from Reg2RGModuleLib.segmentationFile import GENERATED_ATTRIBUTE

HIDDEN_ATTRIBUTE = "Reg2RG.Hidden"
"""Node attribute of segmentations that are hidden. It is saved with the scene, so that they are shown again later."""


def hideFor(volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
    """Hide the segmentations of a volume, and show those again that were hidden for another one.

    Each is hidden once: the user may show it while the report is shown.

    Args:
        volume: the volume. None: hide none.
    """
    for node in slicer.util.getNodesByClass("vtkMRMLSegmentationNode"):
        if node.GetAttribute(GENERATED_ATTRIBUTE):
            continue
        covers = volume is not None and _mayBelongTo(node, volume)
        if covers and node.GetDisplayVisibility() and not node.GetAttribute(HIDDEN_ATTRIBUTE):
            node.SetAttribute(HIDDEN_ATTRIBUTE, "1")
            node.SetDisplayVisibility(False)
        elif not covers and node.GetAttribute(HIDDEN_ATTRIBUTE):
            node.RemoveAttribute(HIDDEN_ATTRIBUTE)
            node.SetDisplayVisibility(True)


def _mayBelongTo(node: slicer.vtkMRMLSegmentationNode, volume: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether a segmentation is of a volume. One that was loaded from a file does not say of which."""
    reference = node.GetNodeReference(node.GetReferenceImageGeometryReferenceRole())
    return reference is None or reference is volume

"""The module's parameters: what the user chose, stored in the scene, and what one run uses."""

from dataclasses import dataclass

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class Reg2RGParameters:
    """
    The parameter node.

    inputVolume: the chest CT.
    regions: a segmentation that contains the regions. None: segment them automatically.
    fast: segment faster and less precisely, if the segmenter can.
    model: name of an installed model, or a model folder.
    device: "auto", "cpu", "cuda" or "mps".
    showFindings: show the located findings in the views.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    regions: slicer.vtkMRMLSegmentationNode
    fast: bool = False
    model: str = "phantom"
    device: str = "auto"
    showFindings: bool = True


@dataclass(frozen=True)
class RunParameters:
    """How to write one report.

    Attributes:
        regions: a segmentation whose segments are named after the regions. None: segment them automatically.
        model: name of an installed model, or a model folder.
        device: "auto", "cpu", "cuda" or "mps".
        fast: segment faster and less precisely, if the segmenter can.
    """

    regions: "slicer.vtkMRMLSegmentationNode | None" = None
    model: str = "phantom"
    device: str = "auto"
    fast: bool = False

    @classmethod
    def fromNode(cls, node: Reg2RGParameters) -> "RunParameters":
        """Return what the user has chosen."""
        return cls(regions=node.regions, model=node.model, device=node.device, fast=node.fast)

"""The module's parameters: the user's choices, stored in the scene, and the parameters of one run."""

from dataclasses import dataclass

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class Reg2RGParameters:
    """
    The parameter node.

    inputVolume: the chest CT.
    regions: a segmentation that contains the regions, or None to segment them automatically.
    priorVolume: an earlier CT of the same patient to compare with, or None.
    fast: segment faster but less precisely, if the segmenter supports it.
    model: name of an installed model, or a model folder.
    device: "auto", "cpu", "cuda" or "mps".
    showFindings: show located findings in the views.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    regions: slicer.vtkMRMLSegmentationNode
    priorVolume: slicer.vtkMRMLScalarVolumeNode
    fast: bool = False
    model: str = "phantom"
    device: str = "auto"
    showFindings: bool = True


@dataclass(frozen=True)
class RunParameters:
    """Parameters of one run.

    Attributes:
        regions: a segmentation whose segments are named after the regions, or None to segment them automatically.
        model: name of an installed model, or a model folder.
        device: "auto", "cpu", "cuda" or "mps".
        fast: segment faster but less precisely, if the segmenter supports it.
        prior: an earlier CT of the same patient; the report then says what changed.
    """

    regions: "slicer.vtkMRMLSegmentationNode | None" = None
    model: str = "phantom"
    device: str = "auto"
    fast: bool = False
    prior: "slicer.vtkMRMLScalarVolumeNode | None" = None

    @classmethod
    def fromNode(cls, node: Reg2RGParameters) -> "RunParameters":
        """Return the user's choices."""
        return cls(regions=node.regions, model=node.model, device=node.device, fast=node.fast, prior=node.priorVolume)

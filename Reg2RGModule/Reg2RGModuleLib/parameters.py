"""What the user chose, kept in the scene with the module's parameter node."""

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper


@parameterNodeWrapper
class Reg2RGParameters:
    """
    inputVolume: the CT.
    regions: an existing segmentation to take the regions from; automatic if None.
    fast: segment faster and coarser, where the segmenter can.
    model: name of an installed model or a model folder.
    device: "auto", "cpu", "cuda" or "mps".
    showFindings: show the located findings in the views.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    regions: slicer.vtkMRMLSegmentationNode
    fast: bool = False
    model: str = "phantom"
    device: str = "auto"
    showFindings: bool = True

"""Volumes and segmentations under transforms, as the engine sees them.

The engine works in the coordinates of one linear transform, or in those of the world. Voxels under any other transform
are not where their own grid says, so a copy of the volume is brought there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

SAMPLES = 9
"""The world is sampled at this many points of the volume per axis to find out how far it extends."""
MAX_GROWTH = 2.0
"""A resampled volume has at most this many times the voxels per axis."""


def frameOf(
    volume: slicer.vtkMRMLScalarVolumeNode, regions: slicer.vtkMRMLSegmentationNode | None = None
) -> slicer.vtkMRMLTransformNode | None:
    """Return the transform in whose coordinates the engine sees a volume. None: those of the world.

    Args:
        volume: the volume.
        regions: a segmentation of its regions, whose coordinates are kept if it has any.
    """
    frame = (regions if regions is not None else volume).GetParentTransformNode()
    return frame if frame is not None and frame.IsTransformToWorldLinear() else None


def noticeOf(volume: slicer.vtkMRMLScalarVolumeNode, frame: slicer.vtkMRMLTransformNode | None) -> str:
    """Return what the user should know about the transform of a volume; "" if there is nothing."""
    transform = volume.GetParentTransformNode()
    if transform is frame:
        return ""
    if transform is not None and not transform.IsTransformToWorldLinear():
        message = _('The volume "{0}" is under a non-linear transform, so the report is made of a resampled copy.')
    else:
        message = _(
            'The volume "{0}" and its regions are under different transforms; the report is made in the place '
            "where they are shown."
        )
    return message.format(volume.GetName())


def volumeIn(
    volume: slicer.vtkMRMLScalarVolumeNode, frame: slicer.vtkMRMLTransformNode | None
) -> slicer.vtkMRMLScalarVolumeNode:
    """Return voxels and geometry of a volume in the coordinates of a transform. The copy is not in the scene."""
    transform = _transformBetween(volume.GetParentTransformNode(), frame)
    if transform is None:
        return _copy(volume.GetImageData(), _ijkToRas(volume))
    linear, matrix = vtk.vtkTransform(), vtk.vtkMatrix4x4()
    if slicer.vtkMRMLTransformNode.IsGeneralTransformLinear(transform, linear):
        vtk.vtkMatrix4x4.Multiply4x4(linear.GetMatrix(), _ijkToRas(volume), matrix)
        return _copy(volume.GetImageData(), matrix)
    return _resampled(volume, transform)


def masksIn(
    segmentation: slicer.vtkMRMLSegmentationNode, frame: slicer.vtkMRMLTransformNode | None
) -> slicer.vtkMRMLSegmentationNode:
    """Return the masks of a segmentation in the coordinates of a transform. The copy is not in the scene."""
    copy = slicer.vtkMRMLSegmentationNode()
    copy.GetSegmentation().DeepCopy(segmentation.GetSegmentation())
    copy.GetSegmentation().RemoveRepresentation(
        slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
    )
    transform = _transformBetween(segmentation.GetParentTransformNode(), frame)
    if transform is not None:
        copy.ApplyTransform(transform)
    return copy


def pointBetween(
    source: slicer.vtkMRMLTransformNode | None, target: slicer.vtkMRMLTransformNode | None, point: Sequence[float]
) -> tuple[float, float, float]:
    """Return a point (RAS) in the coordinates of one node in those of another. None: those of the world."""
    transform = _transformBetween(source, target)
    if transform is None:
        return tuple(point)
    return tuple(transform.TransformPoint(*map(float, point)))


def _transformBetween(
    source: slicer.vtkMRMLTransformNode | None, target: slicer.vtkMRMLTransformNode | None
) -> vtk.vtkGeneralTransform | None:
    """Return the transform from the coordinates of one node to those of another. None: they are the same."""
    if source is target:
        return None
    transform = vtk.vtkGeneralTransform()
    slicer.vtkMRMLTransformNode.GetTransformBetweenNodes(source, target, transform)
    return transform


def _resampled(
    volume: slicer.vtkMRMLScalarVolumeNode, transform: vtk.vtkGeneralTransform
) -> slicer.vtkMRMLScalarVolumeNode:
    """Return a volume after a transform. Spacing and directions are its own, and it is as large as its content."""
    ijkToRas, rasToIjk = _ijkToRas(volume), vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(ijkToRas, rasToIjk)
    whole = vtk.vtkGeneralTransform()  # from indices before to indices after the transform
    whole.PostMultiply()
    whole.Concatenate(ijkToRas)
    whole.Concatenate(transform)
    whole.Concatenate(rasToIjk)
    image = volume.GetImageData()
    first, size = _extentAfter(image.GetDimensions(), whole)
    reslice = vtk.vtkImageReslice()
    reslice.SetInputData(image)
    reslice.SetResliceTransform(whole.GetInverse())
    reslice.SetInterpolationModeToLinear()
    reslice.SetBackgroundLevel(image.GetScalarRange()[0])
    reslice.SetOutputSpacing(1.0, 1.0, 1.0)
    reslice.SetOutputOrigin(*map(float, first))
    reslice.SetOutputExtent(0, size[0] - 1, 0, size[1] - 1, 0, size[2] - 1)
    reslice.Update()
    resampled = reslice.GetOutput()
    origin = ijkToRas.MultiplyPoint((*map(float, first), 1.0))
    for axis in range(3):
        ijkToRas.SetElement(axis, 3, origin[axis])
    resampled.SetOrigin(0.0, 0.0, 0.0)
    return _copy(resampled, ijkToRas)


def _extentAfter(dimensions: Sequence[int], whole: vtk.vtkGeneralTransform) -> tuple[list[int], list[int]]:
    """Return the index of the first voxel and the size of the box that holds a volume after a transform of indices."""
    axes = [np.linspace(0, size - 1, min(SAMPLES, size)) for size in dimensions]
    points = [whole.TransformPoint(float(i), float(j), float(k)) for i in axes[0] for j in axes[1] for k in axes[2]]
    first = np.floor(np.min(points, axis=0)).astype(int)
    size = np.ceil(np.max(points, axis=0)).astype(int) - first + 1
    largest = np.ceil(MAX_GROWTH * np.array(dimensions)).astype(int)
    first = np.where(size > largest, first + (size - largest) // 2, first)
    return first.tolist(), np.minimum(size, largest).tolist()


def _copy(image: vtk.vtkImageData, ijkToRas: vtk.vtkMatrix4x4) -> slicer.vtkMRMLScalarVolumeNode:
    copy = slicer.vtkMRMLScalarVolumeNode()
    copy.SetIJKToRASMatrix(ijkToRas)
    copy.SetAndObserveImageData(image)
    return copy


def _ijkToRas(volume: slicer.vtkMRMLScalarVolumeNode) -> vtk.vtkMatrix4x4:
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return matrix

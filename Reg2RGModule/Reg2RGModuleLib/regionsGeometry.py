"""Geometry of segments: a point inside a segment, its size, and the segments at a point. Points are RAS, in mm."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support

MAX_SAMPLES = 72
"""To find its largest part, a segment is sampled at about this many voxels per axis."""

Point = tuple[float, float, float]


class CroppedVoxels(NamedTuple):
    """The voxels of a segment within its bounding box.

    Attributes:
        image: the label map that the segment is stored in.
        inside: boolean mask (k, j, i) of the segment within the bounding box.
        firstVoxel: index (i, j, k) of the box's first voxel in the label map.
    """

    image: vtk.vtkImageData
    inside: np.ndarray
    firstVoxel: tuple[int, int, int]


def pointInside(segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str, inWorld: bool = True) -> Point | None:
    """Return a point in the largest connected part of a segment, near the center of that part.

    The center of mass would not do: in paired or hollow regions it lies outside the region.

    Args:
        segmentation: the segmentation.
        segmentId: ID of the segment.
        inWorld: whether the point is wanted in the world, rather than in the coordinates of the segmentation.

    Returns:
        The center of a voxel of the segment, or None if the segment is empty.
    """
    from scipy import ndimage

    voxels = croppedVoxels(segmentation, segmentId)
    if voxels is None:
        return None
    inside, firstVoxel = voxels.inside, voxels.firstVoxel
    steps = np.maximum(1, np.array(inside.shape) // MAX_SAMPLES)
    sampled = inside[tuple(slice(None, None, step) for step in steps)]
    if not sampled.any():  # the segment is thinner than the steps
        steps, sampled = np.ones(3, int), inside
    parts, count = ndimage.label(sampled)
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:])) if count > 1 else 1
    indices = np.argwhere(parts == largest)
    nearest = indices[np.argmin((((indices - indices.mean(axis=0)) * steps) ** 2).sum(axis=1))]
    k, j, i = nearest * steps
    ijk = (firstVoxel[0] + i, firstVoxel[1] + j, firstVoxel[2] + k)
    return _toWorld(segmentation, voxels.image, ijk) if inWorld else _toLocal(voxels.image, ijk)


def smallestRegion(segmentation: slicer.vtkMRMLSegmentationNode, candidates: Iterable[str]) -> str | None:
    """Return the ID of the segment with the smallest volume, or None if there are no candidates."""
    return min(candidates, key=lambda segmentId: sizeOf(segmentation, segmentId), default=None)


def regionsAt(segmentation: slicer.vtkMRMLSegmentationNode, ras: Sequence[float]) -> list[str]:
    """Return the IDs of the segments that contain a point."""
    return [segmentId for segmentId in segmentIds(segmentation) if _contains(segmentation, segmentId, ras)]


def sizeOf(segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str) -> float:
    """Return the volume of a segment in mm3."""
    image, inside = _voxels(segmentation, segmentId)
    return 0.0 if inside is None else float(np.count_nonzero(inside)) * float(np.prod(image.GetSpacing()))


def surfaceArea(segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str) -> float:
    """Return the approximate surface area of a segment in mm2: the area of its boundary voxel faces."""
    voxels = croppedVoxels(segmentation, segmentId)
    if voxels is None:
        return 0.0
    x, y, z = voxels.image.GetSpacing()
    faces = [int(np.count_nonzero(np.diff(voxels.inside, axis=axis))) for axis in range(3)]  # across k, j and i
    return faces[0] * x * y + faces[1] * x * z + faces[2] * y * z


def croppedVoxels(segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str) -> CroppedVoxels | None:
    """Return the voxels of a segment within its bounding box, or None if the segment is empty."""
    image, inside = _voxels(segmentation, segmentId)
    if inside is None:
        return None
    extent = image.GetExtent()
    spans = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]  # of k, j and i
    box = tuple(slice(span[0], span[-1] + 1) for span in spans)
    k, j, i = (int(span[0]) for span in spans)
    return CroppedVoxels(image, inside[box], (i + extent[0], j + extent[2], k + extent[4]))


def segmentIds(segmentation: slicer.vtkMRMLSegmentationNode) -> list[str]:
    """Return the IDs of all segments, in order."""
    ids = vtk.vtkStringArray()
    segmentation.GetSegmentation().GetSegmentIDs(ids)
    return [ids.GetValue(index) for index in range(ids.GetNumberOfValues())]


def _labelmap(segment: slicer.vtkSegment) -> vtk.vtkImageData:
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    return segment.GetRepresentation(name)


def _voxels(segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str) -> tuple[vtk.vtkImageData, np.ndarray | None]:
    """Return a segment's label map and its mask (k, j, i). The mask is None if the segment is empty."""
    segment = segmentation.GetSegmentation().GetSegment(segmentId)
    image = _labelmap(segment)
    if image is None or image.IsEmpty():
        return image, None
    scalars = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    inside = scalars.reshape(image.GetDimensions()[::-1]) == segment.GetLabelValue()
    return (image, inside) if inside.any() else (image, None)


def _contains(segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str, ras: Sequence[float]) -> bool:
    segment = segmentation.GetSegmentation().GetSegment(segmentId)
    image = _labelmap(segment)
    if image is None or image.IsEmpty():
        return False
    voxel = [round(index) for index in _toVoxel(segmentation, image, ras)]
    extent = image.GetExtent()
    if not all(extent[2 * axis] <= index <= extent[2 * axis + 1] for axis, index in enumerate(voxel)):
        return False
    return image.GetScalarComponentAsDouble(*voxel, 0) == segment.GetLabelValue()


def _toLocal(image: vtk.vtkImageData, ijk: Sequence[float]) -> Point:
    """Return the point of a voxel in the coordinates of its segmentation."""
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    x, y, z = matrix.MultiplyPoint((*map(float, ijk), 1.0))[:3]
    return x, y, z


def _toWorld(segmentation: slicer.vtkMRMLSegmentationNode, image: vtk.vtkImageData, ijk: Sequence[float]) -> Point:
    ras = [0.0, 0.0, 0.0]
    segmentation.TransformPointToWorld(_toLocal(image, ijk), ras)
    return ras[0], ras[1], ras[2]


def _toVoxel(
    segmentation: slicer.vtkMRMLSegmentationNode, image: vtk.vtkImageData, ras: Sequence[float]
) -> Sequence[float]:
    local = [0.0, 0.0, 0.0]
    segmentation.TransformPointFromWorld(ras, local)
    matrix = vtk.vtkMatrix4x4()
    image.GetWorldToImageMatrix(matrix)
    return matrix.MultiplyPoint((*local, 1.0))[:3]

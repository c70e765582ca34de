"""Where a region lies: a point inside it, its size, and which region is meant by a point. RAS, mm."""

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support

MOST_SAMPLES = 72
"""A region's voxels are thinned to about this many along each axis before its largest part is looked for."""


def pointInside(segmentation, segmentId):
    """A point (r, a, s) of the region's largest connected part, near that part's centre; None if the region is empty.

    Not the centre of mass, which lies outside paired or hollow regions.
    """
    from scipy import ndimage

    image, inside, first = croppedVoxels(segmentation, segmentId)
    if inside is None:
        return None
    steps = np.maximum(1, np.array(inside.shape) // MOST_SAMPLES)
    thinned = inside[tuple(slice(None, None, step) for step in steps)]
    if not thinned.any():  # finer than the steps
        steps, thinned = np.ones(3, int), inside
    parts, count = ndimage.label(thinned)
    largest = 1 + int(np.argmax(np.bincount(parts.ravel())[1:])) if count > 1 else 1
    voxels = np.argwhere(parts == largest)
    nearest = voxels[np.argmin((((voxels - voxels.mean(axis=0)) * steps) ** 2).sum(axis=1))]
    k, j, i = nearest * steps
    return _toWorld(segmentation, image, (first[0] + i, first[1] + j, first[2] + k))


def smallestRegion(segmentation, segmentIds):
    """Of several segments, the one of the smallest volume; None of none."""
    return min(segmentIds, key=lambda segmentId: sizeOf(segmentation, segmentId), default=None)


def regionsAt(segmentation, ras):
    """IDs of the segments whose mask holds a point."""
    return [segmentId for segmentId in segmentIds(segmentation) if _holds(segmentation, segmentId, ras)]


def sizeOf(segmentation, segmentId):
    """Volume, mm3."""
    image, inside = _voxels(segmentation, segmentId)
    return 0.0 if inside is None else float(np.count_nonzero(inside)) * float(np.prod(image.GetSpacing()))


def surfaceArea(segmentation, segmentId):
    """About the area of the segment's surface, mm2: of the voxel faces that lie between inside and outside."""
    image, inside, _ = croppedVoxels(segmentation, segmentId)
    if inside is None:
        return 0.0
    x, y, z = image.GetSpacing()
    faces = [int(np.count_nonzero(np.diff(inside, axis=axis))) for axis in range(3)]
    return faces[0] * x * y + faces[1] * x * z + faces[2] * y * z


def croppedVoxels(segmentation, segmentId):
    """The segment's label map, a boolean array (k, j, i) of the box around the segment, and that box's first (i, j, k).

    The array is None if the segment is empty.
    """
    image, inside = _voxels(segmentation, segmentId)
    if inside is None:
        return image, None, None
    spans = [np.flatnonzero(inside.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    extent = image.GetExtent()
    box = tuple(slice(span[0], span[-1] + 1) for span in spans)
    first = tuple(int(span[0]) + extent[2 * axis] for axis, span in zip((0, 1, 2), spans[::-1], strict=True))
    return image, inside[box], first


def segmentIds(segmentation):
    ids = vtk.vtkStringArray()
    segmentation.GetSegmentation().GetSegmentIDs(ids)
    return [ids.GetValue(index) for index in range(ids.GetNumberOfValues())]


def _labelmap(segment):
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    return segment.GetRepresentation(name)


def _voxels(segmentation, segmentId):
    """The segment's label map and a boolean array (k, j, i) of where the segment is; None for an empty one."""
    segment = segmentation.GetSegmentation().GetSegment(segmentId)
    image = _labelmap(segment)
    if image is None or image.IsEmpty():
        return image, None
    scalars = vtk.util.numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    inside = scalars.reshape(image.GetDimensions()[::-1]) == segment.GetLabelValue()
    return (image, inside) if inside.any() else (image, None)


def _holds(segmentation, segmentId, ras):
    segment = segmentation.GetSegmentation().GetSegment(segmentId)
    image = _labelmap(segment)
    if image is None or image.IsEmpty():
        return False
    voxel = [round(c) for c in _toVoxel(segmentation, image, ras)]
    extent = image.GetExtent()
    if not all(extent[2 * axis] <= c <= extent[2 * axis + 1] for axis, c in enumerate(voxel)):
        return False
    return image.GetScalarComponentAsDouble(*voxel, 0) == segment.GetLabelValue()


def _toWorld(segmentation, image, ijk):
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    ras, local = [0.0, 0.0, 0.0], matrix.MultiplyPoint((*map(float, ijk), 1.0))[:3]
    segmentation.TransformPointToWorld(local, ras)
    return tuple(ras)


def _toVoxel(segmentation, image, ras):
    local, matrix = [0.0, 0.0, 0.0], vtk.vtkMatrix4x4()
    segmentation.TransformPointFromWorld(ras, local)
    image.GetWorldToImageMatrix(matrix)
    return matrix.MultiplyPoint((*local, 1.0))[:3]

"""Closed surfaces of segments for the 3D view, made one by one while the user continues to work.

Slicer's own conversion uses the full grid. For ten regions of 256 x 256 x 200 voxels, it blocks for 9 s and produces
more than a million triangles, which must then be decimated. For a whole chest, a 3 mm grid is fine enough, so the masks
are averaged onto such a grid. All surfaces are added to the segmentation at once, because as soon as one segment has a
surface, Slicer converts all segments that lack one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import qt
import slicer
import vtk
import vtk.util.numpy_support
from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry
from Reg2RGModuleLib.signal import Signal

REGIONS_GRID_MM, FINDINGS_GRID_MM = 3.0, 1.5
"""Grid spacing of the surfaces. Findings are small and few, so they get a finer grid."""
TOTAL_TRIANGLES = 60_000
"""Approximate total number of triangles of all regions. With this many, rotation is still smooth."""
CLUSTER_ABOVE_TRIANGLES, CLUSTER_STEPS = 30_000, 1.5
"""Surfaces with more triangles are first clustered on a grid of this many steps, because decimation takes seconds."""
MAX_DECIMATION = 0.95
SMOOTHING_ITERATIONS, PASS_BAND = 20, 0.05


class SurfaceQueue:
    """Makes the surfaces of one segmentation, one whenever the event loop is idle, and then shows them all.

    Signals:
        finished(): all segments of the segmentation have surfaces.
    """

    def __init__(self, gridMm: float = REGIONS_GRID_MM) -> None:
        self.finished = Signal()
        self._gridMm = gridMm
        self._segmentation: slicer.vtkMRMLSegmentationNode | None = None
        self._waiting: list[str] = []
        self._surfaces: dict[str, vtk.vtkPolyData] = {}
        self._decimation = 0.0
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._makeNext)

    @property
    def busy(self) -> bool:
        """Whether surfaces are being made."""
        return self._segmentation is not None

    @property
    def segmentation(self) -> slicer.vtkMRMLSegmentationNode | None:
        """The segmentation whose surfaces are being made."""
        return self._segmentation

    def make(self, segmentation: slicer.vtkMRMLSegmentationNode) -> None:
        """Make the surfaces that a segmentation lacks, if any. Work on another segmentation is dropped."""
        if segmentation is self._segmentation:
            return
        self.stop()
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        segments = segmentation.GetSegmentation()
        ids = regionsGeometry.segmentIds(segmentation)
        missing = [segmentId for segmentId in ids if segments.GetSegment(segmentId).GetRepresentation(name) is None]
        self._segmentation, self._waiting = segmentation, missing
        self._decimation = self._decimationOf(segmentation, ids) if missing else 0.0
        self._timer.start()

    def stop(self) -> None:
        """Discard the surfaces that have not been shown yet."""
        self._timer.stop()
        self._waiting, self._surfaces = [], {}
        self._segmentation = None

    def _decimationOf(self, segmentation: slicer.vtkMRMLSegmentationNode, ids: Sequence[str]) -> float:
        """Return the fraction of triangles to remove so that all surfaces together have about ``TOTAL_TRIANGLES``."""
        faces = sum(regionsGeometry.surfaceArea(segmentation, segmentId) for segmentId in ids) / self._gridMm**2
        kept = TOTAL_TRIANGLES / (2 * faces) if faces else 1.0  # two triangles per voxel face
        return min(max(1 - kept, 0.0), MAX_DECIMATION)

    def _makeNext(self) -> None:
        segmentation = self._segmentation
        if segmentation is None or segmentation.GetScene() is None:
            self.stop()
        elif self._waiting:
            segmentId = self._waiting.pop(0)
            if segmentation.GetSegmentation().GetSegment(segmentId) is not None:
                surface = closedSurface(segmentation, segmentId, self._decimation, self._gridMm)
                self._surfaces[segmentId] = surface if surface is not None else vtk.vtkPolyData()
        else:
            self._show(segmentation)
            self.stop()
            self.finished.emit()

    def _show(self, segmentation: slicer.vtkMRMLSegmentationNode) -> None:
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        with NodeModify(segmentation):
            for segmentId, surface in self._surfaces.items():
                segment = segmentation.GetSegmentation().GetSegment(segmentId)
                if segment is not None:
                    segment.AddRepresentation(name, surface)


def closedSurface(
    segmentation: slicer.vtkMRMLSegmentationNode, segmentId: str, decimation: float, gridMm: float
) -> vtk.vtkPolyData | None:
    """Return the surface of a segment.

    Args:
        segmentation: the segmentation.
        segmentId: ID of the segment.
        decimation: fraction of the triangles to remove.
        gridMm: spacing of the grid that the mask is averaged onto.

    Returns:
        Polygons in RAS, before the segmentation's transform is applied. None if the segment is empty.
    """
    voxels = regionsGeometry.croppedVoxels(segmentation, segmentId)
    if voxels is None:
        return None
    steps = [max(1, round(gridMm / spacing)) for spacing in voxels.image.GetSpacing()]  # i, j, k
    fractions = _averaged(voxels.inside, steps[::-1])
    grid = vtk.vtkImageData()
    grid.SetDimensions(*fractions.shape[::-1])
    grid.GetPointData().SetScalars(vtk.util.numpy_support.numpy_to_vtk(fractions.ravel(), deep=True))
    # Smoothing comes before decimation, which would preserve the staircase of the voxels.
    surface = _decimated(_smoothContour(grid), decimation)
    toRas = _gridToRas(voxels.image, voxels.firstVoxel, steps)
    transformed = vtk.vtkTransformPolyDataFilter()
    transformed.SetInputData(surface)
    transformed.SetTransform(toRas)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(transformed.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.SetFlipNormals(toRas.GetMatrix().Determinant() < 0)
    normals.Update()
    surface = normals.GetOutput()
    return surface if surface.GetNumberOfPolys() else None


def _smoothContour(grid: vtk.vtkImageData) -> vtk.vtkPolyData:
    """Return the smoothed surface around the grid points with a value of at least one half."""
    contour = vtk.vtkFlyingEdges3D()
    contour.SetInputData(grid)
    contour.SetValue(0, 0.5)
    contour.ComputeNormalsOff()
    contour.ComputeScalarsOff()
    smooth = vtk.vtkWindowedSincPolyDataFilter()
    smooth.SetInputConnection(contour.GetOutputPort())
    smooth.SetNumberOfIterations(SMOOTHING_ITERATIONS)
    smooth.SetPassBand(PASS_BAND)
    smooth.BoundarySmoothingOff()
    smooth.NonManifoldSmoothingOn()
    smooth.NormalizeCoordinatesOn()
    smooth.Update()
    return smooth.GetOutput()


def _decimated(surface: vtk.vtkPolyData, fraction: float) -> vtk.vtkPolyData:
    """Remove about this fraction of the triangles of a surface whose points are in grid steps."""
    wanted = max(1, round((1 - fraction) * surface.GetNumberOfPolys()))
    if surface.GetNumberOfPolys() > CLUSTER_ABOVE_TRIANGLES:
        cluster = vtk.vtkQuadricClustering()
        cluster.SetInputData(surface)
        cluster.AutoAdjustNumberOfDivisionsOff()
        cluster.SetDivisionOrigin(0, 0, 0)
        cluster.SetDivisionSpacing(CLUSTER_STEPS, CLUSTER_STEPS, CLUSTER_STEPS)
        cluster.Update()
        surface = cluster.GetOutput()
    decimate = vtk.vtkQuadricDecimation()
    decimate.SetInputData(surface)
    decimate.SetTargetReduction(max(0.0, 1 - wanted / max(1, surface.GetNumberOfPolys())))
    decimate.Update()
    return decimate.GetOutput()


def _averaged(inside: np.ndarray, steps: Sequence[int]) -> np.ndarray:
    """Return the mean of each block of voxels, float32 (k, j, i), with an empty margin of one block on all sides."""
    ends = [-size % step + step for size, step in zip(inside.shape, steps, strict=True)]
    padded = np.pad(inside, [(step, end) for step, end in zip(steps, ends, strict=True)])
    shape = [length for size, step in zip(padded.shape, steps, strict=True) for length in (size // step, step)]
    return padded.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)


def _gridToRas(image: vtk.vtkImageData, firstVoxel: Sequence[int], steps: Sequence[int]) -> vtk.vtkTransform:
    """Return the transform from indices (i, j, k) of the averaged grid, including its margin, to RAS."""
    transform = vtk.vtkTransform()
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    transform.Concatenate(matrix)
    offset = (first - step + (step - 1) / 2 for first, step in zip(firstVoxel, steps, strict=True))
    transform.Translate(*offset)
    transform.Scale(*steps)
    return transform

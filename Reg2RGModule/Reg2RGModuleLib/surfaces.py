"""Closed surfaces of the regions for the 3D view, made one after the other while the user goes on working.

Slicer's own conversion works on the full grid: 9 s in one piece for ten regions on 256 x 256 x 200 voxels, with more
than a million triangles to decimate. A whole chest needs no finer grid than 3 mm, so the masks are averaged onto one.
The surfaces are given to the segmentation together: as soon as one segment has one, Slicer converts all that have none.
"""

import numpy as np
import qt
import slicer
import vtk
import vtk.util.numpy_support
from slicer.util import NodeModify

from Reg2RGModuleLib import regionsGeometry
from Reg2RGModuleLib.signal import Signal

GRID_MM, FINDINGS_GRID_MM = 3.0, 1.5
"""For regions, and for findings, which are small and few."""
TRIANGLES = 60_000
"""About how many the surfaces of all regions may have together, so that rotation stays fluid."""
MANY_TRIANGLES, CLUSTER_STEPS = 30_000, 1.5
"""A surface of more triangles is first joined on a coarser grid, in steps of that grid: decimating it takes seconds."""
SMOOTHING_ITERATIONS, PASS_BAND = 20, 0.05


class SurfaceQueue:
    """Makes the surfaces of a segmentation, a region each time the event loop is idle, and then shows them.

    Signals:
        finished(): all surfaces are there.
    """

    def __init__(self, gridMm=GRID_MM):
        self.finished = Signal()
        self._gridMm = gridMm
        self._segmentation = None
        self._waiting = []
        self._made = {}
        self._faces = 0.0
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._makeNext)

    @property
    def busy(self):
        return self._segmentation is not None

    @property
    def segmentation(self):
        """The one whose surfaces are being made."""
        return self._segmentation

    def make(self, segmentation):
        """Begin with the surfaces that a segmentation lacks; what was asked of another is given up."""
        if segmentation is self._segmentation:
            return
        self.stop()
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        segments = segmentation.GetSegmentation()
        ids = regionsGeometry.segmentIds(segmentation)
        lacking = [each for each in ids if segments.GetSegment(each).GetRepresentation(name) is None]
        if not lacking:
            return
        self._segmentation, self._waiting = segmentation, lacking
        self._faces = sum(regionsGeometry.surfaceArea(segmentation, each) for each in ids) / self._gridMm**2
        self._timer.start()

    def stop(self):
        self._timer.stop()
        self._waiting, self._made = [], {}
        self._segmentation = None

    def _makeNext(self):
        if self._segmentation.GetScene() is None:
            self.stop()
        elif self._waiting:
            segmentId = self._waiting.pop(0)
            if self._segmentation.GetSegmentation().GetSegment(segmentId) is not None:
                keep = TRIANGLES / (2 * self._faces) if self._faces else 1.0
                surface = closedSurface(self._segmentation, segmentId, min(max(1 - keep, 0.0), 0.95), self._gridMm)
                self._made[segmentId] = surface if surface is not None else vtk.vtkPolyData()
        else:
            self._show()
            self.stop()
            self.finished.emit()

    def _show(self):
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        with NodeModify(self._segmentation):
            for segmentId, surface in self._made.items():
                segment = self._segmentation.GetSegmentation().GetSegment(segmentId)
                if segment is not None:
                    segment.AddRepresentation(name, surface)


def closedSurface(segmentation, segmentId, decimation, gridMm):
    """The surface of a segment as polygons (RAS, before the segmentation's transform); None if it is empty."""
    image, inside, offset = regionsGeometry.croppedVoxels(segmentation, segmentId)
    if inside is None:
        return None
    steps = [max(1, round(gridMm / spacing)) for spacing in image.GetSpacing()]  # i, j, k
    shares = _averaged(inside, steps[::-1])
    grid = vtk.vtkImageData()
    grid.SetDimensions(*shares.shape[::-1])
    scalars = vtk.util.numpy_support.numpy_to_vtk(shares.ravel(), deep=True)
    grid.GetPointData().SetScalars(scalars)
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
    place = vtk.vtkTransformPolyDataFilter()
    place.SetInputData(_decimated(smooth.GetOutput(), decimation))  # smoothed first: a staircase would be kept
    toRas = _gridToRas(image, offset, steps)
    place.SetTransform(toRas)
    normals = vtk.vtkPolyDataNormals()
    normals.SetInputConnection(place.GetOutputPort())
    normals.SplittingOff()
    normals.ConsistencyOff()
    normals.SetFlipNormals(toRas.GetMatrix().Determinant() < 0)
    normals.Update()
    surface = normals.GetOutput()
    return surface if surface.GetNumberOfPolys() else None


def _decimated(surface, share):
    """The surface without about that share of its triangles; its points are in steps of the grid."""
    wanted = max(1, round((1 - share) * surface.GetNumberOfPolys()))
    if surface.GetNumberOfPolys() > MANY_TRIANGLES:
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


def _averaged(inside, steps):
    """Share of each block of voxels that is inside, float32 (k, j, i), with an empty rim of one block around."""
    ends = [-size % step + step for size, step in zip(inside.shape, steps, strict=True)]
    padded = np.pad(inside, [(step, end) for step, end in zip(steps, ends, strict=True)])
    shape = [part for size, step in zip(padded.shape, steps, strict=True) for part in (size // step, step)]
    return padded.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float32)


def _gridToRas(image, offset, steps):
    """From the averaged grid's indices (i, j, k), rim included, to RAS."""
    transform = vtk.vtkTransform()
    matrix = vtk.vtkMatrix4x4()
    image.GetImageToWorldMatrix(matrix)
    transform.Concatenate(matrix)
    transform.Translate(*(first - step + (step - 1) / 2 for first, step in zip(offset, steps, strict=True)))
    transform.Scale(*steps)
    return transform

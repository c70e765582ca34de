"""The application's slice and 3D views: centering, window/level, and clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import slicer
import vtk

from Reg2RGModuleLib import regionsGeometry
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.regions import Window


CLICK_PIXELS = 4
"""If the mouse moves no farther than this between press and release, it is a click; otherwise, the view's drag."""
STEP_MM, MAX_STEPS = 2.0, 250
"""A click in 3D samples the line of sight at this spacing, starting at the first surface."""
MIN_VISIBLE_OPACITY = 0.2
"""Clicks in 3D pass through regions whose surface opacity is below this value."""

SegmentFinder = Callable[
    [slicer.vtkMRMLSegmentationNode, object, vtk.vtkRenderWindowInteractor, Sequence[int]], list[str]
]
"""Returns the IDs of a segmentation's segments at a position in a view."""


def showVolume(volume: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show a volume in the background of all slice views, unless it is already shown."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    if selection.GetActiveVolumeID() == volume.GetID():
        return
    selection.SetActiveVolumeID(volume.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection(1)


def setWindow(volume: slicer.vtkMRMLScalarVolumeNode, window: Window) -> None:
    """Set the window and level of a volume's display, in HU."""
    display = volume.GetDisplayNode()
    if display is not None:
        display.SetAutoWindowLevel(0)
        display.SetWindowLevel(window.width, window.level)


def center(ras: Sequence[float]) -> None:
    """Move all slices to a point, and all cameras so that they look at it from their current direction."""
    vtkMRMLSliceNode = slicer.vtkMRMLSliceNode
    vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *ras, vtkMRMLSliceNode.OffsetJumpSlice)
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        if not _isInView(sliceNode, ras):
            sliceNode.JumpSliceByCentering(*ras)
    for camera in slicer.util.getNodesByClass("vtkMRMLCameraNode"):
        shift = [new - old for new, old in zip(ras, camera.GetFocalPoint(), strict=True)]
        wasModifying = camera.StartModify()
        camera.SetPosition([old + step for old, step in zip(camera.GetPosition(), shift, strict=True)])
        camera.SetFocalPoint(ras)
        camera.EndModify(wasModifying)
        camera.ResetClippingRange()


def _isInView(sliceNode: slicer.vtkMRMLSliceNode, ras: Sequence[float]) -> bool:
    """Return whether a point of the slice is visible in its view, which may be zoomed in."""
    toSlice = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(sliceNode.GetSliceToRAS(), toSlice)
    x, y = toSlice.MultiplyPoint((*ras, 1.0))[:2]
    width, height = sliceNode.GetFieldOfView()[:2]
    return abs(x) <= width / 2 and abs(y) <= height / 2


def resetThreeD() -> None:
    """Reset the 3D views to show everything in the scene."""
    if slicer.app.layoutManager() is not None:
        slicer.util.resetThreeDViews()


class ClickListener:
    """Reports which region was clicked in a slice or 3D view.

    Clicks count only while ``listening`` is True and no markup is being placed.

    Signals:
        clicked(str): ID of the smallest segment at the clicked position.
    """

    def __init__(self) -> None:
        self.clicked = Signal()
        self.listening = True
        self._layoutManager: slicer.qSlicerLayoutManager | None = None
        self._segmentation: slicer.vtkMRMLSegmentationNode | None = None
        self._observers: list[tuple[vtk.vtkRenderWindowInteractor, int]] = []
        self._pressPositions: dict[vtk.vtkRenderWindowInteractor, Sequence[int]] = {}

    def listen(self, segmentation: slicer.vtkMRMLSegmentationNode | None) -> None:
        """Report clicks on a segmentation in all views, including views of layouts that are chosen later."""
        self.stop()
        layoutManager = slicer.app.layoutManager()
        if segmentation is None or layoutManager is None:
            return
        self._layoutManager = layoutManager
        self._segmentation = segmentation
        self._observeViews()
        layoutManager.connect("layoutChanged(int)", self._observeViews)

    def stop(self) -> None:
        """Stop reporting clicks."""
        if self._layoutManager is not None:
            self._layoutManager.disconnect("layoutChanged(int)", self._observeViews)
        self._removeObservers()
        self._layoutManager = self._segmentation = None

    def _observeViews(self) -> None:
        self._removeObservers()
        layoutManager = self._layoutManager
        if layoutManager is None:
            return
        for name in layoutManager.sliceViewNames():
            self._observe(layoutManager.sliceWidget(name).sliceView(), _regionsInSlice)
        for index in range(layoutManager.threeDViewCount):
            self._observe(layoutManager.threeDWidget(index).threeDView(), _regionsInThreeD)

    def _removeObservers(self) -> None:
        for interactor, tag in self._observers:
            interactor.RemoveObserver(tag)
        self._observers = []
        self._pressPositions = {}

    def _observe(self, view: slicer.qMRMLSliceView | slicer.qMRMLThreeDView, find: SegmentFinder) -> None:
        interactor = view.interactorStyle().GetInteractor()

        def onPress(caller: object, event: str) -> None:
            if self.listening and not _isPlacingMarkups():
                self._pressPositions[interactor] = interactor.GetEventPosition()

        def onRelease(caller: object, event: str) -> None:
            start = self._pressPositions.pop(interactor, None)
            end = interactor.GetEventPosition()
            if start is not None and max(abs(start[0] - end[0]), abs(start[1] - end[1])) <= CLICK_PIXELS:
                self._report(find(self._segmentation, view, interactor, end))

        for event, callback in (
            (vtk.vtkCommand.LeftButtonPressEvent, onPress),
            (vtk.vtkCommand.LeftButtonReleaseEvent, onRelease),
        ):
            self._observers.append((interactor, interactor.AddObserver(event, callback, 1.0)))

    def _report(self, segmentIds: Iterable[str]) -> None:
        segmentId = regionsGeometry.smallestRegion(self._segmentation, segmentIds)
        if segmentId is not None:
            self.clicked.emit(segmentId)


def _regionsInSlice(
    segmentation: slicer.vtkMRMLSegmentationNode,
    view: slicer.qMRMLSliceView,
    interactor: vtk.vtkRenderWindowInteractor,
    position: Sequence[int],
) -> list[str]:
    """Return the regions at a position in a slice view."""
    ras = view.mrmlSliceNode().GetXYToRAS().MultiplyPoint((*map(float, position), 0.0, 1.0))[:3]
    return regionsGeometry.regionsAt(segmentation, ras)


def _regionsInThreeD(
    segmentation: slicer.vtkMRMLSegmentationNode,
    view: slicer.qMRMLThreeDView,
    interactor: vtk.vtkRenderWindowInteractor,
    position: Sequence[int],
) -> list[str]:
    """Return the visible regions that the line of sight through a position in a 3D view meets first."""
    renderer = interactor.FindPokedRenderer(*position)
    picker = vtk.vtkCellPicker()
    picker.SetTolerance(0.002)
    if not picker.Pick(*map(float, position), 0.0, renderer):
        return []
    direction = _lineOfSight(renderer, position)
    hit = picker.GetPickPosition()
    display = segmentation.GetDisplayNode()
    for step in range(MAX_STEPS):
        distance = (step + 0.5) * STEP_MM
        ras = [start + distance * component for start, component in zip(hit, direction, strict=True)]
        visible = [
            segmentId
            for segmentId in regionsGeometry.regionsAt(segmentation, ras)
            if display.GetSegmentOpacity3D(segmentId) >= MIN_VISIBLE_OPACITY
        ]
        if visible:
            return visible
    return []


def _isPlacingMarkups() -> bool:
    """Return whether a click would currently place a markup point."""
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    return interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place


def _lineOfSight(renderer: vtk.vtkRenderer, position: Sequence[int]) -> list[float]:
    """Return the unit vector from the camera into the scene at a position in the view."""
    ends = []
    for depth in (0.0, 1.0):
        renderer.SetDisplayPoint(*map(float, position), depth)
        renderer.DisplayToWorld()
        x, y, z, w = renderer.GetWorldPoint()
        ends.append((x / w, y / w, z / w))
    near, far = ends
    vector = [end - start for start, end in zip(near, far, strict=True)]
    length = sum(component * component for component in vector) ** 0.5
    return [component / length for component in vector]

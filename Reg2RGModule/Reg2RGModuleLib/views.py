"""The application's views: centre them on a point, set the window, hear clicks."""

import slicer
import vtk

from Reg2RGModuleLib import regionsGeometry
from Reg2RGModuleLib.signal import Signal

CLICK_PIXELS = 4
"""A press and a release no further apart are a click; further, they are a drag, which the view itself handles."""
STEP_MM, DEPTH_STEPS = 2.0, 250
"""How a click in 3D looks for regions along the line of sight, from the first surface on."""
SEEN_OPACITY = 0.2
"""A region fainter than this in 3D is looked through."""


def showVolume(volume):
    """Volume in the background of all slice views, unless it is shown."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    if selection.GetActiveVolumeID() == volume.GetID():
        return
    selection.SetActiveVolumeID(volume.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection(1)


def setWindow(volume, window):
    """Show the volume in a display window (reg2rg.regions.Window, HU)."""
    display = volume.GetDisplayNode()
    if display is not None:
        display.SetAutoWindowLevel(0)
        display.SetWindowLevel(window.width, window.level)


def centre(ras):
    """Slices through a point, cameras turned onto it from where they are."""
    vtkMRMLSliceNode = slicer.vtkMRMLSliceNode
    vtkMRMLSliceNode.JumpAllSlices(slicer.mrmlScene, *ras, vtkMRMLSliceNode.OffsetJumpSlice)
    for sliceNode in slicer.util.getNodesByClass("vtkMRMLSliceNode"):
        if not _isInSight(sliceNode, ras):
            sliceNode.JumpSliceByCentering(*ras)
    for camera in slicer.util.getNodesByClass("vtkMRMLCameraNode"):
        moved = [new - old for new, old in zip(ras, camera.GetFocalPoint(), strict=True)]
        wasModifying = camera.StartModify()
        camera.SetPosition([place + step for place, step in zip(camera.GetPosition(), moved, strict=True)])
        camera.SetFocalPoint(ras)
        camera.EndModify(wasModifying)
        camera.ResetClippingRange()


def _isInSight(sliceNode, ras):
    """Whether a point of a slice lies within what the view shows of it; zoomed in, it may not."""
    toSlice = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(sliceNode.GetSliceToRAS(), toSlice)
    place = toSlice.MultiplyPoint((*ras, 1.0))
    return all(abs(c) <= size / 2 for c, size in zip(place[:2], sliceNode.GetFieldOfView()[:2], strict=True))


def lookAtAll():
    """3D views onto all that is in them."""
    if slicer.app.layoutManager() is not None:
        slicer.util.resetThreeDViews()


class ClickListener:
    """Tells which region was clicked in a slice or 3D view.

    A click counts only while ``listening`` is true and the mouse places no points.

    Signals:
        clicked(str): ID of the smallest region of the segmentation at the place that was clicked.
    """

    def __init__(self):
        self.clicked = Signal()
        self.listening = True
        self._layout = None
        self._segmentation = None
        self._observed = []
        self._pressed = {}

    def listen(self, segmentation):
        """Listen to clicks on a segmentation, in all views, also those of a layout that is chosen later."""
        self.stop()
        self._layout = slicer.app.layoutManager()
        if segmentation is None or self._layout is None:
            return
        self._segmentation = segmentation
        self._observeViews()
        self._layout.connect("layoutChanged(int)", self._observeViews)

    def stop(self):
        """Listen no more."""
        if self._segmentation is not None:
            self._layout.disconnect("layoutChanged(int)", self._observeViews)
        self._forgetViews()
        self._segmentation = None

    def _observeViews(self):
        self._forgetViews()
        for name in self._layout.sliceViewNames():
            self._observe(self._layout.sliceWidget(name).sliceView(), self._inSlice)
        for index in range(self._layout.threeDViewCount):
            self._observe(self._layout.threeDWidget(index).threeDView(), self._inThreeD)

    def _forgetViews(self):
        for interactor, tag in self._observed:
            interactor.RemoveObserver(tag)
        self._observed = []
        self._pressed = {}

    def _observe(self, view, find):
        interactor = view.interactorStyle().GetInteractor()

        def press(caller, event):
            if self.listening and not _placesPoints():
                self._pressed[interactor] = interactor.GetEventPosition()

        def release(caller, event):
            start = self._pressed.pop(interactor, None)
            end = interactor.GetEventPosition()
            if start is not None and max(abs(start[0] - end[0]), abs(start[1] - end[1])) <= CLICK_PIXELS:
                self._tell(find(view, interactor, end))

        self._observed.append((interactor, interactor.AddObserver(vtk.vtkCommand.LeftButtonPressEvent, press, 1.0)))
        self._observed.append((interactor, interactor.AddObserver(vtk.vtkCommand.LeftButtonReleaseEvent, release, 1.0)))

    def _tell(self, segmentIds):
        segmentId = regionsGeometry.smallestRegion(self._segmentation, segmentIds)
        if segmentId is not None:
            self.clicked.emit(segmentId)

    def _inSlice(self, view, interactor, position):
        ras = view.mrmlSliceNode().GetXYToRAS().MultiplyPoint((*map(float, position), 0.0, 1.0))[:3]
        return regionsGeometry.regionsAt(self._segmentation, ras)

    def _inThreeD(self, view, interactor, position):
        """Regions that the line of sight meets first, those that are hardly visible left out."""
        renderer = interactor.FindPokedRenderer(*position)
        picker = vtk.vtkCellPicker()
        picker.SetTolerance(0.002)
        if not picker.Pick(*map(float, position), 0.0, renderer):
            return []
        ahead = _lineOfSight(renderer, position)
        hit = picker.GetPickPosition()
        display = self._segmentation.GetDisplayNode()
        for step in range(DEPTH_STEPS):
            ras = [place + (step + 0.5) * STEP_MM * way for place, way in zip(hit, ahead, strict=True)]
            found = regionsGeometry.regionsAt(self._segmentation, ras)
            seen = [each for each in found if display.GetSegmentOpacity3D(each) >= SEEN_OPACITY]
            if seen:
                return seen
        return []


def _placesPoints():
    """Whether a click sets a point of a markup now."""
    interaction = slicer.app.applicationLogic().GetInteractionNode()
    return interaction is not None and interaction.GetCurrentInteractionMode() == interaction.Place


def _lineOfSight(renderer, position):
    """Unit vector from the eye into the scene at a place of the view."""
    ends = []
    for depth in (0.0, 1.0):
        renderer.SetDisplayPoint(*map(float, position), depth)
        renderer.DisplayToWorld()
        x, y, z, w = renderer.GetWorldPoint()
        ends.append((x / w, y / w, z / w))
    way = [far - near for near, far in zip(*ends, strict=True)]
    length = sum(step * step for step in way) ** 0.5
    return [step / length for step in way]

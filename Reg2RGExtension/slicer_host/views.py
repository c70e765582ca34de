"""Slice and 3D views: trame-slicer's, rendered offscreen and drawn into Qt widgets.

Native VTK windows give noise when a widget is grabbed, and QOpenGLWidget draws nothing without a display; an image
copied out of an offscreen window works everywhere. Renders are gathered by a timer of 0 ms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
import vtk.util.numpy_support
from PySide6.QtCore import QEvent, QPoint, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget
from trame_slicer.views import ScheduledRenderStrategy, SliceView, ThreeDView

_PRESS = {
    Qt.LeftButton: "LeftButtonPressEvent",
    Qt.MiddleButton: "MiddleButtonPressEvent",
    Qt.RightButton: "RightButtonPressEvent",
}


class _QtScheduledRender(ScheduledRenderStrategy):
    """Renders once when Qt's event loop is next reached, however often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.timer = QTimer()
        self.timer.setSingleShot(True)
        self.timer.setInterval(0)
        self.timer.timeout.connect(self._render)
        self.widget: VtkWidget | None = None

    def schedule_render(self) -> None:
        if not self.timer.isActive():
            self.timer.start()

    def did_render(self) -> None:
        self.timer.stop()

    def _render(self) -> None:
        if self.widget is not None:
            self.widget.forceRender()


class VtkWidget(QWidget):
    """A view of trame-slicer in a Qt widget, with the names of Slicer's ctkVTKAbstractView."""

    def __init__(self, view: Any, schedule: _QtScheduledRender, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._image = QImage()
        self._schedule = schedule
        schedule.widget = self
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.StrongFocus)
        self.setMinimumSize(60, 60)
        self.setAttribute(Qt.WA_OpaquePaintEvent)

    def VTKWidget(self) -> VtkWidget:
        """The widget that gets the mouse; in Slicer it lies inside the view."""
        return self

    def renderWindow(self) -> Any:
        return self._view.render_window()

    def interactor(self) -> Any:
        return self._view.interactor()

    def interactorStyle(self) -> Any:
        """Slicer's interactor observer; ``GetInteractor()`` gives what sends mouse events."""
        return self._view._interactor_observer  # trame-slicer has no public name for it

    def displayableManagerByClassName(self, name: str) -> Any:
        return self._view.get_displayable_manager_by_class(name)

    def scheduleRender(self) -> None:
        self._schedule.schedule_render()

    def forceRender(self) -> None:
        """Render now and repaint."""
        if self.width < 2 or self.height < 2:
            return
        self._view.render()
        self._image = _picture(self.renderWindow())
        self.update()

    def paintEvent(self, event: Any) -> None:
        painter = QPainter(self)
        if self._image.isNull():
            painter.fillRect(self.rect, QColor(0, 0, 0))
        else:
            painter.drawImage(self.rect, self._image)
        painter.end()

    def resizeEvent(self, event: Any) -> None:
        width, height = max(self.width, 2), max(self.height, 2)
        self.renderWindow().SetSize(width, height)
        self.interactor().SetSize(width, height)
        self.interactor().InvokeEvent(vtk.vtkCommand.ConfigureEvent)
        self.scheduleRender()

    def event(self, event: Any) -> bool:
        kind = event.type()
        if kind in (QEvent.MouseButtonPress, QEvent.MouseButtonRelease, QEvent.MouseMove, QEvent.MouseButtonDblClick):
            self._mouse(event, kind)
            return True
        if kind == QEvent.Wheel:
            self._place(event.position().toPoint(), event.modifiers())
            forward = event.angleDelta().y() > 0
            self.interactor().InvokeEvent("MouseWheelForwardEvent" if forward else "MouseWheelBackwardEvent")
            return True
        if kind in (QEvent.Enter, QEvent.Leave):
            self.interactor().InvokeEvent("EnterEvent" if kind == QEvent.Enter else "LeaveEvent")
        return QWidget.event(self, event)

    def _mouse(self, event: Any, kind: Any) -> None:
        self._place(event.position().toPoint(), event.modifiers(), kind == QEvent.MouseButtonDblClick)
        if kind == QEvent.MouseMove:
            self.interactor().InvokeEvent("MouseMoveEvent")
            return
        name = _PRESS.get(event.button())
        if name is None:
            return
        if kind == QEvent.MouseButtonRelease:
            name = name.replace("Press", "Release")
        elif kind == QEvent.MouseButtonDblClick:
            name = name.replace("Press", "DoubleClick")
        self.interactor().InvokeEvent(name)

    def _place(self, point: QPoint, modifiers: Any, twice: bool = False) -> None:
        control, shift = bool(modifiers & Qt.ControlModifier), bool(modifiers & Qt.ShiftModifier)
        self.interactor().SetEventInformationFlipY(
            point.x(), point.y(), int(control), int(shift), chr(0), int(twice), None
        )


class SliceViewWidget(VtkWidget):
    """The names of qMRMLSliceView."""

    def mrmlSliceNode(self) -> Any:
        return self._view.get_view_node()


class ThreeDViewWidget(VtkWidget):
    """The names of qMRMLThreeDView."""

    def mrmlViewNode(self) -> Any:
        return self._view.get_view_node()

    def cameraNode(self) -> Any:
        return self._view.get_camera_node()

    def resetFocalPoint(self) -> None:
        self._view.reset_focal_point()
        self._view.reset_camera()
        self.scheduleRender()

    def rotateToViewAxis(self, axis: int) -> None:
        """0 right, 1 left, 2 posterior, 3 anterior, 4 inferior, 5 superior."""
        node = self.cameraNode()
        directions = (node.Right, node.Left, node.Posterior, node.Anterior, node.Inferior, node.Superior)
        node.RotateTo(directions[axis])


class SliceWidget(QWidget):
    """A slice view with its offset slider; the names of qMRMLSliceWidget."""

    def __init__(self, name: str, orientation: str, colour: str, application: Any) -> None:
        super().__init__()
        schedule = _QtScheduledRender()
        # trame-slicer observes an event that VTK 9.6 warns about; the resizes come from _resized here.
        vtk.vtkObject.GlobalWarningDisplayOff()
        view = SliceView(application.scene, application.app_logic, name, scheduled_render_strategy=schedule)
        vtk.vtkObject.GlobalWarningDisplayOn()
        view.set_view_properties(_properties(orientation, name[0], colour))
        view.get_view_node().SetMappedInLayout(1)
        view.render_window().SetMultiSamples(0)  # in software they cost more than the slice itself
        self._logic = application.app_logic.GetSliceLogic(view.get_view_node())
        self._view = SliceViewWidget(view, schedule)
        self._slider = QSlider(Qt.Horizontal)
        self._slider.setRange(0, 1000)
        self._slider.setFocusPolicy(Qt.NoFocus)
        label = QLabel(name[0])
        label.setStyleSheet(f"background: {colour}; color: black; font-weight: bold; padding: 0 6px;")
        self._offset = QLabel()
        self._offset.setMinimumWidth(self._offset.fontMetrics().horizontalAdvance("S: -0000.0 mm"))
        bar = QHBoxLayout()
        bar.setContentsMargins(0, 0, 4, 0)
        bar.addWidget(label)
        bar.addWidget(self._slider)
        bar.addWidget(self._offset)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self._view, 1)
        self._axis = {"Sagittal": 0, "Coronal": 1, "Axial": 2}[orientation]
        view.interactor().AddObserver(vtk.vtkCommand.ConfigureEvent, self._resized)
        self._slider.valueChanged.connect(self._slid)
        self.mrmlSliceNode().AddObserver(vtk.vtkCommand.ModifiedEvent, self._show_offset)
        self._show_offset()

    def sliceView(self) -> SliceViewWidget:
        return self._view

    def sliceLogic(self) -> Any:
        return self._logic

    def mrmlSliceNode(self) -> Any:
        return self._view.mrmlSliceNode()

    def mrmlSliceCompositeNode(self) -> Any:
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        self._resized()
        self._logic.FitSliceToBackground()
        self._logic.SnapSliceOffsetToIJK()

    def _resized(self, *_: Any) -> None:
        self._logic.ResizeSliceNode(*self._view.renderWindow().GetSize())

    def _range(self) -> tuple[float, float]:
        ends, step = [0.0, 1.0], vtk.reference(1.0)
        known = self._logic.GetSliceOffsetRangeResolution(ends, step)
        return (ends[0], ends[1]) if known and ends[1] > ends[0] else (0.0, 1.0)

    def _slid(self, place: int) -> None:
        low, high = self._range()
        self._logic.SetSliceOffset(low + (high - low) * place / 1000)

    def _show_offset(self, *_: Any) -> None:
        offset, (low, high) = self._logic.GetSliceOffset(), self._range()
        place = self.mrmlSliceNode().GetSliceToRAS().GetElement(self._axis, 3)
        self._offset.setText(f"{'RAS'[self._axis]}: {place:.1f} mm")
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(round((offset - low) / (high - low) * 1000))
        self._slider.blockSignals(blocked)


class ThreeDWidget(QWidget):
    """A 3D view; the names of qMRMLThreeDWidget."""

    def __init__(self, application: Any) -> None:
        super().__init__()
        schedule = _QtScheduledRender()
        view = ThreeDView(application.scene, application.app_logic, "1", scheduled_render_strategy=schedule)
        view.get_view_node().SetMappedInLayout(1)
        view.render_window().SetMultiSamples(0)  # depth peeling, which translucent surfaces need, has no multisampling
        view.render_window().SetAlphaBitPlanes(1)
        view.set_background_gradient_color([193, 195, 232], [116, 120, 190])
        view.set_box_visible(False)
        self._view = ThreeDViewWidget(view, schedule)
        label = QLabel("1")
        label.setStyleSheet("background: #7a7ac8; color: black; font-weight: bold; padding: 0 6px;")
        bar = QHBoxLayout()
        bar.setContentsMargins(0, 0, 0, 0)
        bar.addWidget(label)
        bar.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self._view, 1)

    def threeDView(self) -> ThreeDViewWidget:
        return self._view

    def mrmlViewNode(self) -> Any:
        return self._view.mrmlViewNode()


def _properties(orientation: str, label: str, colour: str) -> Any:
    from trame_slicer.views.abstract_view import ViewProps

    return ViewProps(label=label, orientation=orientation, color=colour)


def _picture(window: Any) -> QImage:
    """The window's pixels, (height, width, 3) uint8 turned upright."""
    width, height = window.GetSize()
    pixels = vtk.vtkUnsignedCharArray()
    window.GetPixelData(0, 0, width - 1, height - 1, 1, pixels, 0)
    array = vtk.util.numpy_support.vtk_to_numpy(pixels).reshape(height, width, 3)
    upright = np.ascontiguousarray(array[::-1])
    return QImage(upright.data, width, height, 3 * width, QImage.Format_RGB888).copy()

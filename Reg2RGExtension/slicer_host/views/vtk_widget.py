"""A trame-slicer view in a Qt widget: rendered offscreen, drawn as an image, and controlled by Qt's mouse events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import vtk
import vtk.util.numpy_support
from PySide6.QtCore import QEvent, QPoint, QRect, Qt, QTimer
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget
from trame_slicer.views import AbstractView, ScheduledRenderStrategy

if TYPE_CHECKING:
    from slicer import vtkMRMLAbstractDisplayableManager, vtkMRMLViewInteractorStyle

MINIMUM_SIZE = 60
"""Minimum width and height of a view in pixels."""
_PRESS_EVENTS = {
    Qt.MouseButton.LeftButton: "LeftButtonPressEvent",
    Qt.MouseButton.MiddleButton: "MiddleButtonPressEvent",
    Qt.MouseButton.RightButton: "RightButtonPressEvent",
}


class QtRenderSchedule(ScheduledRenderStrategy):
    """Renders once when the event loop next runs, no matter how often rendering was requested."""

    def __init__(self) -> None:
        super().__init__()
        self.widget: VtkWidget | None = None
        self._timer = QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._render)

    def schedule_render(self) -> None:
        """Request rendering."""
        if not self._timer.isActive():
            self._timer.start()

    def did_render(self) -> None:
        """Drop the request, because the view has just been rendered."""
        self._timer.stop()

    def _render(self) -> None:
        if self.widget is not None:
            self.widget.forceRender()


class VtkWidget(QWidget):
    """A trame-slicer view in a Qt widget, like ctkVTKAbstractView."""

    def __init__(self, view: AbstractView, schedule: QtRenderSchedule, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._view = view
        self._image = QImage()
        self._schedule = schedule
        schedule.widget = self
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(MINIMUM_SIZE, MINIMUM_SIZE)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)

    def VTKWidget(self) -> VtkWidget:
        """Return the widget that receives mouse events. In Slicer, it is a child of the view."""
        return self

    def renderWindow(self) -> vtk.vtkRenderWindow:
        """Return the offscreen window."""
        return self._view.render_window()

    def interactor(self) -> vtk.vtkRenderWindowInteractor:
        """Return the interactor, which sends mouse events to VTK."""
        return self._view.interactor()

    def interactorStyle(self) -> vtkMRMLViewInteractorStyle:
        """Return the interactor style, which observes mouse events. ``GetInteractor()`` returns their sender."""
        return self._view._interactor_observer  # trame-slicer has no public accessor for it.

    def displayableManagerByClassName(self, name: str) -> vtkMRMLAbstractDisplayableManager:
        """Return a displayable manager of the view, given its class name."""
        return self._view.get_displayable_manager_by_class(name)

    def scheduleRender(self) -> None:
        """Render when the event loop next runs."""
        self._schedule.schedule_render()

    def forceRender(self) -> None:
        """Render now and repaint, unless rendering is paused."""
        if self._view.is_render_blocked or min(self._pixel_size()) < 2:
            return
        self._view.render()
        self._image = _copy_pixels(self.renderWindow())
        self.update()

    def setRenderPaused(self, paused: bool) -> None:
        """Stop or resume rendering."""
        self._view.set_render_blocked(paused)

    def _pixel_size(self) -> tuple[int, int]:
        rectangle: QRect = self.property("rect")
        return rectangle.width(), rectangle.height()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the last rendered image."""
        painter = QPainter(self)
        if self._image.isNull():
            painter.fillRect(self.property("rect"), QColor(0, 0, 0))
        else:
            painter.drawImage(self.property("rect"), self._image)
        painter.end()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Resize the offscreen window to the size of the widget."""
        width, height = (max(pixels, 2) for pixels in self._pixel_size())
        self.renderWindow().SetSize(width, height)
        self.interactor().SetSize(width, height)
        self.interactor().InvokeEvent(vtk.vtkCommand.ConfigureEvent)
        self.scheduleRender()

    def event(self, event: QEvent) -> bool:
        """Pass mouse events on to VTK."""
        if isinstance(event, QMouseEvent):
            self._send_mouse_event(event)
            return True
        if isinstance(event, QWheelEvent):
            self._set_event_position(event.position().toPoint(), event.modifiers())
            forward = event.angleDelta().y() > 0
            self.interactor().InvokeEvent("MouseWheelForwardEvent" if forward else "MouseWheelBackwardEvent")
            return True
        if event.type() == QEvent.Type.Enter:
            self.interactor().InvokeEvent("EnterEvent")
        elif event.type() == QEvent.Type.Leave:
            self.interactor().InvokeEvent("LeaveEvent")
        return QWidget.event(self, event)

    def _send_mouse_event(self, event: QMouseEvent) -> None:
        double_click = event.type() == QEvent.Type.MouseButtonDblClick
        self._set_event_position(event.position().toPoint(), event.modifiers(), double_click)
        if event.type() == QEvent.Type.MouseMove:
            self.interactor().InvokeEvent("MouseMoveEvent")
            return
        name = _PRESS_EVENTS.get(event.button())
        if name is None:
            return
        if event.type() == QEvent.Type.MouseButtonRelease:
            name = name.replace("Press", "Release")
        elif double_click:
            name = name.replace("Press", "DoubleClick")
        self.interactor().InvokeEvent(name)

    def _set_event_position(self, point: QPoint, modifiers: Qt.KeyboardModifier, double_click: bool = False) -> None:
        control = bool(modifiers & Qt.KeyboardModifier.ControlModifier)
        shift = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        self.interactor().SetEventInformationFlipY(
            point.x(), point.y(), int(control), int(shift), chr(0), int(double_click), None
        )


def _copy_pixels(window: vtk.vtkRenderWindow) -> QImage:
    """Return the pixels of a window as an image. VTK's first row is at the bottom, Qt's at the top."""
    width, height = window.GetSize()
    pixels = vtk.vtkUnsignedCharArray()
    window.GetPixelData(0, 0, width - 1, height - 1, 1, pixels, 0)
    rows = vtk.util.numpy_support.vtk_to_numpy(pixels).reshape(height, width, 3)
    upright = np.ascontiguousarray(rows[::-1])
    return QImage(upright.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()

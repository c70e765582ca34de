"""A slice view with its offset slider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import vtk
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget
from trame_slicer.core import SlicerApp
from trame_slicer.views import SliceView
from trame_slicer.views.abstract_view import ViewProps

from slicer_host.views.vtk_widget import QtRenderSchedule, VtkWidget

if TYPE_CHECKING:
    from slicer import vtkMRMLSliceCompositeNode, vtkMRMLSliceLogic, vtkMRMLSliceNode

STEPS = 1000
"""Number of slider steps across the volume."""
AXES = {"Sagittal": 0, "Coronal": 1, "Axial": 2}
"""Orientation -> index of the RAS axis along which the slice moves."""


class SliceViewWidget(VtkWidget):
    """The image area of a slice view, like qMRMLSliceView."""

    def mrmlSliceNode(self) -> vtkMRMLSliceNode:
        """Return the node that stores the view's geometry."""
        return self._view.get_view_node()


class SliceWidget(QWidget):
    """A slice view with its offset slider, like qMRMLSliceWidget."""

    def __init__(self, name: str, orientation: str, label: str, color: str, group: int, app: SlicerApp) -> None:
        super().__init__()
        schedule = QtRenderSchedule()
        view = _make_view(name, orientation, label, color, app, schedule)
        view.get_view_node().SetViewGroup(group)
        self._logic = app.app_logic.GetSliceLogic(view.get_view_node())
        self._view = SliceViewWidget(view, schedule)
        self._axis = AXES[orientation]
        self._slider = QSlider(Qt.Orientation.Horizontal)
        self._slider.setRange(0, STEPS)
        self._slider.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._offset_label = QLabel()
        width = self._offset_label.fontMetrics().horizontalAdvance("S: -0000.0 mm")
        self._offset_label.setMinimumWidth(width)
        self._lay_out(label, color)
        view.interactor().AddObserver(vtk.vtkCommand.ConfigureEvent, self._on_resized)
        self._slider.valueChanged.connect(self._on_slider_changed)
        self.mrmlSliceNode().AddObserver(vtk.vtkCommand.ModifiedEvent, self._show_offset)
        self._show_offset()

    def _lay_out(self, label: str, color: str) -> None:
        letter = QLabel(label)
        letter.setStyleSheet(f"background: {color}; color: black; font-weight: bold; padding: 0 6px;")
        bar = QHBoxLayout()
        bar.setContentsMargins(0, 0, 4, 0)
        bar.addWidget(letter)
        bar.addWidget(self._slider)
        bar.addWidget(self._offset_label)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self._view, 1)

    def sliceView(self) -> SliceViewWidget:
        """Return the view."""
        return self._view

    def sliceLogic(self) -> vtkMRMLSliceLogic:
        """Return the logic that reslices the volume."""
        return self._logic

    def mrmlSliceNode(self) -> vtkMRMLSliceNode:
        """Return the node that stores the view's geometry."""
        return self._view.mrmlSliceNode()

    def mrmlSliceCompositeNode(self) -> vtkMRMLSliceCompositeNode:
        """Return the node that stores which volumes are shown."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Zoom so that the whole volume is visible."""
        self._on_resized()
        self._logic.FitSliceToBackground()
        self._logic.SnapSliceOffsetToIJK()

    def _on_resized(self, *_: Any) -> None:
        self._logic.ResizeSliceNode(*self._view.renderWindow().GetSize())

    def _offset_range(self) -> tuple[float, float]:
        ends, resolution = [0.0, 1.0], vtk.reference(1.0)
        known = self._logic.GetSliceOffsetRangeResolution(ends, resolution)
        return (ends[0], ends[1]) if known and ends[1] > ends[0] else (0.0, 1.0)

    def _on_slider_changed(self, position: int) -> None:
        low, high = self._offset_range()
        self._logic.SetSliceOffset(low + (high - low) * position / STEPS)

    def _show_offset(self, *_: Any) -> None:
        offset, (low, high) = self._logic.GetSliceOffset(), self._offset_range()
        coordinate = self.mrmlSliceNode().GetSliceToRAS().GetElement(self._axis, 3)
        self._offset_label.setText(f"{'RAS'[self._axis]}: {coordinate:.1f} mm")
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(round((offset - low) / (high - low) * STEPS))
        self._slider.blockSignals(blocked)


def _make_view(
    name: str, orientation: str, label: str, color: str, app: SlicerApp, schedule: QtRenderSchedule
) -> SliceView:
    # trame-slicer observes an event that VTK 9.6 warns about; SliceWidget handles resizing itself.
    vtk.vtkObject.GlobalWarningDisplayOff()
    view = SliceView(app.scene, app.app_logic, name, scheduled_render_strategy=schedule)
    vtk.vtkObject.GlobalWarningDisplayOn()
    view.set_view_properties(ViewProps(label=label, orientation=orientation, color=color))
    view.get_view_node().SetMappedInLayout(1)
    view.render_window().SetMultiSamples(0)  # In software, multisampling takes longer than drawing the slice.
    return view

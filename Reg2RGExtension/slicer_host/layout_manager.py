"""Slicer's four-up layout: red (axial) and 3D above, green (coronal) and yellow (sagittal) below."""

from __future__ import annotations

from typing import TYPE_CHECKING

import slicer
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QGridLayout, QWidget
from trame_slicer.core import SlicerApp

from slicer_host.views import SliceWidget, ThreeDWidget

if TYPE_CHECKING:
    from vtk import vtkCollection

_SLICE_VIEWS = {
    "Red": ("Axial", "#F34A33", (0, 0)),
    "Yellow": ("Sagittal", "#EFD64D", (1, 1)),
    "Green": ("Coronal", "#6DAD4A", (1, 0)),
}
"""Name -> orientation, color, and (row, column) in the grid."""
_THREE_D_CELL = (0, 1)


class LayoutManager(QObject):
    """The part of qSlicerLayoutManager that modules use. There is only one layout."""

    layoutChanged = Signal(int)

    threeDViewCount = 1
    layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView

    def __init__(self, app: SlicerApp) -> None:
        super().__init__()
        self._slice_widgets: dict[str, SliceWidget] = {}
        self._three_d_widget = ThreeDWidget(app)
        self._viewport = QWidget()
        grid = QGridLayout(self._viewport)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for name, (orientation, color, cell) in _SLICE_VIEWS.items():
            self._slice_widgets[name] = SliceWidget(name, orientation, color, app)
            grid.addWidget(self._slice_widgets[name], *cell)
        grid.addWidget(self._three_d_widget, *_THREE_D_CELL)
        for index in (0, 1):
            grid.setRowStretch(index, 1)
            grid.setColumnStretch(index, 1)

    def viewport(self) -> QWidget:
        """Return the widget that contains the views."""
        return self._viewport

    def sliceViewNames(self) -> tuple[str, ...]:
        """Return the names of the slice views."""
        return tuple(self._slice_widgets)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        """Return a slice view by its name, such as "Red"."""
        return self._slice_widgets.get(name)

    def threeDWidget(self, index: int | str) -> ThreeDWidget | None:
        """Return a 3D view by its index or name."""
        return self._three_d_widget if index in (0, "1", "ViewNode1") else None

    def setLayout(self, layout: int) -> None:
        """Accept the current layout and refuse any other."""
        if layout != self.layout:
            raise ValueError(f"Layout {layout} is not available in the host; expected {self.layout} (four-up).")

    def resetSliceViews(self) -> None:
        """Zoom each slice view to show the whole volume."""
        for widget in self._slice_widgets.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        """Point the camera at the center of everything that is visible."""
        self._three_d_widget.threeDView().resetFocalPoint()

    def mrmlSliceLogics(self) -> vtkCollection:
        """Return the logics of the slice views."""
        return slicer.app.applicationLogic().GetSliceLogics()

"""Two of Slicer's layouts: four-up (three slice views and 3D), and three slice views over three others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import slicer
from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtWidgets import QGridLayout, QWidget
from trame_slicer.core import SlicerApp

from slicer_host.views import SliceWidget, ThreeDWidget

if TYPE_CHECKING:
    from vtk import vtkCollection

FOUR_UP = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView
THREE_OVER_THREE = slicer.vtkMRMLLayoutNode.SlicerLayoutThreeOverThreeView


class _SliceView(NamedTuple):
    """A slice view as Slicer's layouts define it."""

    orientation: str
    label: str
    color: str
    group: int = 0


_SLICE_VIEWS = {
    "Red": _SliceView("Axial", "R", "#F34A33"),
    "Yellow": _SliceView("Sagittal", "Y", "#EFD64D"),
    "Green": _SliceView("Coronal", "G", "#6DAD4A"),
    "Red+": _SliceView("Axial", "R+", "#F9A99F", 1),
    "Yellow+": _SliceView("Sagittal", "Y+", "#F6E9A2", 1),
    "Green+": _SliceView("Coronal", "G+", "#C6E0B8", 1),
}
_THREE_D = "1"
_CELLS = {
    FOUR_UP: {"Red": (0, 0), _THREE_D: (0, 1), "Green": (1, 0), "Yellow": (1, 1)},
    THREE_OVER_THREE: {
        **{"Red": (0, 0), "Green": (0, 1), "Yellow": (0, 2)},
        **{"Red+": (1, 0), "Green+": (1, 1), "Yellow+": (1, 2)},
    },
}
"""Layout -> name of a view -> (row, column) in the grid."""


class LayoutManager(QObject):
    """The part of qSlicerLayoutManager that modules use. As in Slicer, a view stays when it leaves the layout."""

    layoutChanged = Signal(int)

    threeDViewCount = 1

    def __init__(self, app: SlicerApp) -> None:
        super().__init__()
        self._app = app
        self._layout = 0
        self._slice_widgets: dict[str, SliceWidget] = {}
        self._three_d_widget = ThreeDWidget(app)
        self._viewport = QWidget()
        self._grid = QGridLayout(self._viewport)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        for name in ("Red", "Yellow", "Green"):
            self._slice_view(name)
        self.setLayout(FOUR_UP)

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

    def _get_layout(self) -> int:
        return self._layout

    def setLayout(self, layout: int) -> None:
        """Arrange the views of a layout and hide all others."""
        if layout not in _CELLS:
            expected = ", ".join(map(str, sorted(_CELLS)))
            raise ValueError(f"Layout {layout} is not available in the host; expected one of: {expected}.")
        if layout == self._layout:
            return
        for widget in (*self._slice_widgets.values(), self._three_d_widget):
            self._grid.removeWidget(widget)
            widget.hide()
        cells = _CELLS[layout]
        for name, cell in cells.items():
            widget = self._three_d_widget if name == _THREE_D else self._slice_view(name)
            self._grid.addWidget(widget, *cell)
            widget.show()
        rows, columns = (1 + max(indices) for indices in zip(*cells.values(), strict=True))
        for index in range(3):
            self._grid.setRowStretch(index, int(index < rows))
            self._grid.setColumnStretch(index, int(index < columns))
        for name, slice_widget in self._slice_widgets.items():
            slice_widget.mrmlSliceNode().SetMappedInLayout(int(name in cells))
        self._three_d_widget.threeDView().mrmlViewNode().SetMappedInLayout(int(_THREE_D in cells))
        self._layout = layout
        self.layoutChanged.emit(layout)

    layout = Property(int, _get_layout, setLayout, notify=layoutChanged)

    def _slice_view(self, name: str) -> SliceWidget:
        if name not in self._slice_widgets:
            self._slice_widgets[name] = SliceWidget(name, *_SLICE_VIEWS[name], self._app)
        return self._slice_widgets[name]

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

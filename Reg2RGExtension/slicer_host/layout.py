"""Slicer's four-up layout: red (axial) and 3D above, green (coronal) and yellow (sagittal) below."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QGridLayout, QWidget

from slicer_host.views import SliceWidget, ThreeDWidget

_SLICES = {"Red": ("Axial", "#F34A33"), "Yellow": ("Sagittal", "#EFD64D"), "Green": ("Coronal", "#6DAD4A")}
_PLACES = {"Red": (0, 0), "Green": (1, 0), "Yellow": (1, 1)}


class LayoutManager(QObject):
    """The names of qSlicerLayoutManager that modules use; there is one layout."""

    layoutChanged = Signal(int)

    threeDViewCount = 1
    layout = slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView

    def __init__(self, application: Any) -> None:
        super().__init__()
        self._slices = {name: SliceWidget(name, *look, application) for name, look in _SLICES.items()}
        self._three_d = ThreeDWidget(application)
        self._viewport = QWidget()
        grid = QGridLayout(self._viewport)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(2)
        for name, place in _PLACES.items():
            grid.addWidget(self._slices[name], *place)
        grid.addWidget(self._three_d, 0, 1)
        for side in (0, 1):
            grid.setRowStretch(side, 1)
            grid.setColumnStretch(side, 1)

    def viewport(self) -> QWidget:
        """The widget that holds the views."""
        return self._viewport

    def sliceViewNames(self) -> tuple[str, ...]:
        return tuple(self._slices)

    def sliceWidget(self, name: str) -> SliceWidget | None:
        return self._slices.get(name)

    def threeDWidget(self, index: int | str) -> ThreeDWidget | None:
        return self._three_d if index in (0, "1", "ViewNode1") else None

    def setLayout(self, layout: int) -> None:
        """The host has one layout; another is refused rather than ignored."""
        if layout != self.layout:
            raise ValueError(f"Layout {layout} is not in the host; it has {self.layout} (four-up) only.")

    def resetSliceViews(self) -> None:
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self) -> None:
        self._three_d.threeDView().resetFocalPoint()

    def mrmlSliceLogics(self) -> Any:
        return slicer.app.applicationLogic().GetSliceLogics()

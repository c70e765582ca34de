"""qMRMLWidget: a container that passes the scene to the widgets in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QWidget

from slicer_host.mrml_widgets.node_combo_box import qMRMLNodeComboBox
from slicer_host.pythonqt import refuse_keywords

if TYPE_CHECKING:
    from slicer import vtkMRMLScene


@refuse_keywords
class qMRMLWidget(QWidget):
    """A container that passes the scene to the widgets in it."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: vtkMRMLScene | None = None

    @Slot(object)
    def setMRMLScene(self, scene: vtkMRMLScene | None) -> None:
        """Set the scene of this widget and of all node selectors in it.

        In Slicer, .ui files connect mrmlSceneChanged to the selectors, but PySide6 cannot make such connections.
        """
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)
        for selector in self.findChildren(qMRMLNodeComboBox):
            selector.setMRMLScene(scene)

    def mrmlScene(self) -> vtkMRMLScene | None:
        """Return the scene."""
        return self._scene

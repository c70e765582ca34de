"""The desktop window: the module's panel on the left, the views on the right, a node selector and a file dialog."""

from __future__ import annotations

from typing import Any

import slicer
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QScrollArea,
    QSplitter,
    QVBoxLayout,
    QWidget,
)

PANEL_WIDTH = 440
"""Width of the module's panel in pixels, about what Slicer gives it on a laptop."""


class MainWindow(QMainWindow):
    """A small stand-in for Slicer's main window."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")  # what slicer.util.mainWindow() looks for
        self.setWindowTitle(f"{module.title} (Slicer host)")
        self.setWindowIcon(module.icon)
        self._module = module
        splitter = QSplitter(Qt.Horizontal)
        splitter.addWidget(self._panel(module))
        splitter.addWidget(slicer.app.layoutManager().viewport())
        splitter.setStretchFactor(0, 0)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([PANEL_WIDTH, 1000])
        self.setCentralWidget(splitter)
        module.widgetRepresentation().enter()

    def _panel(self, module: Any) -> QWidget:
        from slicer_host.mrml_widgets import qMRMLNodeComboBox

        panel = QWidget()
        layout = QVBoxLayout(panel)
        layout.setContentsMargins(4, 4, 4, 4)
        bar = QHBoxLayout()
        load = QPushButton("Load file...")
        load.setShortcut(QKeySequence("Ctrl+O"))
        load.clicked.connect(lambda: self._load())
        self._shown = qMRMLNodeComboBox()
        self._shown.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        self._shown.setMRMLScene(slicer.mrmlScene)
        self._shown.currentNodeChanged.connect(show_volume)
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.AddObserver("ModifiedEvent", lambda node, event: self._follow(node.GetActiveVolumeID()))
        bar.addWidget(load)
        bar.addWidget(QLabel("Shown:"))
        bar.addWidget(self._shown, 1)
        layout.addLayout(bar)
        area = QScrollArea()
        area.setFrameShape(QFrame.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        area.setWidget(module.widgetRepresentation())
        layout.addWidget(area, 1)
        panel.setMinimumWidth(PANEL_WIDTH)
        return panel

    def _follow(self, volume: str | None) -> None:
        """Name the volume that the views show, whoever chose it."""
        if volume and slicer.mrmlScene.GetNodeByID(volume) is not None:
            self._shown.setCurrentNodeID(volume)

    def _load(self) -> None:
        path = QFileDialog.getOpenFileName(
            self, "Load", "", "Volumes, segmentations and scenes (*.nrrd *.nii *.nii.gz *.mha *.mhd *.mrb *.mrml)"
        )
        if not path:
            return
        try:
            slicer.util.loadNodeFromFile(path, properties={})
        except RuntimeError as error:
            QMessageBox.critical(self, "Load", str(error))

    def closeEvent(self, event: Any) -> None:
        from slicer_host import host

        host.end()
        event.accept()


def show_volume(volume: Any) -> None:
    """Show a volume in the slice views, unless they show it."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    if volume is None or selection.GetActiveVolumeID() == volume.GetID():
        return
    selection.SetActiveVolumeID(volume.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection(1)
    slicer.app.layoutManager().resetSliceViews()

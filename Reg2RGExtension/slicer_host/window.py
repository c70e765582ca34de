"""The desktop window: the module's panel, the views, a button to load a file, and a volume selector."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import slicer
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QCloseEvent, QKeySequence
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

from slicer_host import host
from slicer_host.ctk_widgets import ctkCollapsibleButton
from slicer_host.mrml_widgets import qMRMLNodeComboBox

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode

    from slicer_host.scripted_module import ScriptedModule

PANEL_WIDTH = 440
"""Width of the module's panel in pixels, about the same as in Slicer on a laptop."""
FILE_FILTER = "Volumes, segmentations and scenes (*.nrrd *.nii *.nii.gz *.mha *.mhd *.mrb *.mrml)"


class MainWindow(QMainWindow):
    """A small stand-in for Slicer's main window."""

    def __init__(self, module: ScriptedModule) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")  # The name that slicer.util.mainWindow() looks for.
        self.setWindowTitle(f"{module.title} (Slicer host)")
        self.setWindowIcon(module.icon)
        self._volume_selector = self._make_volume_selector()
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.addWidget(self._make_panel(module))
        splitter.addWidget(slicer.app.layoutManager().viewport())
        splitter.setStretchFactor(0, 0)
        splitter.setStretchFactor(1, 1)
        splitter.setSizes([PANEL_WIDTH, 1000])
        self.setCentralWidget(splitter)
        module.widgetRepresentation().enter()

    def _make_volume_selector(self) -> qMRMLNodeComboBox:
        """Return a selector for the volume that is shown in the views."""
        selector = qMRMLNodeComboBox()
        selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
        selector.setMRMLScene(slicer.mrmlScene)
        selector.currentNodeChanged.connect(show_volume)
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.AddObserver("ModifiedEvent", lambda node, event: self._select_volume(node.GetActiveVolumeID()))
        return selector

    def _make_panel(self, module: ScriptedModule) -> QWidget:
        load_button = QPushButton("Load file...")
        load_button.setShortcut(QKeySequence("Ctrl+O"))
        load_button.clicked.connect(lambda: self._load_file())
        bar = QHBoxLayout()
        bar.addWidget(load_button)
        bar.addWidget(QLabel("Active volume:"))
        bar.addWidget(self._volume_selector, 1)
        panel = QWidget()
        layout = QVBoxLayout(panel)
        layout.setContentsMargins(4, 4, 4, 4)
        layout.addLayout(bar)
        layout.addWidget(_make_scroll_area(module), 1)
        return panel

    def _select_volume(self, volume_id: str | None) -> None:
        """Select the volume that is shown in the views, no matter what caused it to be shown."""
        if volume_id and slicer.mrmlScene.GetNodeByID(volume_id) is not None:
            self._volume_selector.setCurrentNodeID(volume_id)

    def _load_file(self) -> None:
        path = QFileDialog.getOpenFileName(self, "Load file", "", FILE_FILTER)
        if not path:
            return
        try:
            slicer.util.loadNodeFromFile(path, properties={})
        except RuntimeError as error:
            QMessageBox.critical(self, "Load file", str(error))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Unload the module."""
        host.end()
        event.accept()


def _make_scroll_area(module: ScriptedModule) -> QScrollArea:
    """Return the scroll area of Slicer's module panel: help and acknowledgement, and the module below them."""
    content = QWidget()
    layout = QVBoxLayout(content)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(_make_help(module))
    layout.addWidget(module.widgetRepresentation(), 1)
    scroll_area = QScrollArea()
    scroll_area.setFrameShape(QFrame.Shape.NoFrame)
    scroll_area.setWidgetResizable(True)
    scroll_area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    scroll_area.setWidget(content)
    content_width: QSize = content.property("minimumSizeHint")
    bar_width: QSize = scroll_area.verticalScrollBar().property("sizeHint")
    scroll_area.setMinimumWidth(content_width.width() + bar_width.width())  # As Slicer's module panel does.
    return scroll_area


def _make_help(module: ScriptedModule) -> ctkCollapsibleButton:
    help_button = ctkCollapsibleButton()
    help_button.setText("Help & Acknowledgement")
    text = QLabel(f"<p>{html.escape(module.helpText)}</p><p>{html.escape(module.acknowledgementText)}</p>")
    text.setWordWrap(True)
    QVBoxLayout(help_button).addWidget(text)
    help_button.setProperty("collapsed", True)
    return help_button


def show_volume(volume: vtkMRMLScalarVolumeNode | None) -> None:
    """Show a volume in the slice views, unless they already show it."""
    selection = slicer.app.applicationLogic().GetSelectionNode()
    if volume is None or selection.GetActiveVolumeID() == volume.GetID():
        return
    selection.SetActiveVolumeID(volume.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection(1)
    slicer.app.layoutManager().resetSliceViews()

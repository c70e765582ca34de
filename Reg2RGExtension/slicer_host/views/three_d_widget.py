"""A 3D view."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget
from trame_slicer.core import SlicerApp
from trame_slicer.views import ThreeDView

from slicer_host.views.vtk_widget import QtRenderSchedule, VtkWidget

if TYPE_CHECKING:
    from slicer import vtkMRMLCameraNode, vtkMRMLViewNode

NAME = "1"
COLOR = "#7a7ac8"
BACKGROUND_RGB = ([193, 195, 232], [116, 120, 190])
"""Background colors at the bottom and the top, as in Slicer."""


class ThreeDViewWidget(VtkWidget):
    """The image area of a 3D view, like qMRMLThreeDView."""

    def mrmlViewNode(self) -> vtkMRMLViewNode:
        """Return the node that stores the view's settings."""
        return self._view.get_view_node()

    def cameraNode(self) -> vtkMRMLCameraNode:
        """Return the node that stores the camera."""
        return self._view.get_camera_node()

    def resetFocalPoint(self) -> None:
        """Point the camera at the center of everything that is visible."""
        self._view.reset_focal_point()
        self._view.reset_camera()
        self.scheduleRender()

    def rotateToViewAxis(self, axis: int) -> None:
        """Look along an axis.

        Args:
            axis: Where to look from: 0 right, 1 left, 2 posterior, 3 anterior, 4 inferior, 5 superior.
        """
        node = self.cameraNode()
        directions = (node.Right, node.Left, node.Posterior, node.Anterior, node.Inferior, node.Superior)
        node.RotateTo(directions[axis])


class ThreeDWidget(QWidget):
    """A 3D view with its title bar, like qMRMLThreeDWidget."""

    def __init__(self, app: SlicerApp) -> None:
        super().__init__()
        schedule = QtRenderSchedule()
        self._view = ThreeDViewWidget(_make_view(app, schedule), schedule)
        title = QLabel(NAME)
        title.setStyleSheet(f"background: {COLOR}; color: black; font-weight: bold; padding: 0 6px;")
        bar = QHBoxLayout()
        bar.setContentsMargins(0, 0, 0, 0)
        bar.addWidget(title)
        bar.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(bar)
        layout.addWidget(self._view, 1)

    def threeDView(self) -> ThreeDViewWidget:
        """Return the view."""
        return self._view

    def mrmlViewNode(self) -> vtkMRMLViewNode:
        """Return the node that stores the view's settings."""
        return self._view.mrmlViewNode()


def _make_view(app: SlicerApp, schedule: QtRenderSchedule) -> ThreeDView:
    view = ThreeDView(app.scene, app.app_logic, NAME, scheduled_render_strategy=schedule)
    view.get_view_node().SetMappedInLayout(1)
    view.render_window().SetMultiSamples(0)  # Depth peeling, for translucent surfaces, rules out multisampling.
    view.render_window().SetAlphaBitPlanes(1)
    view.set_background_gradient_color(*BACKGROUND_RGB)
    view.set_box_visible(False)
    return view

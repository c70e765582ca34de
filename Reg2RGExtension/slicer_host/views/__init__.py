"""Slice and 3D views: trame-slicer's views, rendered offscreen and drawn into Qt widgets.

Native VTK windows give noise when a widget is grabbed, and QOpenGLWidget draws nothing without a display. An image
copied from an offscreen window works everywhere.

    vtk_widget        a view in a widget: rendering, mouse events
    slice_widget      a slice view with its offset slider
    three_d_widget    a 3D view
"""

from slicer_host.views.slice_widget import SliceViewWidget, SliceWidget
from slicer_host.views.three_d_widget import ThreeDViewWidget, ThreeDWidget

__all__ = ["SliceViewWidget", "SliceWidget", "ThreeDViewWidget", "ThreeDWidget"]

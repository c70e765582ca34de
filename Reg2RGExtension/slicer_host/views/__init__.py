"""Slice and 3D views: trame-slicer's views, rendered offscreen and drawn in Qt widgets.

Grabbing a widget with a native VTK window yields noise, and QOpenGLWidget draws nothing without a display. Copying the
image from an offscreen window works everywhere.

    vtk_widget        a view in a widget: rendering and mouse events
    slice_widget      a slice view with its offset slider
    three_d_widget    a 3D view
"""

from slicer_host.views.slice_widget import SliceViewWidget, SliceWidget
from slicer_host.views.three_d_widget import ThreeDViewWidget, ThreeDWidget

__all__ = ["SliceViewWidget", "SliceWidget", "ThreeDViewWidget", "ThreeDWidget"]

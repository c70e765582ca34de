"""User actions and what the user sees, for tests that run both in Slicer and in the host."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import qt
import slicer
import vtk

TIMEOUT_S = 240.0
"""Default time to wait for a condition."""
TICK_MS = 50
"""Interval at which a condition is checked when no events arrive."""
QUIET_MS = 20
"""The event loop counts as idle after this long without an event; longer than a frame at 60 Hz."""
SETTLE_TIMEOUT_S = 10.0
"""How long to wait for an event loop that never becomes idle."""


def moduleWidget() -> Any:
    """Show the module and return its Python widget.

    Slicer's testing mode has no settings and installs nothing, so REG2RG_ENGINE_PYTHON names a Python for the engine.
    """
    representation = slicer.modules.reg2rgmodule.widgetRepresentation()
    if slicer.util.mainWindow() is not None and hasattr(slicer.util.mainWindow(), "moduleSelector"):
        slicer.util.selectModule("Reg2RGModule")
    if os.environ.get("REG2RG_ENGINE_PYTHON"):
        from Reg2RGModuleLib import locations

        locations.setOwnPython(os.environ["REG2RG_ENGINE_PYTHON"])
    return representation.self()


def settle() -> None:
    """Process events until none arrives for ``QUIET_MS``, so that everything pending has been laid out and drawn."""
    loop, quiet = qt.QEventLoop(), qt.QTimer()
    quiet.setSingleShot(True)
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while time.monotonic() < deadline:
        quiet.start(QUIET_MS)
        loop.processEvents(qt.QEventLoop.WaitForMoreEvents)
        if not quiet.isActive() and not loop.processEvents(qt.QEventLoop.AllEvents):  # nothing else was pending
            return


def waitFor(condition: Callable[[], object], seconds: float = TIMEOUT_S) -> None:
    """Process events until a condition is true, checking it after every event. Fail after a timeout."""
    loop, ticks = qt.QEventLoop(), qt.QTimer()
    ticks.start(TICK_MS)
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"the condition did not hold within {seconds} s")
        loop.processEvents(qt.QEventLoop.WaitForMoreEvents)


def generate(panel: Any) -> None:
    """Click the Generate button and wait for the report and its surfaces."""
    logic = moduleWidget().logic
    panel.ui.generateButton.click()
    waitFor(lambda: not logic.run.active and not logic.views.surfaces.busy)
    settle()


FEW_REGIONS = ("lung", "heart", "bone")
"""Regions of a run that shows how a run behaves, and not what is in its report."""


def loadSample(panel: Any, regions: tuple[str, ...] = FEW_REGIONS) -> None:
    """Load the sample case with only some of its regions, because a report on all ten takes three times as long."""
    panel.inputs.loadSample()
    keepSegments(panel.inputs.parameters.regions, regions)


def keepSegments(segmentation: Any, regions: tuple[str, ...]) -> None:
    """Remove all other segments of a segmentation, so that a run takes less time."""
    segments = segmentation.GetSegmentation()
    for segmentId in [segments.GetNthSegmentID(index) for index in range(segments.GetNumberOfSegments())]:
        if segmentId not in regions:
            segments.RemoveSegment(segmentId)


def sliceView(name: str) -> Any:
    """Return a slice view by its name."""
    return slicer.app.layoutManager().sliceWidget(name).sliceView()


def threeDView() -> Any:
    """Return the 3D view."""
    return slicer.app.layoutManager().threeDWidget(0).threeDView()


def drawTranslucentSurfacesQuickly() -> None:
    """Turn off depth peeling, which takes five sixths of the time of drawing in software. No test looks at it."""
    threeDView().renderWindow().GetRenderers().GetFirstRenderer().SetUseDepthPeeling(False)


def click(view: Any, x: int, y: int) -> None:
    """Click the left button at a position in a view, in pixels from its top left corner."""
    widget = view.VTKWidget()
    _mouse(widget, qt.QEvent.MouseMove, x, y, qt.Qt.NoButton, qt.Qt.NoButton)
    _mouse(widget, qt.QEvent.MouseButtonPress, x, y, qt.Qt.LeftButton, qt.Qt.LeftButton)
    _mouse(widget, qt.QEvent.MouseButtonRelease, x, y, qt.Qt.LeftButton, qt.Qt.NoButton)
    settle()


def drag(view: Any, start: tuple[int, int], end: tuple[int, int]) -> None:
    """Drag with the left button from one position in a view to another."""
    widget = view.VTKWidget()
    _mouse(widget, qt.QEvent.MouseButtonPress, *start, qt.Qt.LeftButton, qt.Qt.LeftButton)
    _mouse(widget, qt.QEvent.MouseMove, *end, qt.Qt.NoButton, qt.Qt.LeftButton)
    _mouse(widget, qt.QEvent.MouseButtonRelease, *end, qt.Qt.LeftButton, qt.Qt.NoButton)
    settle()


def clickAtRas(view: Any, ras: Any) -> None:
    """Click a point in a slice view. The point must be in the slice and visible."""
    toXy = slicer.vtkMRMLSliceNode.SafeDownCast(view.mrmlSliceNode()).GetXYToRAS()
    inverse = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(toXy, inverse)
    x, y = inverse.MultiplyPoint((*ras, 1.0))[:2]
    height = view.renderWindow().GetSize()[1]
    click(view, round(x), height - 1 - round(y))


def _mouse(widget: Any, kind: int, x: int, y: int, button: int, buttons: int) -> None:
    position = qt.QPointF(x, y)
    globalPosition = qt.QPointF(widget.mapToGlobal(qt.QPoint(int(x), int(y))))
    event = qt.QMouseEvent(kind, position, globalPosition, button, buttons, qt.Qt.NoModifier)
    qt.QApplication.sendEvent(widget, event)


def press(root: Any, keys: str) -> None:
    """Press a key combination while a widget of the panel has the focus.

    The host has Qt's test library, which sends real key events. Slicer's Python does not, so there the shortcut of
    these keys is activated, or the widget that has the focus gets them if they are no shortcut or it overrides the
    shortcut, as editors do with letters.
    """
    try:
        from PySide6.QtTest import QTest
    except ImportError:
        _pressWithoutTestLibrary(root, keys)
        settle()
        return

    def focused() -> bool:
        if qt.QApplication.focusWidget() is None:
            root.window().activateWindow()  # takes effect with a later event
        return qt.QApplication.focusWidget() is not None

    waitFor(focused, seconds=SETTLE_TIMEOUT_S)
    QTest.keySequence(qt.QApplication.focusWidget(), qt.QKeySequence(keys))
    settle()


def _pressWithoutTestLibrary(root: Any, keys: str) -> None:
    *modifiers, name = keys.split("+")
    code = getattr(qt.Qt, f"Key_{name}")
    modifier = qt.Qt.ControlModifier if modifiers else qt.Qt.NoModifier
    text = name.lower() if len(name) == 1 and not modifiers else ""
    widget = qt.QApplication.focusWidget()
    wanted = qt.QKeySequence(keys).toString()
    shortcuts = [each for each in root.findChildren("QShortcut") if each.key.toString() == wanted]
    override = qt.QKeyEvent(qt.QEvent.ShortcutOverride, code, modifier, text)
    override.ignore()
    qt.QApplication.sendEvent(widget, override)
    if shortcuts and not override.isAccepted():
        shortcuts[0].activated.emit()
        return
    for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
        qt.QApplication.sendEvent(widget, qt.QKeyEvent(kind, code, modifier, text))


def arrayOfRegion(segmentation: Any, region: str, volume: Any) -> np.ndarray:
    """Return the boolean mask (k, j, i) of a region on the grid of a volume."""
    return slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, region, volume) > 0


def slicePoint() -> list[float]:
    """Return the point (RAS) where the three slices meet."""
    planes = [sliceView(name).mrmlSliceNode().GetSliceToRAS() for name in ("Yellow", "Green", "Red")]
    return [plane.GetElement(axis, 3) for axis, plane in enumerate(planes)]


def clickLink(label: Any, link: str) -> None:
    """Move the mouse over a label until it is over a link, then click."""
    hovered: list[str] = []
    label.connect("linkHovered(QString)", hovered.append)
    for y in range(2, label.height, 4):
        for x in range(2, label.width, 6):
            _mouse(label, qt.QEvent.MouseMove, x, y, qt.Qt.NoButton, qt.Qt.NoButton)
            if hovered and hovered[-1] == link:
                label.disconnect("linkHovered(QString)", hovered.append)
                clickWidget(label, x, y)
                return
    raise AssertionError(f"no link {link!r} in {label.text!r}")


def clickWidget(widget: Any, x: int, y: int) -> None:
    """Click the left button at a position in a widget."""
    _mouse(widget, qt.QEvent.MouseButtonPress, x, y, qt.Qt.LeftButton, qt.Qt.LeftButton)
    _mouse(widget, qt.QEvent.MouseButtonRelease, x, y, qt.Qt.LeftButton, qt.Qt.NoButton)
    settle()

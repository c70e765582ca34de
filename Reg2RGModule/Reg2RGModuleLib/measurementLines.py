"""The lines of a measurement in the views, as markups. They are locked unless the reviewer edits the measurement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import qt
import slicer

from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.segmentationFile import GENERATED_ATTRIBUTE
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.measurements import Line, Measurement


KEY_ATTRIBUTE = "Reg2RG.Measurement"
"""Node attribute of a line: the key of its measurement. It is saved with the scene."""
COLOR = (1.0, 0.83, 0.0)
LOCKED_GLYPH_SCALE, HANDLE_GLYPH_SCALE, THICKNESS = 0.8, 2.0, 0.3
"""Size of the ends of a line that is only shown, and of one whose ends can be dragged; thickness of the line."""
SETTLE_MS = 300
"""Ends that are moved without a mouse, such as by typing coordinates, count as moved after this long."""


class MeasurementLines:
    """Draws the lines of one measurement of a report.

    Signals:
        moved(str, object): the user moved an end of a line; passes the key of the measurement and all of its lines.
    """

    def __init__(self) -> None:
        self.moved = Signal()
        self._observers: list[tuple[slicer.vtkMRMLMarkupsLineNode, int]] = []
        self._shown: list[slicer.vtkMRMLMarkupsLineNode] = []
        self._key = ""
        self._settled = qt.QTimer()
        self._settled.setSingleShot(True)
        self._settled.setInterval(SETTLE_MS)
        self._settled.connect("timeout()", self._report)

    def draw(
        self,
        node: slicer.vtkMRMLTextNode,
        measurement: Measurement,
        frame: slicer.vtkMRMLTransformNode | None,
        editable: bool,
    ) -> None:
        """Draw the lines of a measurement, instead of those that are drawn.

        Args:
            node: the report.
            measurement: the measurement. Its lines are in the coordinates of ``frame``.
            frame: the transform of the report's segmentations.
            editable: whether the ends of the lines can be moved.
        """
        drawn = reportNode.linesOf(node)
        isSame = len(drawn) == len(measurement.lines) and keyOf(node) == measurement.key
        if not isSame:
            self.remove(node)
            drawn = [_newLine(node, measurement.key) for _line in measurement.lines]
        self.release()
        for markups, line in zip(drawn, measurement.lines, strict=True):
            _place(markups, line)
            markups.SetName(measurement.name)
            markups.SetAndObserveTransformNodeID(frame.GetID() if frame is not None else None)
            markups.SetLocked(not editable)
            markups.GetDisplayNode().SetGlyphScale(HANDLE_GLYPH_SCALE if editable else LOCKED_GLYPH_SCALE)
        self._shown, self._key = drawn, measurement.key
        if editable:
            self._observe()

    def remove(self, node: slicer.vtkMRMLTextNode) -> None:
        """Remove the lines of a report."""
        self.release()
        reportNode.removeLines(node)

    def release(self) -> None:
        """Stop listening to the lines, and leave them as they are."""
        self._settled.stop()
        for markups, tag in self._observers:
            markups.RemoveObserver(tag)
        self._observers, self._shown = [], []

    def _observe(self) -> None:
        for markups in self._shown:
            for event, callback in (
                (markups.PointModifiedEvent, lambda caller, event: self._settled.start()),
                (markups.PointEndInteractionEvent, lambda caller, event: self._report()),
            ):
                self._observers.append((markups, markups.AddObserver(event, callback)))

    def _report(self) -> None:
        self._settled.stop()
        if self._shown:
            self.moved.emit(self._key, tuple(_lineOf(markups) for markups in self._shown))


def keyOf(node: slicer.vtkMRMLTextNode) -> str | None:
    """Return the key of the measurement whose lines a report shows, or None."""
    return next((line.GetAttribute(KEY_ATTRIBUTE) for line in reportNode.linesOf(node)), None)


def _newLine(node: slicer.vtkMRMLTextNode, key: str) -> slicer.vtkMRMLMarkupsLineNode:
    markups = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsLineNode")
    markups.SetAttribute(GENERATED_ATTRIBUTE, "1")
    markups.SetAttribute(KEY_ATTRIBUTE, key)
    markups.CreateDefaultDisplayNodes()
    display = markups.GetDisplayNode()
    display.SetColor(*COLOR)
    display.SetSelectedColor(*COLOR)
    display.SetPointLabelsVisibility(False)
    display.SetPropertiesLabelVisibility(False)
    display.SetUseGlyphScale(True)
    display.SetLineThickness(THICKNESS)
    reportNode.addLine(node, markups)
    return markups


def _place(markups: slicer.vtkMRMLMarkupsLineNode, line: Line) -> None:
    """Move the ends of a line, unless they are there."""
    if markups.GetNumberOfControlPoints() == 2 and _lineOf(markups) == line:
        return
    for index, end in enumerate((line.start_ras, line.end_ras)):
        if index < markups.GetNumberOfControlPoints():
            markups.SetNthControlPointPosition(index, *end)
        else:
            markups.AddControlPoint(list(end))


def _lineOf(markups: slicer.vtkMRMLMarkupsLineNode) -> Line:
    """Return a line in the coordinates of its transform, to 0.01 mm."""
    from reg2rg.measurements import Line

    ends = []
    for index in range(2):
        r, a, s = markups.GetNthControlPointPosition(index)
        ends.append((round(r, 2), round(a, 2), round(s, 2)))
    return Line(*ends)

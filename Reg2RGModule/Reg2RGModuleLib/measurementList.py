"""The list of a section's measurements. Each row shows its measurement in the views; the current one has buttons."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib.fold import Fold, toolTipOf, wrappedLabel
from Reg2RGModuleLib.measurementText import notGivenHtml, rowHtml
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.measurements import Measurement


class MeasurementList(qt.QWidget):
    """Lists the measurements of a section.

    Those that the report's text states come first. The others, and those without a value, are folded away.

    Signals:
        chosen(str): a measurement was clicked; passes its key.
        edited(str, bool): the lines of a measurement are to be unlocked (True) or locked (False); passes its key.
        removed(str): a measurement is to be removed from the report; passes its key.
        overLink(bool): the mouse moved onto a link (True) or off it (False).
    """

    def __init__(self) -> None:
        qt.QWidget.__init__(self)
        self.chosen = Signal()
        self.edited = Signal()
        self.removed = Signal()
        self.overLink = Signal()
        self._rowLayout = qt.QVBoxLayout()
        self._rowLayout.setContentsMargins(0, 0, 0, 0)
        self._rowLayout.setSpacing(2)
        self._more = Fold("moreMeasurements")
        self._notGiven = Fold("measurementsNotGiven")
        self._reasons = wrappedLabel()
        self._reasons.setObjectName("measurementReasons")
        self._notGiven.boxLayout.addWidget(self._reasons)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(self._rowLayout)
        for fold in (self._more, self._notGiven):
            layout.addWidget(fold)
            fold.overLink.connect(self.overLink.emit)
        self.setLayout(layout)
        self._more.opening.connect(self._fillMore)
        self._measurements: tuple[Measurement, ...] | None = None
        self._folded: list[Measurement] = []
        self._rows: dict[str, _Row] = {}
        self._current: str | None = None
        self._editing = False

    def showMeasurements(self, measurements: Sequence[Measurement], removed: Sequence[Measurement]) -> None:
        """Show measurements.

        Args:
            measurements: the measurements of the section, with and without values.
            removed: those that were removed from the report.
        """
        if self._measurements != tuple(measurements):
            self._measurements = tuple(measurements)
            self._fill()
        missing = [measurement for measurement in measurements if measurement.value is None]
        self._reasons.setText(notGivenHtml(missing, removed))
        self._notGiven.setHeading(_("Not given ({0})").format(len(missing) + len(removed)))
        self._notGiven.setVisible(bool(missing or removed))
        self.setVisible(bool(measurements or removed))

    def setCurrent(self, key: str | None, editing: bool) -> None:
        """Mark the measurement that is shown in the views.

        Args:
            key: its key, or None if none is shown.
            editing: whether its lines are unlocked.
        """
        earlier, self._current, self._editing = self._current, key, editing
        if key is not None and any(measurement.key == key for measurement in self._folded):
            self._more.setOpen(True)
        for changed in {earlier, key} - {None}:
            if changed in self._rows:
                self._rows[changed].setCurrent(changed == key, editing)

    def _fill(self) -> None:
        from reg2rg.measurements.measures import MEASURES

        for row in self._rows.values():
            row.remove()
        self._rows = {}
        given = [measurement for measurement in self._measurements or () if measurement.value is not None]
        self._folded = [measurement for measurement in given if not MEASURES[measurement.measure].sentence]
        for measurement in given:
            if measurement not in self._folded:
                self._addRow(measurement, self._rowLayout)
        self._more.setHeading(_("More measurements ({0})").format(len(self._folded)))
        self._more.setVisible(bool(self._folded))
        if self._more.isOpen:
            self._fillMore()

    def _fillMore(self) -> None:
        for measurement in self._folded:
            if measurement.key not in self._rows:
                self._addRow(measurement, self._more.boxLayout)

    def _addRow(self, measurement: Measurement, layout: qt.QVBoxLayout) -> None:
        key = measurement.key
        row = _Row(measurement, layout)
        row.label.connect("linkActivated(QString)", lambda link: self.chosen.emit(key))
        row.label.connect("linkHovered(QString)", lambda link: self.overLink.emit(bool(link)))
        row.editButton.connect("clicked(bool)", lambda checked: self.edited.emit(key, checked))
        row.removeButton.connect("clicked()", lambda: self.removed.emit(key))
        row.setCurrent(key == self._current, self._editing)
        self._rows[key] = row


class _Row:
    """The row of one measurement, with buttons below it while it is the current one."""

    def __init__(self, measurement: Measurement, layout: qt.QVBoxLayout) -> None:
        from reg2rg.measurements import is_editable

        self._measurement = measurement
        self._editable = is_editable(measurement)
        self._rows = layout
        self.label = wrappedLabel()
        self.label.setObjectName("measurementRow")
        self.label.setToolTip(toolTipOf(measurement.source))
        self.editButton = _button(_("Edit line"), "editMeasurementButton")
        self.editButton.setCheckable(True)
        self.editButton.setToolTip(_("Unlock the line, and drag its ends in a view. The value follows."))
        self.removeButton = _button(_("Remove"), "removeMeasurementButton")
        self.removeButton.setToolTip(_("Remove this measurement from the report. Undo brings it back."))
        buttons = qt.QHBoxLayout()
        buttons.setContentsMargins(0, 0, 0, 2)
        buttons.addWidget(self.editButton)
        buttons.addWidget(self.removeButton)
        buttons.addStretch(1)
        self._buttons = qt.QWidget()
        self._buttons.setLayout(buttons)
        own = qt.QVBoxLayout()
        own.setContentsMargins(0, 0, 0, 0)
        own.setSpacing(2)
        own.addWidget(self.label)
        own.addWidget(self._buttons)
        self.widget = qt.QWidget()
        self.widget.setLayout(own)
        layout.addWidget(self.widget)

    def setCurrent(self, current: bool, editing: bool) -> None:
        self.label.setText(rowHtml(self._measurement, current))
        self._buttons.setVisible(current)
        self.editButton.setVisible(self._editable)
        self.editButton.setChecked(current and editing)

    def remove(self) -> None:
        self._rows.removeWidget(self.widget)
        self.widget.hide()
        self.widget.deleteLater()


def _button(text: str, name: str) -> qt.QPushButton:
    button = qt.QPushButton(text)
    button.setObjectName(name)
    button.setFocusPolicy(qt.Qt.TabFocus)
    return button

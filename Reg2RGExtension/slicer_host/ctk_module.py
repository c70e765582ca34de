"""The module ``ctk``: the CTK widgets in use, with their properties, slots and signals and nothing else.

As in PythonQt, setters that are no slots do not exist: ``button.collapsed = True``, never ``setCollapsed``.
"""

from __future__ import annotations

import types
from typing import Any

from PySide6.QtCore import Property, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import (
    QAbstractButton,
    QDoubleSpinBox,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QSizePolicy,
    QSlider,
    QStyle,
    QStyleOption,
    QStyleOptionButton,
    QStylePainter,
    QToolButton,
    QWidget,
)

from slicer_host.pythonqt import refuse_keywords
from slicer_host.qt_module import CUSTOM_WIDGETS

UNLIMITED = 16777215  # Qt's QWIDGETSIZE_MAX


@refuse_keywords
class ctkCollapsibleButton(QAbstractButton):
    """A heading that shows and hides the widgets laid out below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self._shown: list[QWidget] = []  # the widgets that collapsing hid
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QSizePolicy.Minimum, QSizePolicy.Preferred)
        self.setContentsMargins(0, self._heading(), 0, 0)
        self.toggled.connect(lambda checked: self._collapse(not checked))

    def _heading(self) -> int:
        """Height of the heading, pixels."""
        return self.fontMetrics().height() + 8

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        if collapsed:
            self._shown = [child for child in self.children() if child.isWidgetType() and not child.isHidden()]
        for child in self._shown:
            child.setVisible(not collapsed)
        self.setMaximumHeight(self._heading() if collapsed else UNLIMITED)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    collapsed = Property(bool, lambda self: self._collapsed, _collapse, notify=contentsCollapsed)

    def showEvent(self, event: Any) -> None:
        if self._collapsed:  # .ui files collapse before the contents are there
            late = [child for child in self.children() if child.isWidgetType() and not child.isHidden()]
            self._shown += late
            for child in late:
                child.setVisible(False)
        QAbstractButton.showEvent(self, event)

    def minimumSizeHint(self) -> QSize:
        return self._hint("totalMinimumSize")

    def sizeHint(self) -> QSize:
        return self._hint("totalSizeHint")

    def _hint(self, of_layout: str) -> QSize:
        heading = QSize(self.fontMetrics().horizontalAdvance(self.text) + 40, self._heading())
        layout = self.layout()
        if layout is None or self._collapsed:
            return heading
        return getattr(layout, of_layout)().expandedTo(heading)

    def paintEvent(self, event: Any) -> None:
        painter = QStylePainter(self)
        option = QStyleOptionButton()
        option.initFrom(self)
        option.rect = QRect(0, 0, self.width, self._heading())
        painter.drawPrimitive(QStyle.PE_PanelButtonCommand, option)
        arrow = QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QRect(8, self._heading() // 2 - 5, 10, 10)
        painter.drawPrimitive(QStyle.PE_IndicatorArrowRight if self._collapsed else QStyle.PE_IndicatorArrowDown, arrow)
        inside = option.rect.adjusted(26, 0, 0, 0)
        painter.drawItemText(
            inside, int(Qt.AlignLeft | Qt.AlignVCenter), self.palette, self.isEnabled(), self.text, QPalette.ButtonText
        )

    def hitButton(self, position: Any) -> bool:
        return position.y() <= self._heading()


@refuse_keywords
class ctkPathLineEdit(QWidget):
    """A path with a button that browses for it."""

    currentPathChanged = Signal(str)
    Dirs, Files, Executable = 1, 2, 64

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters = self.Files
        self._edit = QLineEdit(self)
        self._browse = QToolButton(self)
        self._browse.setText("...")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit)
        layout.addWidget(self._browse)
        self._edit.editingFinished.connect(lambda: self.currentPathChanged.emit(self._edit.text))
        self._browse.clicked.connect(lambda: self.browse())

    @Slot()
    def browse(self) -> None:
        """Ask for a path."""
        chosen = (
            QFileDialog.getExistingDirectory(self) if self._filters & self.Dirs else QFileDialog.getOpenFileName(self)
        )
        if chosen:
            self.setCurrentPath(chosen)

    @Slot(str)
    def setCurrentPath(self, path: str) -> None:
        if path != self._edit.text:
            self._edit.setText(path)
            self.currentPathChanged.emit(path)

    def _set_filters(self, filters: int) -> None:
        self._filters = filters

    currentPath = Property(
        str, lambda self: self._edit.text, lambda self, path: self.setCurrentPath(path), notify=currentPathChanged
    )
    filters = Property(int, lambda self: self._filters, _set_filters)


@refuse_keywords
class ctkSliderWidget(QWidget):
    """A slider with a spin box, of floating point numbers."""

    valueChanged = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QSlider(Qt.Horizontal, self)
        self._slider.setRange(0, 1000)
        self._box = QDoubleSpinBox(self)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._changed)
        self._slider.sliderMoved.connect(lambda place: self.setValue(self.minimum + place / 1000 * self._span()))

    def _span(self) -> float:
        return (self._box.maximum - self._box.minimum) or 1.0

    def _changed(self, value: float) -> None:
        self._slider.setValue(round((value - self._box.minimum) / self._span() * 1000))
        self.valueChanged.emit(value)

    @Slot(float)
    def setValue(self, value: float) -> None:
        self._box.setValue(value)

    @Slot(int)
    def setDecimals(self, decimals: int) -> None:
        self._box.setDecimals(decimals)

    value = Property(float, lambda self: self._box.value, lambda self, value: self.setValue(value), notify=valueChanged)
    minimum = Property(float, lambda self: self._box.minimum, lambda self, value: self._box.setMinimum(value))
    maximum = Property(float, lambda self: self._box.maximum, lambda self, value: self._box.setMaximum(value))
    singleStep = Property(float, lambda self: self._box.singleStep, lambda self, value: self._box.setSingleStep(value))
    decimals = Property(int, lambda self: self._box.decimals, lambda self, value: self.setDecimals(value))
    suffix = Property(str, lambda self: self._box.suffix, lambda self, value: self._box.setSuffix(value))


@refuse_keywords
class ctkMessageBox(QMessageBox):
    """What slicer.util's message displays show; here without "don't show this again"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._key = ""

    dontShowAgainSettingsKey = Property(str, lambda self: self._key, lambda self, key: setattr(self, "_key", key))


WIDGETS = (ctkCollapsibleButton, ctkPathLineEdit, ctkSliderWidget, ctkMessageBox)


def make() -> types.ModuleType:
    """The module."""
    module = types.ModuleType("ctk")
    for widget in WIDGETS:
        CUSTOM_WIDGETS[widget.__name__] = widget
        setattr(module, widget.__name__, widget)
    return module

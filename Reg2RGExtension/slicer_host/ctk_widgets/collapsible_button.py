"""ctkCollapsibleButton: a heading that shows or hides the widgets below it."""

from __future__ import annotations

from PySide6.QtCore import Property, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import QPaintEvent, QPalette, QShowEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QSizePolicy,
    QStyle,
    QStyleOption,
    QStyleOptionButton,
    QStylePainter,
    QWidget,
)

from slicer_host.pythonqt import refuse_keywords

UNLIMITED_HEIGHT = 16777215
"""Qt's QWIDGETSIZE_MAX, in pixels."""


@refuse_keywords
class ctkCollapsibleButton(QAbstractButton):
    """A heading that shows or hides the widgets below it."""

    contentsCollapsed = Signal(bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._collapsed = False
        self._hidden: list[QWidget] = []  # Only those widgets that were hidden by collapsing.
        self.setCheckable(True)
        self.setChecked(True)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        self.setContentsMargins(0, self._heading_height(), 0, 0)
        self.toggled.connect(lambda checked: self._set_collapsed(not checked))

    def _heading_height(self) -> int:
        return self.fontMetrics().height() + 8

    def _get_collapsed(self) -> bool:
        return self._collapsed

    def _set_collapsed(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        self.setChecked(not collapsed)
        if collapsed:
            self._hidden = self._shown_children()
        for child in self._hidden:
            child.setVisible(not collapsed)
        self.setMaximumHeight(self._heading_height() if collapsed else UNLIMITED_HEIGHT)
        self.updateGeometry()
        self.contentsCollapsed.emit(collapsed)

    collapsed = Property(bool, _get_collapsed, _set_collapsed, notify=contentsCollapsed)

    def _shown_children(self) -> list[QWidget]:
        return [child for child in self.children() if isinstance(child, QWidget) and not child.isHidden()]

    def showEvent(self, event: QShowEvent) -> None:
        """Hide contents that were added while collapsed, because .ui files set ``collapsed`` before adding them."""
        if self._collapsed:
            added = self._shown_children()
            self._hidden += added
            for child in added:
                child.setVisible(False)
        QAbstractButton.showEvent(self, event)

    def minimumSizeHint(self) -> QSize:
        """Return the smallest size that fits the heading and the visible contents."""
        layout = self.layout()
        if layout is None or self._collapsed:
            return self._heading_size()
        return layout.totalMinimumSize().expandedTo(self._heading_size())

    def sizeHint(self) -> QSize:
        """Return the preferred size of the heading and the visible contents."""
        layout = self.layout()
        if layout is None or self._collapsed:
            return self._heading_size()
        return layout.totalSizeHint().expandedTo(self._heading_size())

    def _heading_size(self) -> QSize:
        return QSize(self.fontMetrics().horizontalAdvance(self.property("text")) + 40, self._heading_height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the heading as a button with an arrow and its text."""
        heading = QRect(0, 0, self.property("width"), self._heading_height())
        painter = QStylePainter(self)
        button = QStyleOptionButton()
        button.initFrom(self)
        button.rect = heading
        painter.drawPrimitive(QStyle.PrimitiveElement.PE_PanelButtonCommand, button)
        arrow = QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QRect(8, heading.height() // 2 - 5, 10, 10)
        right, down = QStyle.PrimitiveElement.PE_IndicatorArrowRight, QStyle.PrimitiveElement.PE_IndicatorArrowDown
        painter.drawPrimitive(right if self._collapsed else down, arrow)
        painter.drawItemText(
            heading.adjusted(26, 0, 0, 0),
            (Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter).value,
            self.property("palette"),
            self.isEnabled(),
            self.property("text"),
            QPalette.ColorRole.ButtonText,
        )

    def hitButton(self, position: QPoint) -> bool:
        """Return whether a position is on the heading. Clicks below it go to the contents."""
        return position.y() <= self._heading_height()

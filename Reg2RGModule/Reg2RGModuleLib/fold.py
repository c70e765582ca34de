"""A heading that folds what is below it open and closed."""

from __future__ import annotations

import html

import qt

from Reg2RGModuleLib.signal import Signal

BUTTON_HEIGHT = 18
"""Height of the arrow button in pixels, which is that of a line of text."""


class Fold(qt.QWidget):
    """A heading with an arrow button, and a box below it that is closed at first.

    Signals:
        opening(): the box is about to be opened; listeners fill it.
        overLink(bool): the mouse moved onto the heading (True) or off it (False).
    """

    def __init__(self, name: str) -> None:
        qt.QWidget.__init__(self)
        self.opening = Signal()
        self.overLink = Signal()
        self._button = qt.QToolButton()
        self._button.setObjectName(name)
        self._button.setCheckable(True)
        self._button.setAutoRaise(True)
        self._button.setFixedHeight(BUTTON_HEIGHT)
        self._button.setArrowType(qt.Qt.RightArrow)
        self._button.setFocusPolicy(qt.Qt.TabFocus)
        self._button.connect("toggled(bool)", self._onToggled)
        self._heading = wrappedLabel()
        self._heading.connect("linkActivated(QString)", lambda link: self._button.toggle())
        self._heading.connect("linkHovered(QString)", lambda link: self.overLink.emit(bool(link)))
        self.box = qt.QWidget()
        self.box.setVisible(False)
        self.boxLayout = qt.QVBoxLayout()
        self.boxLayout.setContentsMargins(18, 0, 0, 0)
        self.boxLayout.setSpacing(3)
        self.box.setLayout(self.boxLayout)
        row = qt.QHBoxLayout()
        row.setSpacing(2)
        row.addWidget(self._button, 0, qt.Qt.AlignTop)
        row.addWidget(self._heading, 1)
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(row)
        layout.addWidget(self.box)
        self.setLayout(layout)

    @property
    def isOpen(self) -> bool:
        """Whether the box is open."""
        return self._button.checked

    def setHeading(self, text: str) -> None:
        """Set the heading, which is also what a screen reader says about the button."""
        self._heading.setText(f'<a href="fold">{html.escape(text)}</a>')
        self._button.setAccessibleName(text)
        self._button.setToolTip(toolTipOf(text))

    def setOpen(self, isOpen: bool) -> None:
        """Open or close the box."""
        self._button.setChecked(isOpen)

    def _onToggled(self, isOpen: bool) -> None:
        if isOpen:
            self.opening.emit()
        self._button.setArrowType(qt.Qt.DownArrow if isOpen else qt.Qt.RightArrow)
        self.box.setVisible(isOpen)


def wrappedLabel() -> qt.QLabel:
    """Return a label with word wrap. Its links can be clicked; all other clicks go to the widget below it."""
    label = qt.QLabel()
    label.setWordWrap(True)
    label.setTextFormat(qt.Qt.RichText)
    label.setTextInteractionFlags(qt.Qt.LinksAccessibleByMouse)
    return label


def toolTipOf(text: str) -> str:
    """Return the HTML of a tooltip that shows a text of the report as it is.

    Slicer turns plain tooltips into HTML itself, so that they wrap, but takes a text with tags for HTML.
    """
    return f"<p>{html.escape(text)}</p>" if text else ""

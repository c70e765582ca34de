"""ctkFittedTextBrowser: rich text as high as its contents."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QResizeEvent, QTextDocument
from PySide6.QtWidgets import QTextBrowser, QWidget

from slicer_host.pythonqt import refuse_keywords


@refuse_keywords
class ctkFittedTextBrowser(QTextBrowser):
    """Rich text as high as its contents; without the collapsible text that CTK's has."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.textChanged.connect(lambda: self.updateGeometry())

    def sizeHint(self) -> QSize:
        """Return the size of the contents at the present width."""
        document: QTextDocument = self.property("document")
        return QSize(200, round(document.size().height()) + 2)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Ask for the height that the new width needs."""
        QTextBrowser.resizeEvent(self, event)
        self.updateGeometry()

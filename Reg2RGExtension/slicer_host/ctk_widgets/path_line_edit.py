"""ctkPathLineEdit: a path with a button that opens a file dialog."""

from __future__ import annotations

from PySide6.QtCore import Property, Signal, Slot
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QToolButton, QWidget

from slicer_host.pythonqt import refuse_keywords


@refuse_keywords
class ctkPathLineEdit(QWidget):
    """A path with a button that opens a file dialog. As in CTK, an empty field is not a valid input.

    Signals:
        currentPathChanged(str): the path has changed, also by typing a letter, and is not empty.
        validInputChanged(bool): whether the field is not empty has changed.
    """

    currentPathChanged = Signal(str)
    validInputChanged = Signal(bool)
    Dirs, Files, Executable = 1, 2, 64

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._filters = self.Files
        self._edit = QLineEdit(self)
        self._browse_button = QToolButton(self)
        self._browse_button.setText("...")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._edit)
        layout.addWidget(self._browse_button)
        self._is_valid = False
        self._edit.textChanged.connect(self._on_text_changed)
        self._browse_button.clicked.connect(lambda: self.browse())

    @Slot()
    def browse(self) -> None:
        """Ask the user for a path."""
        if self._filters & self.Dirs:
            chosen = QFileDialog.getExistingDirectory(self)
        else:
            chosen = str(QFileDialog.getOpenFileName(self))  # Only the path; see slicer_host.pythonqt.
        if chosen:
            self.setCurrentPath(chosen)

    def _get_path(self) -> str:
        return self._edit.property("text")

    @Slot(str)
    def setCurrentPath(self, path: str) -> None:
        """Set the path."""
        self._edit.setText(path)

    def _on_text_changed(self, text: str) -> None:
        was_valid, self._is_valid = self._is_valid, bool(text)
        if text:
            self.currentPathChanged.emit(text)
        if self._is_valid != was_valid:
            self.validInputChanged.emit(self._is_valid)

    def _get_filters(self) -> int:
        return self._filters

    def _set_filters(self, filters: int) -> None:
        self._filters = filters

    currentPath = Property(str, _get_path, setCurrentPath, notify=currentPathChanged)
    filters = Property(int, _get_filters, _set_filters)

"""ctkMessageBox: the message box that slicer.util uses."""

from __future__ import annotations

from PySide6.QtCore import Property
from PySide6.QtWidgets import QMessageBox, QWidget

from slicer_host.pythonqt import refuse_keywords


@refuse_keywords
class ctkMessageBox(QMessageBox):
    """A message box without CTK's "Don't show this again" check box."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings_key = ""

    def _get_settings_key(self) -> str:
        return self._settings_key

    def _set_settings_key(self, key: str) -> None:
        self._settings_key = key

    dontShowAgainSettingsKey = Property(str, _get_settings_key, _set_settings_key)

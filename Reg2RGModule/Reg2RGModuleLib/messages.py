"""The message below the progress bar, and the engine's log after a failure."""

from __future__ import annotations

from typing import Any


class Messages:
    """Shows one message at a time."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self.clear()

    def show(self, message: str) -> None:
        """Show a message, or hide the message if it is empty."""
        self._ui.messageLabel.setText(message)
        self._ui.messageLabel.setVisible(bool(message))

    def warn(self, message: str) -> None:
        """Show a message as a warning, or hide the message if it is empty."""
        self.show(f"⚠ {message}" if message else "")

    def showLog(self, log: str) -> None:
        """Show the last lines of the engine's log, or hide the log if it is empty."""
        self._ui.logEdit.setPlainText(log)
        self._ui.logEdit.setVisible(bool(log))

    def clear(self) -> None:
        """Hide the message and the log."""
        self.show("")
        self.showLog("")

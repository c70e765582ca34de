"""The message below the progress bar, and the engine's log after a failure."""

from __future__ import annotations

from typing import Any


class Messages:
    """Shows one message at a time."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self.clear()

    def show(self, message: str) -> None:
        """Show a message. Empty: show none."""
        self._ui.messageLabel.setText(message)
        self._ui.messageLabel.setVisible(bool(message))

    def warn(self, message: str) -> None:
        """Show a message as a warning. Empty: show none."""
        self.show(f"⚠ {message}" if message else "")

    def showLog(self, log: str) -> None:
        """Show lines of the engine's log. Empty: show none."""
        self._ui.logEdit.setPlainText(log)
        self._ui.logEdit.setVisible(bool(log))

    def clear(self) -> None:
        """Show neither a message nor a log."""
        self.show("")
        self.showLog("")

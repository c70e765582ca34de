"""The message below the progress bar, and the engine's log after a failure."""

from __future__ import annotations

from typing import Any, NamedTuple

import slicer


class _Message(NamedTuple):
    text: str = ""
    log: str = ""


class Messages:
    """Shows one message at a time: the last one about the chosen volume. Those about other volumes return with them."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui
        self._volumeId = ""
        self._messages: dict[str, _Message] = {}
        self._refresh()

    def setVolume(self, volume: slicer.vtkMRMLScalarVolumeNode | None) -> None:
        """Show the message about another volume, or about none."""
        self._messages.pop("", None)  # one about no volume is out of date when another is chosen
        self._volumeId = _idOf(volume)
        self._refresh()

    def show(self, message: str, about: slicer.vtkMRMLScalarVolumeNode | None = None, log: str = "") -> None:
        """Show a message.

        Args:
            message: the message. Empty: show none.
            about: the volume it is about. None: the chosen one.
            log: lines of the engine's log to show below the message.
        """
        self._messages[_idOf(about) or self._volumeId] = _Message(message, log)
        self._refresh()

    def warn(self, message: str, about: slicer.vtkMRMLScalarVolumeNode | None = None, log: str = "") -> None:
        """Show a message as a warning. The arguments are those of ``show``."""
        self.show(f"⚠ {message}" if message else "", about, log)

    def clear(self, about: slicer.vtkMRMLScalarVolumeNode | None = None) -> None:
        """Hide the message and the log about a volume."""
        self.show("", about)

    def forget(self) -> None:
        """Forget all messages, because their volumes leave the scene."""
        self._messages = {}
        self.setVolume(None)

    def _refresh(self) -> None:
        text, log = self._messages.get(self._volumeId, _Message())
        self._ui.messageLabel.setText(text)
        self._ui.messageLabel.setVisible(bool(text))
        self._ui.logEdit.setPlainText(log)
        self._ui.logEdit.setVisible(bool(log))


def _idOf(volume: slicer.vtkMRMLScalarVolumeNode | None) -> str:
    return (volume.GetID() or "") if volume is not None else ""

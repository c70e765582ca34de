"""The impression: a text field whose text is stored shortly after the user stops typing."""

from __future__ import annotations

import qt

from Reg2RGModuleLib.review import Review

AUTOSAVE_MS = 400


class Impression:
    """Shows the impression of a review and stores what the user types."""

    def __init__(self, edit: qt.QPlainTextEdit) -> None:
        self._edit = edit
        self._review: Review | None = None
        self._autosave = qt.QTimer(edit)
        self._autosave.setSingleShot(True)
        self._autosave.setInterval(AUTOSAVE_MS)
        self._autosave.connect("timeout()", self.store)
        edit.connect("textChanged()", self._autosave.start)

    def show(self, review: Review) -> None:
        """Show the impression of a review. That of a signed report cannot be edited."""
        self._review = review
        self._edit.setReadOnly(review.signature is not None)
        if self._edit.toPlainText() != review.impression:
            wasBlocked = self._edit.blockSignals(True)
            self._edit.setPlainText(review.impression)
            self._edit.blockSignals(wasBlocked)

    def store(self) -> None:
        """Store the typed text in the review."""
        self._autosave.stop()
        if self._review is not None:
            self._review.setImpression(self._edit.toPlainText())

    def close(self) -> None:
        """Store the typed text and release the review."""
        self.store()
        self._review = None

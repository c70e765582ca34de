"""The impression: a text field that is stored soon after the user has stopped writing in it."""

import qt

AUTOSAVE_MS = 400


class Impression:
    """The text field, and the review it belongs to while one is shown."""

    def __init__(self, edit):
        self._edit = edit
        self._review = None
        self._autosave = qt.QTimer()
        self._autosave.setSingleShot(True)
        self._autosave.setInterval(AUTOSAVE_MS)
        self._autosave.connect("timeout()", self.store)
        edit.connect("textChanged()", self._autosave.start)

    def show(self, review):
        """What the review has for an impression."""
        self._review = review
        if self._edit.toPlainText() != review.impression:
            blocked = self._edit.blockSignals(True)
            self._edit.setPlainText(review.impression)
            self._edit.blockSignals(blocked)

    def store(self):
        """Put what was written into the review."""
        self._autosave.stop()
        if self._review is not None:
            self._review.setImpression(self._edit.toPlainText())

    def close(self):
        """Store what was written and let the review go."""
        self.store()
        self._review = None

"""What can be done about findings as a whole: show or hide them in the views, and say that one is there."""

import qt

from Reg2RGModuleLib import findingWords
from Reg2RGModuleLib.signal import Signal


class FindingsBar:
    """The row above the sections; there only for reports of models that look for findings.

    Signals:
        added(str): the user says that the selected section's region shows a finding of this label.
    """

    def __init__(self, ui):
        self.added = Signal()
        self._ui = ui
        self._review = None
        self._region = None
        self._menu = qt.QMenu()
        self._menu.connect("aboutToShow()", self._fill)
        self._menu.connect("triggered(QAction*)", lambda action: self.added.emit(action.text))
        ui.addFindingButton.setMenu(self._menu)

    def show(self, review, region, correctable):
        """The state of the report under review, of which ``region`` is selected; both may be None."""
        self._review, self._region = review, region
        sections = review.report["sections"] if review is not None else []
        self._ui.findingsRow.setVisible(any(findingWords.hasHead(section) for section in sections))
        self._ui.addFindingButton.enabled = correctable

    def _fill(self):
        self._menu.clear()
        for label in findingWords.offeredIn(self._review.section(self._region)):
            self._menu.addAction(label)

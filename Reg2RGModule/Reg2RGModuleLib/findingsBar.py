"""The row above the sections, with controls to show or hide findings and to add one."""

from __future__ import annotations

from typing import Any

import qt

from Reg2RGModuleLib import findingText
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.signal import Signal


class FindingsBar:
    """Shows the row for reports that were written by a model with a finding head, and hides it otherwise.

    Signals:
        added(str): the user added a finding with this label to the selected section.
    """

    def __init__(self, ui: Any) -> None:
        self.added = Signal()
        self._ui = ui
        self._review: Review | None = None
        self._region: str | None = None
        self._menu = qt.QMenu(ui.addFindingButton)
        self._menu.connect("aboutToShow()", self._fill)
        self._menu.connect("triggered(QAction*)", lambda action: self.added.emit(action.text))
        ui.addFindingButton.setMenu(self._menu)

    def show(self, review: Review | None, region: str | None, correctable: bool) -> None:
        """Update the row for a report.

        Args:
            review: the review of the open report, or None if no report is open.
            region: region of the selected section, or None if no section is selected.
            correctable: whether findings can be added now.
        """
        self._review, self._region = review, region
        sections = review.report.sections if review is not None else ()
        self._ui.findingsRow.setVisible(any(findingText.hasFindingHead(section) for section in sections))
        self._ui.addFindingButton.enabled = correctable

    def _fill(self) -> None:
        self._menu.clear()
        if self._review is not None and self._region is not None:
            for label in findingText.labelsToAdd(self._review.section(self._region)):
                self._menu.addAction(label)

"""Selection of sections and findings, kept in sync between the panel and the views."""

from __future__ import annotations

from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.sectionList import SectionList
from Reg2RGModuleLib.signal import Signal


class Navigation:
    """Steps through the sections of the open report and the findings of the selected section.

    Signals:
        leaving(): another section is about to be selected; listeners store what the user has typed.
        selected(): a section or finding has been selected.
    """

    def __init__(self, logic: ReportLogic, session: ReportSession, sections: SectionList) -> None:
        self.leaving = Signal()
        self.selected = Signal()
        self._logic = logic
        self._session = session
        self._sections = sections
        self._findingIndex: int | None = None
        logic.views.selected.connect(self._onSelected)
        sections.selected.connect(self.select)
        sections.findingChosen.connect(self.select)

    @property
    def region(self) -> str | None:
        """Region of the selected section, or None if no section is selected or no report is open."""
        return self._sections.current if self._session.review is not None else None

    def select(self, region: str | None, findingIndex: int | None = None) -> None:
        """Select a section or one of its findings.

        Args:
            region: region of the section. Nothing happens if the open report has no such section.
            findingIndex: index of a finding that has a location, or None to select the whole section.
        """
        review = self._session.review
        if review is not None and region in review.regions:
            self._logic.selectSection(self._session.node, region, findingIndex)

    def next(self) -> None:
        """Select the next section. Does nothing at the last one."""
        self.select(self._sections.neighbor(1))

    def previous(self) -> None:
        """Select the previous section. Does nothing at the first one."""
        self.select(self._sections.neighbor(-1))

    def nextFinding(self) -> None:
        """Select the next located finding of the selected section, wrapping around after the last one."""
        review, region = self._session.review, self.region
        if review is None or region is None:
            return
        located = review.locatedFindings(region)
        current = self._findingIndex
        following = [index for index in located if current is not None and index > current]
        if located:
            self.select(region, following[0] if following else located[0])

    def _onSelected(self, region: str, findingIndex: int | None) -> None:
        """Mark the new selection, whether it comes from the panel, a click in a view, or a script."""
        if self._session.node is None or self._logic.views.node is not self._session.node:
            return
        if region != self._sections.current:
            self.leaving.emit()
            self._markFinding(None)
        self._findingIndex = findingIndex
        self._sections.setCurrent(region)
        self._markFinding(findingIndex)
        self._sections.takeIdleFocus()
        self.selected.emit()

    def _markFinding(self, index: int | None) -> None:
        card = self._sections.card(self._sections.current)
        if card is not None:
            card.setCurrentFinding(index)

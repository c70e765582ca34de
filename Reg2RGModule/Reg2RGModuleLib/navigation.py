"""Selection of sections, findings and measurements, kept in sync between the panel and the views."""

from __future__ import annotations

from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.reportViews import Selected
from Reg2RGModuleLib.sectionList import SectionList
from Reg2RGModuleLib.signal import Signal


class Navigation:
    """Steps through the sections of the open report and the findings of the selected section; shows measurements.

    Signals:
        leaving(): another section is about to be selected; listeners store what the user has typed.
        selected(): a section, finding or measurement has been selected.
    """

    def __init__(self, logic: ReportLogic, session: ReportSession, sections: SectionList) -> None:
        self.leaving = Signal()
        self.selected = Signal()
        self._logic = logic
        self._session = session
        self._sections = sections
        self._findingIndex: int | None = None
        self._measurement: str | None = None
        logic.views.selected.connect(self._onSelected)
        sections.selected.connect(self.select)
        sections.findingChosen.connect(self.select)
        sections.changeChosen.connect(self.selectChange)
        sections.measurementChosen.connect(self.selectMeasurement)
        sections.measurementEdited.connect(self.selectMeasurement)

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

    def selectMeasurement(self, key: str, editing: bool = False) -> None:
        """Show a measurement in the views.

        Args:
            key: key of the measurement. Nothing happens if the open report does not contain it.
            editing: whether the ends of its lines can be moved.
        """
        review = self._session.review
        if review is not None and review.measurement(key) is not None:
            self._logic.selectMeasurement(self._session.node, key, editing)

    def selectChange(self, region: str, index: int) -> None:
        """Show in the views what changed since the prior CT.

        Args:
            region: region of the change.
            index: index of the change among those of the section.
        """
        review = self._session.review
        if review is not None and index < len(review.changes(region)):
            self._logic.selectChange(self._session.node, review.changes(region)[index])

    def endLineEditing(self) -> None:
        """Lock the lines of the selected measurement, if they can be moved."""
        if self._measurement is not None and self._logic.views.editing:
            self.selectMeasurement(self._measurement)

    def restore(self) -> None:
        """Select the measurement whose lines were saved with the scene, if there is one."""
        key = self._logic.views.drawnMeasurement()
        if key is not None:
            self.selectMeasurement(key)

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

    def _onSelected(self, selected: Selected) -> None:
        """Mark the new selection, whether it comes from the panel, a click in a view, or a script."""
        if self._session.node is None or self._logic.views.node is not self._session.node:
            return
        if selected.region != self._sections.current:
            self.leaving.emit()
            self._mark(None)
        self._findingIndex, self._measurement = selected.findingIndex, selected.measurement
        self._sections.setCurrent(selected.region)
        self._mark(selected)
        self._sections.takeIdleFocus()
        self.selected.emit()

    def _mark(self, selected: Selected | None) -> None:
        """Mark the selected finding or measurement in the current card."""
        card = self._sections.card(self._sections.current)
        if card is not None:
            card.setCurrentFinding(selected.findingIndex if selected is not None else None)
            card.setCurrentMeasurement(
                selected.measurement if selected is not None else None, selected is not None and selected.editable
            )

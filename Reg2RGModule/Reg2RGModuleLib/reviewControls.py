"""Controls to review the selected section (accept, edit, reject, undo), to accept all sections, and to copy them."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib.impression import Impression
from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.navigation import Navigation
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.sectionCard import SectionCard
from Reg2RGModuleLib.sectionList import SectionList


class ReviewControls:
    """The buttons below the sections, the editor in the selected card, and the impression."""

    def __init__(
        self, ui: Any, session: ReportSession, navigation: Navigation, sections: SectionList, messages: Messages
    ) -> None:
        self._ui = ui
        self._session = session
        self._navigation = navigation
        self._sections = sections
        self._messages = messages
        self._impression = Impression(ui.impressionEdit)
        ui.acceptButton.connect("clicked()", self.accept)
        ui.editButton.connect("clicked()", self.edit)
        ui.rejectButton.connect("clicked()", self.reject)
        ui.undoButton.connect("clicked()", self.undo)
        ui.acceptAllButton.connect("clicked()", self.acceptAll)
        ui.copyButton.connect("clicked()", self.copyReport)
        menu = qt.QMenu(ui.copyButton)
        self._copyAllAction = menu.addAction(_("Copy with model text"))
        self._copyAllAction.connect("triggered()", lambda: self.copyReport(True))
        ui.copyButton.setMenu(menu)
        sections.measurementRemoved.connect(self.removeMeasurement)
        sections.changeRemoved.connect(self.removeChange)
        navigation.leaving.connect(self.finishEditing)
        session.opened.connect(self._onOpened)
        session.closing.connect(self._onClosing)
        session.changed.connect(self._onChanged)

    def accept(self) -> None:
        """Accept the selected section."""
        review, region = self._session.review, self._changeableRegion()
        if review is not None and region is not None:
            self.finishEditing()
            review.accept(region)
            self._sections.takeFocus()

    def acceptAll(self) -> None:
        """Accept all sections that are still drafts."""
        review = self._session.review
        if review is not None and not self._session.locked:
            self.finishEditing()
            review.acceptAll()
            self._sections.takeFocus()

    def removeMeasurement(self, key: str) -> None:
        """Remove a measurement from the report."""
        review = self._session.review
        if review is not None and not self._session.locked:
            self.finishEditing()
            review.removeMeasurement(key)
            self._sections.takeFocus()

    def removeChange(self, region: str, index: int) -> None:
        """Remove what the report says about one change since the prior CT.

        Args:
            region: region of the change.
            index: index of the change among those of the section.
        """
        review = self._session.review
        if review is not None and not self._session.locked:
            self.finishEditing()
            review.removeChange(region, index)
            self._sections.takeFocus()

    def reject(self) -> None:
        """Reject the selected section."""
        review, region = self._session.review, self._changeableRegion()
        if review is not None and region is not None:
            self.finishEditing()
            review.reject(region)
            self._sections.takeFocus()

    def edit(self) -> None:
        """Open the editor of the selected section, or close it and keep the text if it is already open."""
        review, region = self._session.review, self._changeableRegion()
        card = self._sections.card(region)
        if review is None or region is None or card is None:
            return
        if card.editing:
            self.finishEditing()
            return
        card.beginEditing(review.text(region))
        self._sections.reveal()
        self.refresh()

    def finishEditing(self) -> None:
        """Close the editor, if one is open, and keep its text."""
        card = self._currentCard()
        if card is None or not card.editing:
            return
        text = card.endEditing()
        if self._session.review is not None:
            self._session.review.edit(card.region.name, text)
        self._leftEditor()

    def leaveEditing(self) -> None:
        """Close the editor, if one is open, and discard its text. Otherwise, lock the line that can be moved."""
        card = self._currentCard()
        if card is not None and card.editing:
            card.endEditing()
            self._leftEditor()
        else:
            self._navigation.endLineEditing()

    def storeInput(self) -> None:
        """Store the text that the user has typed into the editor and the impression."""
        self.finishEditing()
        self._impression.store()

    def undo(self) -> None:
        """Undo the last change and select the section that it affected, unless that is selected already."""
        if self._session.review is not None and not self._session.locked:
            region = self._session.review.undo()
            if region != self._navigation.region:
                self._navigation.select(region)
            self._sections.takeFocus()

    def copyReport(self, withModelText: bool = False) -> None:
        """Copy the whole report to the clipboard as text.

        Args:
            withModelText: whether to include model text that is hidden, marked as such.
        """
        if self._session.review is not None:
            self.storeInput()
            qt.QApplication.clipboard().setText(self._session.review.asText(withModelText))
            self._messages.show(_("The report was copied to the clipboard."))

    def refresh(self) -> None:
        """Update the buttons."""
        ui, review = self._ui, self._session.review
        for widget in (ui.actionsRow, ui.impressionButton, ui.copyButton, ui.acceptAllButton):
            widget.setVisible(review is not None)
        hasDrafts = review is not None and not review.allReviewed
        ui.acceptAllButton.enabled = hasDrafts and not self._session.locked
        sections = review.report.sections if review is not None else ()
        self._copyAllAction.setEnabled(any(section.has_folded_text for section in sections))
        for button in (ui.acceptButton, ui.editButton, ui.rejectButton):
            button.enabled = self._changeableRegion() is not None
        card = self._currentCard()
        ui.editButton.setText(_("Done") if card is not None and card.editing else _("Edit"))
        ui.undoButton.enabled = review is not None and review.canUndo and not self._session.locked

    def _changeableRegion(self) -> str | None:
        """Return the region of the selected section, or None if there is none or changes are blocked."""
        return None if self._session.locked else self._navigation.region

    def _leftEditor(self) -> None:
        """Give the focus, which the closed editor has lost, to its card."""
        self._sections.takeFocus()
        self._sections.reveal()
        self.refresh()

    def _currentCard(self) -> SectionCard | None:
        return self._sections.card(self._sections.current)

    def _onOpened(self, review: Review) -> None:
        self._impression.show(review)

    def _onClosing(self) -> None:
        self.finishEditing()
        self._impression.close()

    def _onChanged(self, review: Review, region: str) -> None:
        if region:  # without a region, the impression itself has changed
            self._impression.show(review)

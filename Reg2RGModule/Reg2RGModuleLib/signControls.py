"""The controls to sign a report, and to amend a signed one."""

from __future__ import annotations

from typing import Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.reviewControls import ReviewControls

REVIEWER_SETTING = "Reg2RG/Reviewer"
"""Application setting for the name of the person who signed last."""


class SignControls:
    """The name of the reviewer and the buttons Sign and Addendum."""

    def __init__(
        self, ui: Any, logic: ReportLogic, session: ReportSession, review: ReviewControls, messages: Messages
    ) -> None:
        self._ui = ui
        self._logic = logic
        self._session = session
        self._review = review
        self._messages = messages
        ui.reviewerEdit.setText(slicer.app.userSettings().value(REVIEWER_SETTING, "") or "")
        ui.signButton.connect("clicked()", self.sign)
        ui.addendumButton.connect("clicked()", self.beginAddendum)

    def sign(self) -> None:
        """Sign the report, after the user has confirmed that it is final."""
        review = self._session.review
        if review is None or self._session.locked:
            return
        self._review.storeInput()
        reviewer = self._ui.reviewerEdit.text.strip()
        question = _('Sign this report as "{0}"? A signed report cannot be changed, only amended by an addendum.')
        if review.allReviewed and reviewer:
            if not slicer.util.confirmOkCancelDisplay(question.format(reviewer), _("Sign report")):
                return
        try:
            review.sign(reviewer)
        except ValueError as error:
            self._messages.warn(str(error))
            return
        slicer.app.userSettings().setValue(REVIEWER_SETTING, reviewer)
        self._messages.show(_("The report is signed."))

    def beginAddendum(self) -> None:
        """Begin a new version of the signed report."""
        node = self._session.node
        if node is not None:
            self._logic.beginAddendum(node)
            self._messages.show(_("This is a new version of the signed report. Sign it when it is complete."))

    def refresh(self) -> None:
        """Update the controls."""
        ui, review = self._ui, self._session.review
        isSigned = review is not None and review.signature is not None
        ui.signRow.setVisible(review is not None)
        for widget in (ui.labelReviewer, ui.reviewerEdit, ui.signButton):
            widget.setVisible(review is not None and not isSigned)
        ui.signButton.enabled = review is not None and not self._session.locked
        ui.addendumButton.setVisible(isSigned)

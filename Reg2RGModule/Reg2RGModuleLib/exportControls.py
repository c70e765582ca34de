"""The Export menu, and the button that opens a report folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib.inputs import Inputs
from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.reviewControls import ReviewControls


class ExportControls:
    """Exports the open report in one of the engine's formats, and opens reports that were saved to a folder."""

    def __init__(
        self,
        ui: Any,
        logic: ReportLogic,
        inputs: Inputs,
        session: ReportSession,
        review: ReviewControls,
        messages: Messages,
    ) -> None:
        from reg2rg.exports.formats import FORMATS

        self._ui = ui
        self._logic = logic
        self._inputs = inputs
        self._session = session
        self._review = review
        self._messages = messages
        self._menu = qt.QMenu(ui.exportButton)
        self._actions = [self._addAction(name, export.label) for name, export in FORMATS.items()]
        ui.exportButton.setMenu(self._menu)
        ui.openButton.connect("clicked()", self.chooseReport)
        logic.exports.succeeded.connect(self._onSucceeded)
        logic.exports.failed.connect(self._onFailed)

    def export(self, formatName: str, path: str) -> None:
        """Start exporting the open report.

        Args:
            formatName: name of the format.
            path: file or folder to write.
        """
        node = self._session.node
        if node is None:
            return
        self._review.storeInput()
        try:
            self._logic.exportReport(node, formatName, path)
        except (OSError, RuntimeError) as error:
            self._messages.warn(str(error))
        else:
            self._messages.show(_("Exporting…"))

    def open(self, folder: str) -> None:
        """Open the report of a folder.

        Args:
            folder: a report folder.
        """
        try:
            node = self._logic.openReport(Path(folder))
        except (OSError, RuntimeError) as error:
            self._messages.warn(str(error))
            return
        self._ui.inputVolumeSelector.setCurrentNode(self._logic.volumeOf(node))
        self._session.open(node)

    def chooseReport(self) -> None:
        """Let the user choose a report folder, and open it."""
        folder = qt.QFileDialog.getExistingDirectory(None, _("Open report folder"))
        if folder and self._mayReplaceReview():
            self.open(folder)

    def refresh(self) -> None:
        """Update the menu and the button."""
        hasReport = self._session.review is not None
        self._ui.exportButton.setVisible(hasReport)
        self._ui.exportButton.enabled = hasReport and not self._logic.engine.running
        self._ui.openButton.enabled = not self._logic.run.active

    def _addAction(self, formatName: str, label: str) -> qt.QAction:
        action = self._menu.addAction(f"{label}…")
        action.connect("triggered()", lambda: self._choosePath(formatName))
        return action

    def _choosePath(self, formatName: str) -> None:
        from reg2rg.exports.formats import FORMATS

        export = FORMATS[formatName]
        caption = _("Export as {0}").format(export.label)
        if export.extension:
            path = qt.QFileDialog.getSaveFileName(None, caption, "report" + export.extension, f"*{export.extension}")
        else:
            path = qt.QFileDialog.getExistingDirectory(None, caption)
        if path:
            self.export(formatName, path)

    def _mayReplaceReview(self) -> bool:
        review = self._session.review
        if review is None or not review.hasDecisions:
            return True
        question = _("A saved report replaces the report of its volume. Discard the review that you have started?")
        return slicer.util.confirmOkCancelDisplay(question, _("Open report folder"))

    def _onSucceeded(self, volume: slicer.vtkMRMLScalarVolumeNode, path: str) -> None:
        self._messages.show(_("Exported: {0}").format(os.path.normpath(path)), about=volume)

    def _onFailed(self, volume: slicer.vtkMRMLScalarVolumeNode, message: str, log: str) -> None:
        self._messages.warn(message, about=volume, log=log)

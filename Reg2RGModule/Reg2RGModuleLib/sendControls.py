"""The Send button and its dialog: where to, a test of the connection, and the transfer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import locations
from Reg2RGModuleLib.destination import Destination, remember, remembered
from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.reviewControls import ReviewControls

if TYPE_CHECKING:
    from reg2rg.pipeline.events import Sent


class SendControls:
    """Sends the open report to an address that the user has entered and confirmed. The dialog does not block the panel.

    Attributes:
        dialog: the dialog.
        ui: its widgets by name.
    """

    def __init__(self, panelUi: Any, logic: ReportLogic, session: ReportSession, review: ReviewControls) -> None:
        self._button = panelUi.sendButton
        self._logic = logic
        self._session = session
        self._review = review
        self.dialog = slicer.util.loadUI(str(locations.MODULE / "Resources" / "UI" / "SendDialog.ui"))
        self.ui = slicer.util.childWidgetVariables(self.dialog)
        if slicer.util.mainWindow() is not None:
            self.dialog.setParent(slicer.util.mainWindow(), qt.Qt.Dialog)
        self._button.connect("clicked()", self.open)
        self.ui.testButton.connect("clicked()", self.test)
        self.ui.sendReportButton.connect("clicked()", self.send)
        self.ui.cancelButton.connect("clicked()", logic.sending.cancel)
        logic.sending.progressed.connect(self._onProgress)
        logic.sending.sent.connect(self._onSent)
        logic.sending.answered.connect(lambda address: self._say(_("{0} answers.").format(address)))
        logic.sending.failed.connect(lambda volume, message, log: self._warn(message))
        self._fill(remembered())

    @property
    def destination(self) -> Destination:
        """The destination in the dialog."""
        ui = self.ui
        files = (edit.currentPath for edit in (ui.authorityEdit, ui.certificateEdit, ui.keyEdit))
        return Destination(ui.addressEdit.text.strip(), ui.titleEdit.text.strip(), *files)

    def open(self) -> None:
        """Show the dialog."""
        self.dialog.show()
        self.dialog.raise_()
        self.dialog.activateWindow()

    def test(self) -> None:
        """Check whether the address answers. Nothing is sent."""
        destination = self.destination
        if self._check(destination):
            self._start(lambda: self._logic.sending.test(destination), _("Asking for an answer…"))

    def send(self) -> None:
        """Send the open report, after the user has confirmed the address and the patient data."""
        node, destination = self._session.node, self.destination
        if node is None or not self._check(destination):
            return
        self._review.storeInput()
        if slicer.util.confirmOkCancelDisplay(self._question(node, destination), _("Send report")):
            self._start(lambda: self._logic.sendReport(node, destination), _("Preparing the DICOM objects…"))

    def refresh(self) -> None:
        """Update the button and the dialog."""
        ui, isSending, isFree = self.ui, self._logic.sending.active, not self._logic.engine.running
        hasReport = self._session.review is not None
        self._button.setVisible(hasReport)
        ui.destinationBox.enabled = not isSending
        ui.testButton.enabled = isFree
        ui.sendReportButton.enabled = isFree and hasReport
        ui.cancelButton.enabled = isSending
        ui.sendProgressBar.setVisible(isSending)

    def sceneClosing(self) -> None:
        """Close the dialog, because its report leaves the scene."""
        self._say("")
        self.dialog.hide()

    def cleanup(self) -> None:
        """Delete the dialog."""
        self.dialog.deleteLater()

    def _fill(self, destination: Destination) -> None:
        ui = self.ui
        ui.addressEdit.setText(destination.to)
        ui.titleEdit.setText(destination.title)
        ui.authorityEdit.setCurrentPath(destination.tls_ca)
        ui.certificateEdit.setCurrentPath(destination.tls_cert)
        ui.keyEdit.setCurrentPath(destination.tls_key)

    def _check(self, destination: Destination) -> bool:
        """Remember a destination and return whether its address is valid; say why not."""
        from reg2rg.errors import InputError

        try:
            remember(destination)
        except InputError as error:
            self._warn(str(error))
            return False
        return True

    def _question(self, node: slicer.vtkMRMLTextNode, destination: Destination) -> str:
        from reg2rg.exports.sending.address import parse_address

        address, volume = parse_address(destination.to), self._logic.volumeOf(node)
        name = volume.GetName() if volume is not None else ""
        question = _('Send the report on "{0}" to {1}?').format(name, address)
        sentences = [
            _("The DICOM objects contain patient data: the report, and name, ID and birth date where they are known.")
        ]
        if self._logic.reviewOf(node).signature is None:
            sentences.append(_("The report is a draft that nobody has signed. The objects say so."))
        if address.exposed:
            sentences.append(_("The connection is not encrypted."))
        return f"{question}\n\n{' '.join(sentences)}"

    def _start(self, start: Callable[[], None], message: str) -> None:
        self.ui.sendProgressBar.setValue(0)
        self._say(message)
        try:
            start()
        except (OSError, RuntimeError) as error:
            self._warn(str(error))

    def _onProgress(self, fraction: float, message: str) -> None:
        self.ui.sendProgressBar.setValue(round(100 * fraction))
        self._say(message)

    def _onSent(self, volume: slicer.vtkMRMLScalarVolumeNode, sent: Sent) -> None:
        message = _('The report on "{0}" is stored by {1}: {2} DICOM objects.')
        message = message.format(volume.GetName(), sent.address, sent.count + sent.stored_before)
        if sent.warning:
            self._warn(f"{message} {sent.warning}")
        else:
            self._say(message)

    def _say(self, message: str) -> None:
        self.ui.sendStatusLabel.setText(message)

    def _warn(self, message: str) -> None:
        self._say(f"⚠ {message}")

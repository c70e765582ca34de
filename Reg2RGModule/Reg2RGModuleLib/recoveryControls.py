"""The button that restores a review after a crash."""

from __future__ import annotations

from typing import Any

from Reg2RGModuleLib import findingsDisplay, regionsDisplay, reportNode, runResults, structuresDisplay, transforms
from Reg2RGModuleLib.inputs import Inputs
from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.recovery import Recovery
from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.review import Review


class RecoveryControls:
    """Offers to restore a review of the selected volume that was left by a crash."""

    def __init__(
        self,
        ui: Any,
        logic: ReportLogic,
        inputs: Inputs,
        session: ReportSession,
        recovery: Recovery,
        messages: Messages,
    ) -> None:
        self._ui = ui
        self._logic = logic
        self._inputs = inputs
        self._session = session
        self._recovery = recovery
        self._messages = messages
        self._key: str | None = None
        ui.recoverButton.connect("clicked()", self.recover)

    def look(self) -> None:
        """Look for a recoverable review of the selected volume, unless the volume has a report."""
        self._key = self._recovery.find(self._inputs.volume) if self._session.node is None else None

    def recover(self) -> None:
        """Restore the review and open it."""
        key, volume = self._key, self._inputs.volume
        if key is None or volume is None or self._logic.run.active:
            return
        try:
            stored = self._recovery.read(key)
            review = Review.fromJson(stored.review)
            frame = transforms.frameOf(volume)
            node = reportNode.createReport(volume, regionsDisplay.loadRegions(stored.regions, volume, frame), review)
            if stored.findings is not None:
                reportNode.setFindings(node, findingsDisplay.loadFindings(stored.findings, volume, frame))
            if stored.structures is not None:
                reportNode.setStructures(node, structuresDisplay.loadStructures(stored.structures, volume, frame))
            if stored.registration is not None:
                runResults.loadRegistration(node, stored.registration, volume, frame)
        except (OSError, ValueError, RuntimeError) as error:
            self._messages.warn(str(error))
            return
        self._recovery.discard(key)
        self._session.open(node)

    def refresh(self) -> None:
        """Show the button if there is something to restore."""
        self._ui.recoverButton.setVisible(self._key is not None and not self._logic.run.active)

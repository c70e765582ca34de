"""The module's panel, assembled from its parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.exportControls import ExportControls
from Reg2RGModuleLib.inputs import Inputs
from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.navigation import Navigation
from Reg2RGModuleLib.panelScroll import PanelScroll
from Reg2RGModuleLib.parameters import Reg2RGParameters
from Reg2RGModuleLib.recovery import Recovery
from Reg2RGModuleLib.recoveryControls import RecoveryControls
from Reg2RGModuleLib.reportHeader import ReportHeader
from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.reviewControls import ReviewControls
from Reg2RGModuleLib.runControls import RunControls
from Reg2RGModuleLib.sectionList import SectionList
from Reg2RGModuleLib.sendControls import SendControls
from Reg2RGModuleLib.signControls import SignControls

MARGIN = 4
"""Left and right margin of the panel in the .ui file, in pixels."""


class Panel:
    """The module's panel. The module widget calls it when the scene changes.

    Attributes:
        ui: the widgets of ``Reg2RGModule.ui`` by name.
        inputs: volume, regions, model and device.
        messages: the message below the progress bar.
        scroll: the rows that stay in view, and scrolling to cards.
        sections: the cards of the sections.
        recovery: the files that restore a review after a crash.
        session: the open report.
        navigation: the selection of sections and findings.
        review: the review of the selected section.
        run: generation, regeneration and correction.
        sign: the signature.
        exports: the Export menu, and saved reports.
        send: the Send button and its dialog.
    """

    def __init__(self, root: qt.QWidget, ui: Any, logic: ReportLogic) -> None:
        self.ui = ui
        self.messages = Messages(ui)
        self.inputs = Inputs(ui, self.messages)
        self.scroll = PanelScroll(root, ui.bannerLabel, ui.sectionsBox, ui.actionsRow)
        self.sections = SectionList(ui.sectionsBox, self.scroll, logic.histogram)
        self.recovery = Recovery()
        self.session = ReportSession(logic, self.recovery, self.messages)
        self.navigation = Navigation(logic, self.session, self.sections)
        self.review = ReviewControls(ui, self.session, self.navigation, self.sections, self.messages)
        self.run = RunControls(ui, logic, self.inputs, self.session, self.navigation, self.sections, self.messages)
        self.sign = SignControls(ui, logic, self.session, self.review, self.messages)
        self.exports = ExportControls(ui, logic, self.inputs, self.session, self.review, self.messages)
        self.send = SendControls(ui, logic, self.session, self.review)
        self._recoveryControls = RecoveryControls(ui, logic, self.inputs, self.session, self.recovery, self.messages)
        self._logic = logic
        self._header = ReportHeader(ui)
        _fixWidth(root, ui)
        self._connect()
        self._shortcuts = _addShortcuts(root, self._actions())
        self._refresh()

    def setParameters(self, parameters: Reg2RGParameters | None) -> None:
        """Use the parameters of another scene, or None while there is no scene."""
        self.inputs.setParameters(parameters)
        self._showReportOfVolume()

    def setListening(self, listening: bool) -> None:
        """Set whether clicks in the views select sections. They should only while this module is open."""
        self._logic.views.clicks.listening = listening
        self.scroll.setShown(listening)
        if listening and self.session.review is not None:
            self.sections.takeIdleFocus()

    def sceneClosing(self) -> None:
        """Abandon the run and close the report, because the scene is closing."""
        self._logic.close()
        self.session.close()
        self.messages.forget()
        self.send.sceneClosing()
        self.recovery.forget()

    def cleanup(self) -> None:
        """Release all resources, because the panel is about to be destroyed."""
        self.sceneClosing()
        self._logic.engine.end()
        self.scroll.detach()
        self.send.cleanup()
        for shortcut in self._shortcuts:
            shortcut.deleteLater()
        self._shortcuts = []

    def _connect(self) -> None:
        self.ui.findingsCheckBox.connect("toggled(bool)", self._logic.views.setFindingsVisible)
        self.ui.priorCheckBox.connect("toggled(bool)", self._logic.views.showPrior)
        self._logic.views.prior.hidden.connect(self._refresh)
        self.inputs.volumeChosen.connect(self._onVolumeChosen)
        self.session.opened.connect(self._onOpened)
        self.session.closed.connect(self._onClosed)
        self.session.changed.connect(self._onChanged)
        self.navigation.selected.connect(self._refresh)
        self.run.starting.connect(self.review.storeInput)
        self.run.changed.connect(self._refresh)
        exports, sending = self._logic.exports, self._logic.sending
        for signal in (
            *(exports.started, exports.succeeded, exports.failed),
            *(sending.started, sending.sent, sending.answered, sending.failed),
        ):
            signal.connect(lambda *values: self._refresh())

    def _actions(self) -> Mapping[str, Callable[[], None]]:
        """Return the keyboard shortcuts of the panel and their actions."""
        return {
            "J": self.navigation.next,
            "K": self.navigation.previous,
            "F": self.navigation.nextFinding,
            "A": self.review.accept,
            "E": self.review.edit,
            "R": self.review.reject,
            "G": self.run.regenerate,
            "Ctrl+Z": self.review.undo,
            "Ctrl+Return": self.review.finishEditing,
            "Escape": self.review.leaveEditing,
        }

    def _showReportOfVolume(self) -> None:
        """Open the report for the selected volume, unless it is already open or still being generated."""
        volume, run = self.inputs.volume, self._logic.run
        self.messages.setVolume(volume)
        self._logic.views.setVolume(volume)
        if run.active and volume is run.volume:
            return
        node = reportNode.reportOf(volume)
        if node is None or node is not self.session.node:
            self.session.open(node)
            self.ui.inputsButton.collapsed = node is not None
            self._recoveryControls.look()
            self._refresh()

    def _onVolumeChosen(self) -> None:
        if self.inputs.parameters is not None:
            if self.inputs.volume is not None:
                self._logic.views.showVolume(self.inputs.volume)  # not those of another patient
            self._showReportOfVolume()
        self._refresh()

    def _onOpened(self, review: Review) -> None:
        self.ui.inputsButton.collapsed = True
        self.sections.showReview(review)
        self._recoveryControls.look()
        self.navigation.restore()
        self._refresh()
        self.sections.takeIdleFocus()

    def _onClosed(self) -> None:
        self.sections.clear()
        self._refresh()

    def _onChanged(self, review: Review, region: str) -> None:
        if region:
            self.sections.showSection(review, region)
        self._refresh()

    def _refresh(self) -> None:
        """Update all widgets."""
        hasSections = bool(self.sections.regions)
        self.ui.sectionsBox.setVisible(hasSections)
        self._header.show(self.session.review, hasSections)
        self.ui.priorCheckBox.setVisible(self._logic.views.canShowPrior)
        self.ui.priorCheckBox.checked = self._logic.views.prior.shown
        self.run.refresh()
        self.review.refresh()
        self.sign.refresh()
        self.exports.refresh()
        self.send.refresh()
        self._recoveryControls.refresh()
        self.scroll.refresh()


def _fixWidth(root: qt.QWidget, ui: Any) -> None:
    """Give the panel the width of its widest row, so that the views do not move when rows and cards appear.

    The labels of the inputs, which are in two layouts, get one width.
    """
    labels = (ui.labelCTvolume, ui.labelRegions, ui.labelModel, ui.labelDevice, ui.labelEnginePython)
    width = max(label.sizeHint.width() for label in labels)
    for label in labels:
        label.setMinimumWidth(width)
    ui.reviewedLabel.setText(_("{0} of {1} reviewed, {2} rejected").format(10, 10, 10))  # its longest text
    rows = (ui.inputsForm, ui.reportHeader, ui.findingsRow, ui.actionsRow, ui.signRow)
    root.setMinimumWidth(max(row.sizeHint.width() for row in rows) + 2 * MARGIN)


def _addShortcuts(root: qt.QWidget, actions: Mapping[str, Callable[[], None]]) -> list[qt.QShortcut]:
    """Add keyboard shortcuts that work while the focus is in ``root``."""
    shortcuts = []
    for keys, action in actions.items():
        shortcut = qt.QShortcut(root)
        shortcut.setKey(qt.QKeySequence(keys))
        shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
        shortcut.connect("activated()", action)
        shortcuts.append(shortcut)
    return shortcuts

"""Controls of a run: generate, regenerate, correct and cancel; its progress, messages and partial sections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.findingsBar import FindingsBar
from Reg2RGModuleLib.inputs import Inputs
from Reg2RGModuleLib.messages import Messages
from Reg2RGModuleLib.navigation import Navigation
from Reg2RGModuleLib.parameters import RunParameters
from Reg2RGModuleLib.regionsGeometry import segmentIds
from Reg2RGModuleLib.reportLogic import ReportLogic
from Reg2RGModuleLib.reportSession import ReportSession
from Reg2RGModuleLib.sectionList import SectionList
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.measurements import Evidence
    from reg2rg.report import Section
    from reg2rg.report.review_changes import Statistics


class RunControls:
    """The Generate button, the progress bar, and everything else that starts or follows a run.

    Signals:
        starting(): a run that uses the open report is about to start; listeners store what the user has typed.
        changed(): a run has started or ended, or its regions are available.
    """

    def __init__(
        self,
        ui: Any,
        logic: ReportLogic,
        inputs: Inputs,
        session: ReportSession,
        navigation: Navigation,
        sections: SectionList,
        messages: Messages,
    ) -> None:
        self.starting = Signal()
        self.changed = Signal()
        self._ui = ui
        self._logic = logic
        self._inputs = inputs
        self._session = session
        self._navigation = navigation
        self._sections = sections
        self._messages = messages
        self._findingsBar = FindingsBar(ui)
        self._findingsBar.added.connect(lambda label: self.correct(navigation.region, label, True))
        self._volume: slicer.vtkMRMLScalarVolumeNode | None = None
        self._notices: list[str] = []
        ui.generateButton.connect("clicked()", self.generate)
        ui.regenerateButton.connect("clicked()", self.regenerate)
        sections.corrected.connect(self.correct)
        self._connectRun()

    def generate(self) -> None:
        """Start generating a report for the selected volume, or cancel the current run."""
        if self._logic.run.active:
            self._ui.generateButton.enabled = False
            self._messages.show(_("Canceling…"), about=self._volume)
            self._logic.cancel()
            return
        volume, parameters = self._inputs.volume, self._inputs.parameters
        if volume is None or parameters is None:
            self._messages.warn(_("Select a CT volume first."))
            return
        if not self._mayReplaceReview():
            return
        runParameters = RunParameters.fromNode(parameters)
        if self._start(lambda: self._logic.generateReport(volume, runParameters)):
            self._session.close()

    def regenerate(self) -> None:
        """Regenerate the selected section from its current segment, keeping its corrections."""
        region, review = self._navigation.region, self._session.review
        if region is not None and review is not None:
            self._regenerate(region, review.corrections(region))
            self._sections.takeFocus()

    def correct(self, region: str | None, label: str, present: bool) -> None:
        """Correct a finding and regenerate its section.

        Args:
            region: region of the section.
            label: label of the finding.
            present: whether the finding is present.
        """
        review = self._session.review
        if review is not None and region is not None and not self._session.locked:
            self._navigation.select(region)
            self._regenerate(region, {**review.corrections(region), label: present})

    def refresh(self) -> None:
        """Update the widgets."""
        ui, isActive, volume = self._ui, self._logic.run.active, self._inputs.volume
        ui.generateButton.setText(_("Cancel") if isActive else _("Generate report"))
        ui.generateButton.enabled = isActive or volume is not None
        ui.generateButton.setToolTip("" if isActive or volume is not None else _("Select a CT volume first."))
        ui.progressBar.setVisible(isActive)
        ui.stageLabel.setVisible(isActive)
        if not isActive:
            ui.progressBar.setValue(0)
            ui.stageLabel.setText("")
        ui.inputsForm.enabled = not isActive
        ui.sampleButton.setVisible(volume is None and not isActive)
        region, review = self._navigation.region, self._session.review
        changeable = review is not None and not isActive and not self._session.locked
        ui.regenerateButton.enabled = region is not None and changeable
        self._findingsBar.show(review, region, region is not None and changeable)
        self._sections.setCorrectable(changeable)

    def _regenerate(self, region: str, corrections: Mapping[str, bool]) -> None:
        node, parameters = self._session.node, self._inputs.parameters
        if self._logic.run.active or self._session.locked or node is None or parameters is None:
            return
        self.starting.emit()
        runParameters = RunParameters.fromNode(parameters)
        self._start(lambda: self._logic.regenerateSection(node, region, corrections, runParameters))

    def _start(self, start: Callable[[], None]) -> bool:
        """Start a run and return whether it has started."""
        try:
            start()
        except RuntimeError as error:
            self._messages.warn(str(error))
        self.changed.emit()
        return self._logic.run.active

    def _mayReplaceReview(self) -> bool:
        review = self._session.review
        if review is None or not review.hasDecisions:
            return True
        question = _("You have already started to review this report. Discard your review and generate a new draft?")
        return slicer.util.confirmOkCancelDisplay(question, _("Generate report"))

    def _connectRun(self) -> None:
        run = self._logic.run
        run.started.connect(self._onStarted)
        run.progressed.connect(self._onProgress)
        run.messageReceived.connect(self._onMessage)
        run.regionsFound.connect(self._onRegionsFound)
        run.sectionGrew.connect(self._onSectionGrew)
        run.sectionWritten.connect(self._onSectionWritten)
        run.succeeded.connect(self._onSucceeded)
        run.sectionRegenerated.connect(self._onSectionRegenerated)
        run.measured.connect(self._onMeasured)
        run.stopped.connect(self._onStopped)
        run.failed.connect(self._onFailed)

    def _onStarted(self, volume: slicer.vtkMRMLScalarVolumeNode) -> None:
        self._volume, self._notices = volume, []
        self._messages.clear(about=volume)
        self.changed.emit()

    def _onProgress(self, fraction: float, message: str) -> None:
        self._ui.progressBar.setValue(round(100 * fraction))
        self._ui.stageLabel.setText(message)

    def _onMessage(self, message: str) -> None:
        """Show a message, both during the run and together with its result.

        What is noticed about segments when they are measured again is left out: the user has just corrected them.
        """
        if self._logic.run.measuring:
            return
        self._notices.append(message)
        self._messages.warn(" ".join(self._notices), about=self._volume)

    def _showNotices(self, node: slicer.vtkMRMLTextNode) -> None:
        """Show the messages of the run beside its result, except those that the report's header shows."""
        inHeader = self._logic.reviewOf(node).report.warnings
        notices = [notice for notice in dict.fromkeys(self._notices) if notice not in inHeader]
        self._messages.warn(" ".join(notices), about=self._volume)

    def _showsRun(self) -> bool:
        """Return whether the volume of the run is selected in the panel."""
        return self._inputs.volume is self._logic.run.volume

    def _onRegionsFound(self, segmentation: slicer.vtkMRMLSegmentationNode) -> None:
        if self._showsRun():
            self._logic.views.surfaces.make(segmentation)
            self._sections.showWaiting(segmentIds(segmentation))
            self.changed.emit()

    def _onSectionGrew(self, region: str, text: str) -> None:
        card = self._sections.card(region)
        if card is not None and self._showsRun():
            card.showGrowing(text)

    def _onSectionWritten(self, section: Section) -> None:
        from reg2rg.report import ReviewState

        card = self._sections.card(section.region)
        if card is not None and self._showsRun():
            card.showSection(section, ReviewState.DRAFT, section.draft)

    def _onSucceeded(self, node: slicer.vtkMRMLTextNode) -> None:
        self._showNotices(node)
        self._session.segmentsChanged(node)
        if reportNode.volumeOf(node) is self._inputs.volume:
            self._session.open(node)
        self.changed.emit()

    def _onMeasured(self, node: slicer.vtkMRMLTextNode, evidence: Evidence, statistics: Statistics) -> None:
        self._showNotices(node)
        self._session.segmentsChanged(node)
        self.changed.emit()

    def _onSectionRegenerated(self, node: slicer.vtkMRMLTextNode, section: Section, evidence: Evidence | None) -> None:
        self._showNotices(node)
        self._session.segmentsChanged(node)
        if node is self._session.node and section.region == self._navigation.region:
            self._navigation.select(section.region)  # shows its new findings; a user who went on is not brought back
        self.changed.emit()

    def _onStopped(self) -> None:
        self._restore()
        self._messages.show(_("Canceled. Nothing was changed."), about=self._volume)

    def _onFailed(self, message: str, log: str) -> None:
        self._restore()
        self._messages.warn(message, about=self._volume, log=log)

    def _restore(self) -> None:
        """Show the report that was open before the run."""
        if self._session.review is not None:
            self._sections.showReview(self._session.review)
        else:
            self._session.open(reportNode.reportOf(self._inputs.volume))
        self.changed.emit()

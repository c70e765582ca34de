"""The module's panel: inputs, one button, then the report to review, every section tied to its region in the views."""

import qt
import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import findingsDisplay, installation, regionsDisplay, reportNode, views
from Reg2RGModuleLib.findingsBar import FindingsBar
from Reg2RGModuleLib.impression import Impression
from Reg2RGModuleLib.inputs import Inputs
from Reg2RGModuleLib.recovery import Recovery
from Reg2RGModuleLib.reportHeader import ReportHeader
from Reg2RGModuleLib.reportRun import ReportRun
from Reg2RGModuleLib.reportViews import ReportViews
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.sectionList import SectionList

SHORTCUTS = (
    ("J", "next"),
    ("K", "previous"),
    ("F", "nextFinding"),
    ("A", "accept"),
    ("E", "edit"),
    ("R", "reject"),
    ("G", "regenerate"),
    ("Ctrl+Z", "undo"),
    ("Ctrl+Return", "finishEditing"),
    ("Escape", "leaveEditing"),
)


class Panel:
    """Brings the widgets of Reg2RGModule.ui to life; the module sets ``parameters`` whenever the scene's change."""

    def __init__(self, root, ui, engine):
        self.ui = ui
        self.inputs = Inputs(ui)
        self.run = ReportRun(engine)
        self.sections = SectionList(ui.sectionsArea)
        self.views = ReportViews()
        self.views.clicked.connect(self.select)
        self._header = ReportHeader(ui)
        self._findingsBar = FindingsBar(ui)
        self._impression = Impression(ui.impressionEdit)
        self._report = None
        self._review = None
        self._finding = None
        self._regenerating = None
        self._notice = ""
        self._recovery = Recovery()
        self._recoverable = None
        self._shortcuts = []
        self._connectRun()
        self._connectWidgets()
        self._addShortcuts(root)
        self._say("")
        self._refresh()

    # --- what the module calls -----------------------------------------------------------------------------------

    def setParameters(self, parameters):
        """Follow other parameters, those of another scene; None while there is none."""
        self.inputs.setParameters(parameters)
        self.showVolumesReport()

    def showVolumesReport(self):
        """Show the report of the chosen volume, or that there is none."""
        if self.run.active and self.inputs.volume is self.run.volume:
            return
        node = reportNode.reportOf(self.inputs.volume)
        if node is not None and node is self._report:
            return
        self._open(node)

    def setListening(self, listening):
        """Whether clicks in the views are meant for this panel: only while the user is in its module."""
        self.views.clicks.listening = listening

    def sceneClosing(self):
        """The scene is about to go: so does a run, and with it the report."""
        self.run.abandon()
        self._close()
        self._recovery.forget()

    def cleanup(self):
        """The panel is about to go."""
        self.sceneClosing()
        for shortcut in self._shortcuts:
            shortcut.setParent(None)
        self._shortcuts = []

    # --- the run -------------------------------------------------------------------------------------------------

    def generate(self):
        """Start a report of the chosen volume, or cancel the run that goes on."""
        if self.run.active:
            self.ui.generateButton.enabled = False
            self._say(_("Cancelling…"))
            self.run.cancel()
            return
        volume = self.inputs.volume
        if volume is None:
            self._say(_("Choose a CT volume first."), warning=True)
            return
        if self._review is not None and not self._mayReplace():
            return
        if not self._installed():
            return
        self._close()
        views.showVolume(volume)
        parameters = self.inputs.parameters
        if parameters.regions is not None:
            parameters.regions.SetDisplayVisibility(False)  # the report's own regions are shown in their place
        self._begin(lambda: self.run.start(volume, parameters))

    def regenerate(self):
        """Write the selected section again, from its segment as it is now."""
        region = self.sections.current
        if self._review is not None and region is not None:
            self._rewrite(region, self._review.said(region))

    def correct(self, region, label, there):
        """Say that a finding is there, or not, and have its section written again with that."""
        if self._review is not None and not self._busy():
            self.select(region)
            self._rewrite(region, {**self._review.said(region), label: there})

    def _rewrite(self, region, said):
        if self.run.active or not self._installed():
            return
        self.finishEditing()
        self._impression.store()
        report = self._report
        self._regenerating = region
        self._begin(lambda: self.run.startRegion(report, region, said, self.inputs.parameters))

    def _begin(self, start):
        self._notice = ""
        self._say("")
        self._showLog("")
        try:
            start()
        except RuntimeError as error:
            self._regenerating = None
            self._say(str(error), warning=True)
        self._refresh()

    def _installed(self):
        try:
            installation.ensureInstalled()
        except installation.InstallationError as error:
            self._say(str(error), warning=True)
            return False
        return True

    def _mayReplace(self):
        if not self._review.hasDecisions:
            return True
        return slicer.util.confirmOkCancelDisplay(
            _("This volume has a report that you have begun to review. Replace it by a new draft?"),
            _("Generate report"),
        )

    def _connectRun(self):
        run = self.run
        run.progressed.connect(self._onProgress)
        run.noticed.connect(self._onNotice)
        run.regionsFound.connect(self._onRegions)
        run.sectionGrew.connect(self._onGrowing)
        run.sectionWritten.connect(self._onSection)
        run.succeeded.connect(self._onSuccess)
        run.regionSucceeded.connect(self._onRegionSuccess)
        run.stopped.connect(lambda: self._onEnd(_("Cancelled; nothing was changed.")))
        run.failed.connect(self._onFailure)

    def _onProgress(self, fraction, words):
        self.ui.progressBar.setValue(round(100 * fraction))
        self.ui.stageLabel.setText(words)

    def _onNotice(self, message):
        """Told while the run goes on, and with its result."""
        self._notice = message
        self._say(message, warning=True)

    def _onRegions(self, segmentation):
        if self.inputs.volume is not self.run.volume:
            return
        self.views.surfaces.make(segmentation)
        self.sections.show(_regionIds(segmentation))
        for region in self.sections.regions:
            self.sections.card(region).showWaiting()
        self._refresh()

    def _onGrowing(self, region, text):
        card = self.sections.card(region)
        if card is not None and self.inputs.volume is self.run.volume:
            card.showGrowing(text)

    def _onSection(self, section):
        card = self.sections.card(section["region"])
        if card is not None and self.inputs.volume is self.run.volume:
            card.showSection(section, "draft", section["text"])

    def _onSuccess(self, node):
        self._say(self._notice, warning=bool(self._notice))
        self._recovery.outdate(node)
        if reportNode.volumeOf(node) is self.inputs.volume:
            self.ui.inputsButton.collapsed = True
            self._open(node)
        self._refresh()

    def _onRegionSuccess(self, node, section):
        self._regenerating = None
        self._say(self._notice, warning=bool(self._notice))
        if node is self._report:
            self._recovery.outdate(node)
            self.views.forget()
            self._review.replace(section)
            self.select(section["region"])
        else:  # another volume has been chosen meanwhile
            review = reportNode.read(node)
            review.replace(section)
            reportNode.write(node, review)
        self._refresh()

    def _onFailure(self, message, log):
        self._onEnd(message, warning=True)
        self._showLog(log)

    def _onEnd(self, message, warning=False):
        self._regenerating = None
        node = self._report if self._review is not None else reportNode.reportOf(self.inputs.volume)
        self._report = None
        self._open(node)
        self._say(message, warning)

    # --- the report that is shown --------------------------------------------------------------------------------

    def _open(self, node):
        """Show a report node; None shows that there is none."""
        self._close(keep=reportNode.segmentationOf(node) if node is not None else None)
        if node is not None:
            try:
                self._adopt(node)
            except ValueError as error:
                self._say(str(error), warning=True)
        self._recoverable = self._recovery.find(self.inputs.volume) if node is None else None
        self._refresh()

    def _adopt(self, node):
        self._review = reportNode.read(node)
        self._report = node
        self._review.changed.connect(self._onReviewChanged)
        self.views.show(node, self._review)
        self.sections.show(self._review.regions)
        for region in self._review.regions:
            self._showSection(region)
        self._impression.show(self._review)
        self._keep()

    def _close(self, keep=None):
        """Show no report; what is being made of the segmentation to be kept goes on."""
        self.finishEditing()
        self._impression.close()
        self.views.close(keep)
        self._report = self._review = None
        self.sections.clear()

    def _onReviewChanged(self, region):
        """Every change goes into the scene at once, and into a file that survives a crash."""
        if self._report is not None:
            reportNode.write(self._report, self._review)
            self._keep()
        if region:
            self._showSection(region)
            self._impression.show(self._review)
            self.views.followFindings(self._review)
        self._refresh()

    def _keep(self):
        """Keep the review against a crash; that this fails must not hold up the review itself."""
        try:
            self._recovery.keep(self._report, self._review)
        except (OSError, RuntimeError) as error:
            self._say(_("The review is in the scene, but not kept against a crash: {0}").format(error), warning=True)

    def _showSection(self, region):
        review, card = self._review, self.sections.card(region)
        card.showSection(review.section(region), review.state(region), review.text(region))

    # --- review --------------------------------------------------------------------------------------------------

    def select(self, region):
        """Select a section: its segment lights up and the views go there."""
        if self._review is None or region not in self.sections.regions:
            return
        if region != self.sections.current:
            self.finishEditing()
        self._setCurrent(region, None)
        self.views.select(region)
        self._refresh()

    def selectFinding(self, region, index):
        """Select a finding that has a place: the views go there and it lights up."""
        if self._review is None or region not in self.sections.regions:
            return
        if region != self.sections.current:
            self.finishEditing()
        self._setCurrent(region, index)
        self.views.selectFinding(region, self._review.section(region)["findings"][index])
        self._refresh()

    def nextFinding(self):
        """The next finding of the selected section that has a place, after the last the first."""
        region = self.sections.current
        places = self._review.located(region) if self._review is not None and region is not None else []
        if places:
            following = [index for index in places if self._finding is not None and index > self._finding]
            self.selectFinding(region, (following or places)[0])

    def _setCurrent(self, region, finding):
        """Mark a section, and a finding of it, by index."""
        if self.sections.current is not None:
            self.sections.card(self.sections.current).setCurrentFinding(None)
        self._finding = finding
        self.sections.setCurrent(region)
        self.sections.card(region).setCurrentFinding(finding)

    def next(self):
        self.select(self.sections.neighbour(1))

    def previous(self):
        self.select(self.sections.neighbour(-1))

    def accept(self):
        self._decide(lambda region: self._review.accept(region))

    def reject(self):
        self._decide(lambda region: self._review.reject(region))

    def undo(self):
        if self._review is not None and not self._busy():
            region = self._review.undo()
            if region is not None:
                self.select(region)

    def edit(self):
        region = self.sections.current
        if self._review is None or region is None or self._busy():
            return
        card = self.sections.card(region)
        if card.editing:
            self.finishEditing()
            return
        card.beginEditing(self._review.text(region))
        self.sections.reveal()
        self._refresh()

    def finishEditing(self):
        """Close the editor, if one is open, and keep its words."""
        region = self.sections.current
        card = self.sections.card(region)
        if card is not None and card.editing:
            text = card.endEditing()
            if self._review is not None:
                self._review.edit(region, text)
            self._refresh()

    def leaveEditing(self):
        """Close the editor without keeping its words."""
        card = self.sections.card(self.sections.current)
        if card is not None and card.editing:
            card.endEditing()
            self._refresh()

    def copyReport(self):
        """The whole report as text onto the clipboard."""
        if self._review is not None:
            self.finishEditing()
            self._impression.store()
            qt.QApplication.clipboard().setText(self._review.asText())
            self._say(_("The report was copied as text."))

    def _decide(self, decide):
        region = self.sections.current
        if self._review is None or region is None or self._busy():
            return
        self.finishEditing()
        decide(region)

    def _busy(self):
        """Whether the report must not change now, because a section of it is being written."""
        return self._regenerating is not None

    # --- widgets -------------------------------------------------------------------------------------------------

    def _connectWidgets(self):
        ui = self.ui
        ui.generateButton.connect("clicked()", self.generate)
        ui.acceptButton.connect("clicked()", self.accept)
        ui.editButton.connect("clicked()", self.edit)
        ui.rejectButton.connect("clicked()", self.reject)
        ui.regenerateButton.connect("clicked()", self.regenerate)
        ui.undoButton.connect("clicked()", self.undo)
        ui.copyButton.connect("clicked()", self.copyReport)
        ui.recoverButton.connect("clicked()", self.recover)
        ui.findingsCheckBox.connect("toggled(bool)", self.views.setFindingsVisible)
        self._findingsBar.added.connect(lambda label: self.correct(self.sections.current, label, True))
        self.inputs.volumeChosen.connect(self._onVolumeChosen)
        self.sections.selected.connect(self.select)
        self.sections.findingChosen.connect(self.selectFinding)
        self.sections.corrected.connect(self.correct)

    def _addShortcuts(self, root):
        for keys, name in SHORTCUTS:
            shortcut = qt.QShortcut(root)
            shortcut.setKey(qt.QKeySequence(keys))
            shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
            shortcut.connect("activated()", getattr(self, name))
            self._shortcuts.append(shortcut)

    def recover(self):
        """Bring the review back that a crashed Slicer left of the chosen volume."""
        key, volume = self._recoverable, self.inputs.volume
        if key is None or volume is None or self.run.active:
            return
        text, regions, findings = self._recovery.read(key)
        try:
            review = Review.fromJson(text)
            node = reportNode.createReport(volume, regionsDisplay.loadRegions(regions, volume), review)
            if findings is not None:
                reportNode.setFindings(node, findingsDisplay.load(findings, volume))
        except (ValueError, RuntimeError) as error:
            self._say(str(error), warning=True)
            return
        self._recovery.discard(key)
        self._open(node)

    def _onVolumeChosen(self):
        if self.inputs.parameters is not None:
            self.showVolumesReport()
        self._refresh()

    def _say(self, message, warning=False):
        self.ui.messageLabel.setText(("⚠ " if warning else "") + message)
        self.ui.messageLabel.setVisible(bool(message))

    def _showLog(self, log):
        self.ui.logEdit.setPlainText(log)
        self.ui.logEdit.setVisible(bool(log))

    def _refresh(self):
        """Everything that follows from the state of things."""
        ui, active, review = self.ui, self.run.active, self._review
        ui.generateButton.setText(_("Cancel") if active else _("Generate report"))
        ui.generateButton.enabled = active or self.inputs.volume is not None
        ui.generateButton.setToolTip("" if active or self.inputs.volume else _("Choose a CT volume first."))
        ui.progressBar.setVisible(active)
        ui.stageLabel.setVisible(active)
        if not active:
            ui.progressBar.setValue(0)
            ui.stageLabel.setText("")
        ui.inputsForm.enabled = not active
        ui.sampleButton.setVisible(self.inputs.volume is None and not active)
        ui.recoverButton.setVisible(self._recoverable is not None and not active)
        ui.sectionsArea.setVisible(bool(self.sections.regions))
        self._header.show(review, bool(self.sections.regions))
        for widget in (ui.actionsRow, ui.impressionButton, ui.copyButton):
            widget.setVisible(review is not None)
        region = self.sections.current
        decidable = review is not None and region is not None and not self._busy()
        card = self.sections.card(region)
        editing = card is not None and card.editing
        for button in (ui.acceptButton, ui.editButton, ui.rejectButton):
            button.enabled = decidable
        ui.editButton.setText(_("Done") if editing else _("Edit"))
        ui.regenerateButton.enabled = decidable and not active
        ui.undoButton.enabled = review is not None and review.canUndo and not self._busy()
        self._findingsBar.show(review, region, decidable and not active)
        self.sections.setCorrectable(review is not None and not active)


def _regionIds(segmentation):
    from Reg2RGModuleLib.regionsGeometry import segmentIds

    return segmentIds(segmentation)

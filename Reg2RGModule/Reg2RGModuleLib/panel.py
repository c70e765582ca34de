"""The module's panel: inputs, one button, then the report to review, every section tied to its region in the views."""

import qt
import slicer
from slicer.i18n import tr as _

from Reg2RGModuleLib import installation, locations, regionsDisplay, reportNode, views
from Reg2RGModuleLib.recovery import Recovery
from Reg2RGModuleLib.regionSelection import RegionSelection
from Reg2RGModuleLib.reportRun import ReportRun
from Reg2RGModuleLib.review import REJECTED, Review
from Reg2RGModuleLib.sectionList import SectionList
from Reg2RGModuleLib.surfaces import SurfaceQueue

BANNER_STYLE = "background: #7a4a00; color: white; font-weight: bold; padding: 5px;"
CALM_BANNER_STYLE = "background: #2f4f3a; color: white; padding: 5px;"
DEVICES = ("auto", "cpu", "cuda", "mps")
SHORTCUTS = (
    ("J", "next"),
    ("K", "previous"),
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
        self.parameters = None
        self.run = ReportRun(engine)
        self.sections = SectionList(ui.sectionsArea)
        self.surfaces = SurfaceQueue()
        self.surfaces.finished.connect(self._onSurfaces)
        self._clicks = views.ClickListener()
        self._clicks.clicked.connect(self.select)
        self._report = None
        self._review = None
        self._selection = None
        self._regenerating = None
        self._notice = ""
        self._recovery = Recovery()
        self._recoverable = None
        self._lastVolume = None
        self._shortcuts = []
        self._autosave = qt.QTimer()
        self._autosave.setSingleShot(True)
        self._autosave.setInterval(400)
        self._autosave.connect("timeout()", self._storeImpression)
        self._connectRun()
        self._connectWidgets()
        self._addShortcuts(root)
        self._fillChoices()
        self._refresh()

    # --- what the module calls -----------------------------------------------------------------------------------

    def setParameters(self, parameters):
        """Follow other parameters, those of another scene; None while there is none."""
        self.parameters = parameters
        if parameters is not None:
            _choose(self.ui.modelComboBox, parameters.model)
            _choose(self.ui.deviceComboBox, parameters.device)
        self._lastVolume = self._volume()
        self.showVolumesReport()

    def showVolumesReport(self):
        """Show the report of the chosen volume, or that there is none."""
        if self.run.active and self._volume() is self.run.volume:
            return
        node = reportNode.reportOf(self._volume())
        if node is not None and node is self._report:
            return
        self._open(node)

    def setListening(self, listening):
        """Whether clicks in the views are meant for this panel: only while the user is in its module."""
        self._clicks.listening = listening

    def sceneClosing(self):
        """The scene is about to go: so does a run, and with it the report."""
        self._autosave.stop()
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
        volume = self._volume()
        if volume is None:
            self._say(_("Choose a CT volume first."), warning=True)
            return
        if self._review is not None and not self._mayReplace():
            return
        if not self._installed():
            return
        self._close()
        views.showVolume(volume)
        if self.parameters.regions is not None:
            self.parameters.regions.SetDisplayVisibility(False)  # the report's own regions are shown in their place
        self._begin(lambda: self.run.start(volume, self.parameters))

    def regenerate(self):
        """Write the selected section again, from its segment as it is now."""
        region = self.sections.current
        if self._review is None or region is None or self.run.active or not self._installed():
            return
        self.finishEditing()
        self._storeImpression()
        report = self._report
        self._regenerating = region
        self._begin(lambda: self.run.startRegion(report, region, self.parameters))

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
        if self._volume() is not self.run.volume:
            return
        self.surfaces.make(segmentation)
        self.sections.show(_regionIds(segmentation))
        for region in self.sections.regions:
            self.sections.card(region).showWaiting()
        self._refresh()

    def _onSurfaces(self):
        """Frame them, and turn back to the selected region if one was selected meanwhile."""
        views.lookAtAll()
        if self._selection is not None and self.sections.current is not None:
            self._selection.select(self.sections.current)

    def _onGrowing(self, region, text):
        card = self.sections.card(region)
        if card is not None and self._volume() is self.run.volume:
            card.showGrowing(text)

    def _onSection(self, section):
        card = self.sections.card(section["region"])
        if card is not None and self._volume() is self.run.volume:
            card.showSection(section, "draft", section["text"])

    def _onSuccess(self, node):
        self._say(self._notice, warning=bool(self._notice))
        self._recovery.outdate(node)
        if reportNode.volumeOf(node) is self._volume():
            self.ui.inputsButton.collapsed = True
            self._open(node)
        self._refresh()

    def _onRegionSuccess(self, node, section):
        self._regenerating = None
        self._say(self._notice, warning=bool(self._notice))
        if node is self._report:
            self._selection.forget()
            self._recovery.outdate(node)
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
        node = self._report if self._review is not None else reportNode.reportOf(self._volume())
        self._report = None
        self._open(node)
        self._say(message, warning)

    # --- the report that is shown --------------------------------------------------------------------------------

    def _open(self, node):
        """Show a report node; None shows that there is none."""
        segmentation = reportNode.segmentationOf(node) if node is not None else None
        self._close(keep=segmentation)
        regionsDisplay.showOnly(segmentation, [reportNode.segmentationOf(each) for each in reportNode.reportNodes()])
        if node is not None:
            try:
                self._adopt(node)
            except ValueError as error:
                self._say(str(error), warning=True)
        self._recoverable = self._recovery.find(self._volume()) if node is None else None
        self._refresh()

    def _adopt(self, node):
        self._review = reportNode.read(node)
        self._report = node
        self._review.changed.connect(self._onReviewChanged)
        segmentation = reportNode.segmentationOf(node)
        volume = reportNode.volumeOf(node)
        if segmentation is not None:
            regionsDisplay.prepare(segmentation)
            self.surfaces.make(segmentation)
        self._selection = RegionSelection(volume, segmentation)
        self._selection.findPoints(self._review.regions)
        self._clicks.listen(segmentation)
        if volume is not None:
            views.showVolume(volume)
        self.sections.show(self._review.regions)
        for region in self._review.regions:
            self._showSection(region)
        self._showImpression()
        self._keep()

    def _close(self, keep=None):
        """Show no report; the surfaces of the segmentation to be kept go on being made."""
        self.finishEditing()
        self._storeImpression()
        self._clicks.stop()
        if keep is None or self.surfaces.segmentation is not keep:
            self.surfaces.stop()
        self._report = self._review = self._selection = None
        self.sections.clear()

    def _onReviewChanged(self, region):
        """Every change goes into the scene at once, and into a file that survives a crash."""
        if self._report is not None:
            reportNode.write(self._report, self._review)
            self._keep()
        if region:
            self._showSection(region)
            self._showImpression()
        self._refresh()

    def _keep(self):
        """Keep the review against a crash; that this fails must not hold up the review itself."""
        try:
            self._recovery.keep(self._report, self._review)
        except (OSError, RuntimeError) as error:
            self._say(_("The review is in the scene, but not kept against a crash: {0}").format(error), warning=True)

    def _showSection(self, region):
        review = self._review
        self.sections.card(region).showSection(review.section(region), review.state(region), review.text(region))

    def _showImpression(self):
        edit = self.ui.impressionEdit
        if edit.toPlainText() != self._review.impression:
            blocked = edit.blockSignals(True)
            edit.setPlainText(self._review.impression)
            edit.blockSignals(blocked)

    def _storeImpression(self):
        self._autosave.stop()
        if self._review is not None:
            self._review.setImpression(self.ui.impressionEdit.toPlainText())

    # --- review --------------------------------------------------------------------------------------------------

    def select(self, region):
        """Select a section: its segment lights up and the views go there."""
        if self._review is None or region not in self.sections.regions:
            return
        if region != self.sections.current:
            self.finishEditing()
        self.sections.setCurrent(region)
        self._selection.select(region)
        self._refresh()

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
            self._storeImpression()
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
        ui.sampleButton.connect("clicked()", self.loadSample)
        ui.recoverButton.connect("clicked()", self.recover)
        ui.impressionEdit.connect("textChanged()", self._autosave.start)
        ui.inputVolumeSelector.connect("currentNodeChanged(vtkMRMLNode*)", self._onVolumeChosen)
        ui.modelComboBox.connect("currentIndexChanged(int)", self._onModelChosen)
        ui.deviceComboBox.connect("currentIndexChanged(int)", self._onDeviceChosen)
        ui.pythonPathEdit.connect("currentPathChanged(QString)", self._onPythonChosen)
        self.sections.selected.connect(self.select)

    def _addShortcuts(self, root):
        for keys, name in SHORTCUTS:
            shortcut = qt.QShortcut(root)
            shortcut.setKey(qt.QKeySequence(keys))
            shortcut.setContext(qt.Qt.WidgetWithChildrenShortcut)
            shortcut.connect("activated()", getattr(self, name))
            self._shortcuts.append(shortcut)

    def _fillChoices(self):
        from reg2rg.models import list_models

        for folder in list_models():
            self.ui.modelComboBox.addItem(folder.name, folder.name)
        for device in DEVICES:
            self.ui.deviceComboBox.addItem(_("automatic") if device == "auto" else device, device)
        self.ui.pythonPathEdit.setCurrentPath(locations.ownPython())

    def recover(self):
        """Bring the review back that a crashed Slicer left of the chosen volume."""
        key, volume = self._recoverable, self._volume()
        if key is None or volume is None or self.run.active:
            return
        text, regions = self._recovery.read(key)
        try:
            review = Review.fromJson(text)
            node = reportNode.createReport(volume, regionsDisplay.loadRegions(regions, volume), review)
        except (ValueError, RuntimeError) as error:
            self._say(str(error), warning=True)
            return
        self._recovery.discard(key)
        self._open(node)

    def loadSample(self):
        """Load the sample case, a synthetic chest with its regions, and choose it."""
        from reg2rg.resources import sample_case

        ct, regions = (str(file) for file in sample_case())
        volumeName, segmentationName = locations.SAMPLE_NAMES
        volume = slicer.util.loadVolume(ct, {"name": volumeName})
        segmentation = slicer.util.loadSegmentation(regions, {"name": segmentationName})
        segmentation.SetDisplayVisibility(False)
        self.ui.inputVolumeSelector.setCurrentNode(volume)
        self.ui.regionsSelector.setCurrentNode(segmentation)

    def _onVolumeChosen(self, node):
        """The parameter node follows by itself; the report follows here."""
        if self.parameters is not None:
            self.parameters.inputVolume = node
            if self._lastVolume is not None and self._lastVolume is not node:
                self.ui.regionsSelector.setCurrentNode(None)  # those of another volume must not be taken for this one's
            self._lastVolume = node
            self.showVolumesReport()
        self._refresh()

    def _onModelChosen(self, index):
        if self.parameters is not None and index >= 0:
            self.parameters.model = self.ui.modelComboBox.itemData(index)

    def _onDeviceChosen(self, index):
        if self.parameters is not None and index >= 0:
            self.parameters.device = self.ui.deviceComboBox.itemData(index)

    def _onPythonChosen(self, path):
        locations.setOwnPython(path)

    def _volume(self):
        return self.parameters.inputVolume if self.parameters is not None else None

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
        ui.generateButton.enabled = active or self._volume() is not None
        ui.generateButton.setToolTip("" if active or self._volume() else _("Choose a CT volume first."))
        ui.progressBar.setVisible(active)
        ui.stageLabel.setVisible(active)
        if not active:
            ui.progressBar.setValue(0)
            ui.stageLabel.setText("")
        ui.inputsForm.enabled = not active
        ui.sampleButton.setVisible(self._volume() is None and not active)
        ui.recoverButton.setVisible(self._recoverable is not None and not active)
        shown = bool(self.sections.regions)
        for widget in (ui.bannerLabel, ui.sectionsArea, ui.reportHeader):
            widget.setVisible(shown)
        missing = withoutSection(review.report) if review is not None else ""
        ui.missingLabel.setText(missing)
        ui.missingLabel.setVisible(bool(missing))
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
        self._refreshBanner()

    def _refreshBanner(self):
        from reg2rg import DRAFT_LABEL

        review = self._review
        if review is None:
            self.ui.reviewedLabel.setText("")
        else:
            done = sum(review.isReviewed(region) for region in review.regions)
            rejected = sum(review.state(region) == REJECTED for region in review.regions)
            words = _("{0} of {1} reviewed").format(done, len(review.regions))
            self.ui.reviewedLabel.setText(words + (_(", {0} rejected").format(rejected) if rejected else ""))
        reviewed = review is not None and review.allReviewed
        words = _("All sections reviewed. Research software, not for clinical use.") if reviewed else DRAFT_LABEL
        self.ui.bannerLabel.setText(words)
        self.ui.bannerLabel.setStyleSheet(CALM_BANNER_STYLE if reviewed else BANNER_STYLE)


def withoutSection(report):
    """Which regions the report says nothing about, and why, in words; "" if it has them all."""
    from reg2rg.regions import get_region

    named = {}
    for region, reason in report["without_section"].items():
        named.setdefault(reason, []).append(get_region(region).display_name)
    told = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in named.items())
    return _("Not described: {0}.").format(told) if told else ""


def _choose(comboBox, value):
    index = comboBox.findData(value)
    if index < 0 and value:
        comboBox.addItem(value, value)
        index = comboBox.findData(value)
    comboBox.setCurrentIndex(index)


def _regionIds(segmentation):
    from Reg2RGModuleLib.regionsGeometry import segmentIds

    return segmentIds(segmentation)

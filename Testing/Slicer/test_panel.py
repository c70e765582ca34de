"""The panel in a small window and without the mouse: scrolling, focus, width. Runs in Slicer and in the host."""

import random
import unittest

import qt
import slicer
from hands import clickWidget, generate, moduleWidget, press, settle, waitFor
from located import restore
from Reg2RGModuleLib import reportNode

from reg2rg.report import ReviewState

VISIBLE_HEIGHT = 430
"""Pixels that Slicer leaves for the scroll area of the module panel in a window of 1366 x 768, with the Data Probe."""
KEYS = ("J", "K", "A", "E", "R", "F", "Ctrl+Z", "Ctrl+Return", "Escape", "G")
WEIGHTS = (8, 6, 5, 4, 4, 2, 4, 4, 3, 1)


class PanelTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        cls.panel = moduleWidget().panel
        cls.panel.inputs.loadSample()
        generate(cls.panel)
        cls.node = reportNode.reportNodes()[0]
        cls.fresh = cls.node.GetText()

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    def setUp(self):
        self.panel = moduleWidget().panel
        self.logic = moduleWidget().logic
        self.ui = self.panel.ui
        self.root = moduleWidget().parent
        restore(self.node, self.fresh)
        self.area = self.scrollArea()
        before = self.area.maximumHeight
        self.area.setMaximumHeight(VISIBLE_HEIGHT)
        self.addCleanup(self.area.setMaximumHeight, before)
        self.root.window().activateWindow()
        settle()

    def scrollArea(self):
        """Return the scroll area around the panel, which must be the only one."""
        areas = []
        widget = self.root
        while widget is not None:
            if widget.inherits("QScrollArea"):
                areas.append(widget)
            widget = widget.parent()
        self.assertEqual(len(areas), 1)
        return areas[0]

    def spanInView(self, widget):
        """Return the first and last line of a widget, in the coordinates of the visible part of the panel."""
        top = widget.mapTo(self.area, qt.QPoint(0, 0)).y()
        return top, top + widget.height

    def actionsTop(self):
        return self.spanInView(self.ui.actionsRow)[0]

    def assertInView(self, widget, what):
        top, bottom = self.spanInView(widget)
        self.assertTrue(widget.isVisible(), what)
        self.assertGreaterEqual(top, 0, what)
        self.assertLessEqual(bottom, self.area.height, what)

    def assertEverythingIsInPlace(self, situation):
        """Check that banner and buttons are in view, and that the selected card is between them and has the focus."""
        self.assertInView(self.ui.bannerLabel, f"banner, {situation}")
        self.assertInView(self.ui.actionsRow, f"buttons, {situation}")
        card = self.panel.sections.card(self.panel.sections.current)
        top, bottom = self.spanInView(card)
        first, last = self.spanInView(self.ui.bannerLabel)[1], self.actionsTop()
        self.assertGreaterEqual(top, first, situation)
        if card.height <= last - first:
            self.assertLessEqual(bottom, last, situation)
        focused = qt.QApplication.focusWidget()
        expected = card.findChild("QPlainTextEdit", "sectionEditor") if card.editing else card
        self.assertTrue(focused == expected, f"focus, {situation}: {focused}")

    def test_theSelectedCardHasAThickBarInTheColorOfItsRegion(self):
        for selected in ("heart", "bone"):
            self.panel.navigation.select(selected)
            for region in ("heart", "bone"):
                card = self.panel.sections.card(region)
                image = card.grab().toImage()
                isBar = [
                    image.pixelColor(x, card.height // 2).name() == qt.QColor(*card.region.color).name() for x in (2, 6)
                ]
                self.assertEqual(isBar, [True, region == selected], region)

    def test_noOtherScrollAreaIsInThePanel(self):
        self.assertEqual([area for area in self.root.findChildren("QScrollArea")], [])

    def test_theSelectedCardAndItsButtonsAreInViewFromTheFirstToTheLast(self):
        for forward in (True, False):
            for step in range(10):
                press(self.root, "J" if forward else "K")
                self.assertEverythingIsInPlace((forward, step))

    def test_aCardThatJustFitsIsShownAsAWhole(self):
        card = self.panel.sections.card("pleura")
        rows = self.ui.bannerLabel.height + self.ui.actionsRow.height
        self.area.setMaximumHeight(card.height + rows + 4)
        settle()
        for region in ("lung", "pleura"):
            self.panel.navigation.select(region)
            settle()
        self.assertEverythingIsInPlace(f"{self.area.height} pixels for {card.height} and {rows}")

    def test_theSelectedCardStaysInViewWithTheInputsOpen(self):
        self.ui.inputsButton.collapsed = False
        for region in self.panel.sections.regions:
            self.panel.navigation.select(region)
            settle()
            self.assertEverythingIsInPlace(region)

    def test_theSelectedCardStaysInViewWhileTheProgressOfARunIsShownAboveTheCards(self):
        self.panel.navigation.select("lung")
        settle()
        self.panel.navigation.select("breast")
        settle()
        self.assertLess(abs(self.spanInView(self.panel.sections.card("breast"))[1] - self.actionsTop()), 10)
        press(self.root, "G")
        self.assertTrue(self.ui.progressBar.isVisible())
        self.assertEverythingIsInPlace("running")
        self.logic.cancel()
        waitFor(lambda: not self.logic.run.active)
        settle()
        self.assertEverythingIsInPlace("canceled")

    def test_nothingThatAppearsAboveTheCardsTakesThePanelBackFromWhereTheUserScrolled(self):
        self.panel.navigation.select("lung")
        settle()
        self.area.verticalScrollBar().triggerAction(qt.QAbstractSlider.SliderToMaximum)
        settle()
        self.panel.messages.warn("Something has happened.")
        self.addCleanup(self.panel.messages.clear)
        settle()
        self.assertLess(self.spanInView(self.panel.sections.card("lung"))[1], 0)

    def test_rowsAreAtTheirPlacesWhenThePanelIsScrolledToThem(self):
        bar = self.area.verticalScrollBar()
        bar.setValue(bar.maximum)
        settle()
        self.assertGreater(self.spanInView(self.ui.impressionButton)[0], self.spanInView(self.ui.actionsRow)[1] - 1)
        self.assertInView(self.ui.impressionButton, "impression")
        self.assertInView(self.ui.bannerLabel, "banner")

    def test_theRowsStayInViewAfterAnotherModuleWasShown(self):
        bar = self.area.verticalScrollBar()
        moduleWidget().exit()
        bar.setValue(bar.maximum // 2)
        moduleWidget().enter()
        self.panel.navigation.select("bone")
        settle()
        self.assertEverythingIsInPlace("back in the module")

    def test_theInputsAreCollapsedOnceAReportIsThereAndOpenWithoutOne(self):
        self.assertTrue(self.ui.inputsButton.collapsed)
        volume = self.panel.inputs.volume
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
        self.ui.inputVolumeSelector.setCurrentNode(other)
        self.assertFalse(self.ui.inputsButton.collapsed)
        self.ui.inputVolumeSelector.setCurrentNode(volume)
        slicer.mrmlScene.RemoveNode(other)
        self.assertTrue(self.ui.inputsButton.collapsed)

    def test_theFocusReturnsToTheCardAfterEveryClick(self):
        self.panel.navigation.select("lung")
        card = self.panel.sections.card("lung")
        for button in (self.ui.acceptButton, self.ui.rejectButton, self.ui.undoButton, self.ui.copyButton):
            clickWidget(button, 5, 5)
            self.assertTrue(qt.QApplication.focusWidget() == card, button.text)
        clickWidget(self.ui.editButton, 5, 5)
        self.assertTrue(card.editing)
        clickWidget(self.ui.editButton, 5, 5)
        self.assertEverythingIsInPlace("editing ended by a click")
        clickWidget(self.ui.regenerateButton, 5, 5)
        self.assertEverythingIsInPlace("regenerating")
        waitFor(lambda: not self.logic.run.active)
        settle()
        self.assertEverythingIsInPlace("regenerated")

    def test_theEndOfARunDoesNotTakeTheFocusFromTheImpression(self):
        self.panel.navigation.select("lung")
        self.ui.impressionEdit.setFocus()
        self.panel.navigation.select("heart")  # as a script or the end of a run selects it
        self.assertTrue(qt.QApplication.focusWidget() == self.ui.impressionEdit)

    def test_theEndOfARunDoesNotBringTheUserBackToItsSection(self):
        self.panel.navigation.select("bone")  # while the lungs are regenerated
        self.logic.run.sectionRegenerated.emit(self.node, reportNode.read(self.node).section("lung"), None)
        self.assertEqual(self.panel.sections.current, "bone")

    def test_anyKeysInAnyOrderLeaveCardRowAndFocusWhereTheyBelong(self):
        slicer.app.pauseRender()  # drawing the views takes most of the time, and no part in this
        self.addCleanup(slicer.app.resumeRender)
        keys = random.Random(19).choices(KEYS, WEIGHTS, k=200)
        self.panel.navigation.select("lung")
        settle()
        for number, key in enumerate(keys):
            situation = f"key {number}, {key} after {keys[max(0, number - 5) : number]}"
            before = self.situation()
            press(self.root, key)
            self.assertEqual(self.situation(), self.expected(key, before), situation)
            self.assertEverythingIsInPlace(situation)
        waitFor(lambda: not self.logic.run.active)

    def situation(self):
        """Return the selected region, whether its editor is open, and its state."""
        region = self.panel.sections.current
        return region, self.panel.sections.card(region).editing, reportNode.read(self.node).state(region)

    def expected(self, key, before):
        """Return the situation that a key leads to."""
        region, editing, state = before
        locked = self.panel.session.locked
        if key == "G" or self.logic.run.active or key == "Ctrl+Z":
            after = self.situation()  # a run may end at any time; undo selects the section it has changed
            return after if after[1] == (editing and key not in ("Ctrl+Return", "Escape", "G")) else before
        if editing:
            if key == "Ctrl+Return":
                text = self.panel.sections.card(region).findChild("QPlainTextEdit", "sectionEditor").toPlainText()
                edited = text.strip() == reportNode.read(self.node).text(region)
                return region, False, reportNode.read(self.node).state(region) if edited else None
            return (region, False, state) if key == "Escape" else (region, True, state)
        if key in "JK":
            regions = self.panel.sections.regions
            index = regions.index(region) + (1 if key == "J" else -1)
            region = regions[min(max(index, 0), len(regions) - 1)]
            return region, False, reportNode.read(self.node).state(region)
        if key == "E":
            return region, not locked, state
        decided = {"A": ReviewState.ACCEPTED, "R": ReviewState.REJECTED}.get(key)
        return region, False, state if decided is None or locked else decided

    def test_theWidthOfThePanelIsConstant(self):
        width = self.root.minimumSizeHint.width()
        self.panel.navigation.select("lung")
        self.ui.editButton.click()
        self.assertEqual(self.root.minimumSizeHint.width(), width)
        self.ui.editButton.click()
        volume = self.panel.inputs.volume
        other = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
        self.ui.inputVolumeSelector.setCurrentNode(other)
        settle()
        try:
            self.assertEqual(self.panel.sections.regions, [])
            self.assertEqual(self.root.minimumSizeHint.width(), width, "without cards")
        finally:
            self.ui.inputVolumeSelector.setCurrentNode(volume)
            slicer.mrmlScene.RemoveNode(other)
            settle()
        self.assertEqual(self.root.minimumSizeHint.width(), width)

    def test_theLabelsOfTheInputsAreAligned(self):
        self.ui.inputsButton.collapsed = self.ui.advancedButton.collapsed = False
        settle()
        labels = (self.ui.labelModel, self.ui.labelEnginePython)
        lefts = [label.mapTo(self.root, qt.QPoint(0, 0)).x() for label in labels]
        self.assertLessEqual(abs(lefts[0] - lefts[1]), 1)
        self.assertEqual(labels[0].width, labels[1].width)
        self.ui.advancedButton.collapsed = True

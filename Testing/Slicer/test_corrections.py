"""Corrections: the engine regenerates a section with them. Runs in Slicer and in the host."""

import unittest

import numpy as np
import slicer
from hands import arrayOfRegion, generate, loadSample, moduleWidget, settle, waitFor
from located import restore
from Reg2RGModuleLib import regionsGeometry, reportNode, segmentationFile
from Reg2RGModuleLib.findingText import LABELS_BY_REGION
from Reg2RGModuleLib.review import Review

LABELS = LABELS_BY_REGION["lung"]


class CorrectionsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Generate a report of the sample case."""
        slicer.mrmlScene.Clear(0)
        panel = moduleWidget().panel
        loadSample(panel)
        generate(panel)
        assert panel.ui.messageLabel.text == "", panel.ui.messageLabel.text
        cls.fresh = reportNode.reportNodes()[0].GetText()

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    def setUp(self):
        restore(self.node(), self.fresh)
        self.panel = moduleWidget().panel
        self.run_ = moduleWidget().logic.run
        self.panel.navigation.select("lung")
        self.requests = []
        engine = moduleWidget().logic.engine
        original = engine.run

        def recording(request):
            self.requests.append(request)
            original(request)

        engine.run = recording
        self.addCleanup(lambda: delattr(engine, "run"))

    def tearDown(self):
        if self.run_.active:
            self.run_.cancel()
            self.waitForEnd()

    def node(self):
        return reportNode.reportNodes()[0]

    def waitForEnd(self):
        waitFor(lambda: not self.run_.active)

    def button(self, region, text):
        card = self.panel.sections.card(region)
        found = [button for button in card.findChildren("QPushButton", "correctButton") if button.text == text]
        self.assertTrue(found, f"the card of the {region} has no button {text!r}")
        return found[0]

    def correct(self, region, text):
        self.button(region, text).click()
        self.assertTrue(self.run_.active, self.panel.ui.messageLabel.text)
        self.waitForEnd()
        settle()
        self.assertEqual(self.panel.ui.messageLabel.text, "")

    def firstPresentLabel(self):
        """Return the label of the first finding that the card of the lung offers to mark as absent."""
        section = reportNode.read(self.node()).section("lung")
        return next(finding.label for finding in section.listed_findings if finding.present)

    def rows(self, region):
        """Return the text of each finding's row in a card, by label."""
        texts = [
            label.text
            for label in self.panel.sections.card(region).findChildren("QLabel")
            if label.isVisibleTo(self.panel.ui.sectionsBox)
        ]
        return {label: text for label in LABELS for text in texts if f"{label}<" in text and "<small>" in text}

    def test_locatedFindingsAreASegmentationBesideTheRegions(self):
        review = reportNode.read(self.node())
        findings = [finding for section in review.report.sections for finding in section.findings if finding.segment]
        self.assertTrue(findings)
        segmentation = reportNode.findingsOf(self.node())
        self.assertEqual(set(regionsGeometry.segmentIds(segmentation)), {finding.segment for finding in findings})
        self.assertIsNot(reportNode.segmentationOf(self.node()), segmentation)
        for finding in findings:
            self.assertIn(finding.segment, regionsGeometry.regionsAt(segmentation, finding.location.point_ras))

    def test_markingAFindingAsAbsentRegeneratesItsSection(self):
        label = self.firstPresentLabel()
        before = reportNode.read(self.node())
        self.correct("lung", "Mark as absent")
        self.assertEqual(
            [(request["regions"], request["corrections"]) for request in self.requests],
            [(["lung"], {"lung": {label: False}})],
        )
        after = reportNode.read(self.node())
        self.assertEqual(after.corrections("lung"), {label: False})
        self.assertEqual(after.section("heart"), before.section("heart"))
        self.assertEqual(self.panel.sections.current, "lung")
        self.assertOnlyFocalFindingsAreVisible(after)
        self.assertIn("marked as absent", self.rows("lung")[label])
        self.button("lung", "Mark as present")

    def assertOnlyFocalFindingsAreVisible(self, review):
        display = reportNode.findingsOf(self.node()).GetDisplayNode()
        for section in review.report.sections:
            for finding in section.findings:
                if finding.segment:
                    self.assertEqual(display.GetSegmentVisibility(finding.segment), finding.location.focal)

    def test_undoRevertsACorrection(self):
        before = reportNode.read(self.node())
        self.correct("lung", "Mark as absent")
        self.panel.ui.undoButton.click()
        after = reportNode.read(self.node())
        self.assertEqual(after.corrections("lung"), {})
        self.assertEqual(after.section("lung"), before.section("lung"))
        self.assertFalse(any("marked as" in row for row in self.rows("lung").values()))

    def test_regeneratingASectionKeepsItsCorrections(self):
        label = self.firstPresentLabel()
        self.correct("lung", "Mark as absent")
        self.panel.ui.regenerateButton.click()
        self.waitForEnd()
        self.assertEqual(self.requests[-1]["corrections"], {"lung": {label: False}})
        self.correct("lung", "Mark as present")
        self.assertIs(self.requests[-1]["corrections"]["lung"][label], True)
        self.assertIs(reportNode.read(self.node()).corrections("lung")[label], True)

    def test_aFindingThatTheSectionDoesNotListCanBeAdded(self):
        menu = self.panel.ui.addFindingButton.menu()
        menu.aboutToShow.emit()
        offered = {action.text: action for action in menu.actions()}
        listed = set(self.rows("lung"))
        missing = next(label for label in LABELS if label not in listed)
        offered[missing].trigger()
        self.waitForEnd()
        self.assertEqual(self.panel.ui.messageLabel.text, "")
        self.assertEqual(self.requests[-1]["corrections"], {"lung": {missing: True}})
        self.assertIn("marked as present", self.rows("lung")[missing])

    def test_aCorrectionThatTheEngineRefusesIsReportedAndChangesNothing(self):
        volume = reportNode.volumeOf(self.node())
        original, before = slicer.util.arrayFromVolume(volume).copy(), self.node().GetText()
        slicer.util.updateVolumeFromArray(volume, np.zeros_like(original))
        try:
            self.panel.run.correct("lung", "Bronchiectasis", True)
            self.waitForEnd()
        finally:
            slicer.util.updateVolumeFromArray(volume, original)
        self.assertIn("expected a CT", self.panel.ui.messageLabel.text)
        self.assertEqual(self.node().GetText(), before)

    def test_nothingCanBeCorrectedWhileASectionIsWritten(self):
        self.button("lung", "Mark as absent").click()
        self.assertFalse(self.button("lung", "Mark as absent").isEnabled())
        self.assertFalse(self.panel.ui.addFindingButton.isEnabled())
        self.panel.run.correct("lung", LABELS[0], True)
        self.assertEqual(len(self.requests), 1)
        self.waitForEnd()

    def stored(self):
        """Return what is stored for recovery."""
        file = next(iter(self.panel.recovery.folder.glob("*.review.json")))
        return self.panel.recovery.read(file.name.removesuffix(".review.json"))

    def test_aCorrectionIsStoredInTheSceneAndForRecovery(self):
        label = self.firstPresentLabel()
        self.correct("lung", "Mark as absent")
        self.assertEqual(Review.fromJson(self.node().GetText()).corrections("lung"), {label: False})
        self.assertEqual(Review.fromJson(self.stored().review).corrections("lung"), {label: False})
        self.assertTrue(self.stored().regions.exists() and self.stored().findings.exists())

    def test_recoveryStoresTheFindingsOfARegeneratedSection(self):
        self.correct("lung", "Mark as absent")
        volume, findings = reportNode.volumeOf(self.node()), reportNode.findingsOf(self.node())
        stored = segmentationFile.load(self.stored().findings, volume, "stored", None)
        try:
            for segmentId in regionsGeometry.segmentIds(findings):
                expected = arrayOfRegion(findings, segmentId, volume)
                self.assertTrue((arrayOfRegion(stored, segmentId, volume) == expected).all(), segmentId)
        finally:
            slicer.mrmlScene.RemoveNode(stored)

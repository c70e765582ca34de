"""Reviewing a report: states, edits, undo, impression, banner, keyboard. Runs in Slicer and in the host."""

import unittest

import qt
import slicer
from hands import generate, moduleWidget, press, settle, waitFor
from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.review import ACCEPTED, DRAFT, EDITED, REJECTED, Review
from Reg2RGModuleLib.sectionWords import bodyHtml, factsOf, warningsOf


class ReviewTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        panel = moduleWidget().panel
        panel.inputs.loadSample()
        generate(panel)
        cls.fresh = reportNode.reportNodes()[0].GetText()

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    def setUp(self):
        self.panel = moduleWidget().panel
        self.ui = self.panel.ui
        self.node = reportNode.reportNodes()[0]
        self.node.SetText(self.fresh)
        self.panel.setParameters(None)
        moduleWidget().initializeParameterNode()
        self.panel.select("lung")

    def stored(self):
        return reportNode.read(self.node)

    def focusPanel(self):
        root = self.ui.generateButton.window()
        root.activateWindow()
        self.ui.sectionsArea.setFocus()
        settle()
        return moduleWidget().parent

    def test_nothingIsAcceptedByDefault(self):
        self.assertEqual({self.stored().state(region) for region in self.stored().regions}, {DRAFT})

    def test_acceptEditAndRejectAreStoredInTheSceneAtOnce(self):
        self.ui.acceptButton.click()
        self.assertEqual(self.stored().state("lung"), ACCEPTED)
        self.panel.select("heart")
        self.ui.rejectButton.click()
        self.assertEqual(self.stored().state("heart"), REJECTED)
        self.panel.select("bone")
        self.ui.editButton.click()
        self.assertEqual(self.ui.editButton.text, "Done")
        self.editor("bone").setPlainText("An old fracture of the sixth rib.")
        self.ui.editButton.click()
        self.assertEqual(self.stored().state("bone"), EDITED)
        self.assertEqual(self.stored().text("bone"), "An old fracture of the sixth rib.")
        self.assertNotEqual(self.stored().section("bone")["text"], self.stored().text("bone"), "the model's words stay")

    def editor(self, region):
        return self.panel.sections.card(region).findChild("QPlainTextEdit", "sectionEditor")

    def test_anEditedSectionIsToBeAcceptedAnew(self):
        self.ui.acceptButton.click()
        self.ui.editButton.click()
        self.editor("lung").setPlainText("Other words.")
        self.ui.editButton.click()
        self.assertFalse(self.stored().isReviewed("lung"))

    def test_selectingAnotherSectionKeepsTheWordsOfAnOpenEditor(self):
        self.ui.editButton.click()
        self.editor("lung").setPlainText("Words not yet finished.")
        self.panel.select("heart")
        self.assertEqual(self.stored().text("lung"), "Words not yet finished.")

    def test_undoTakesBackOneStepAtATime(self):
        self.ui.acceptButton.click()
        self.ui.rejectButton.click()
        self.ui.undoButton.click()
        self.assertEqual(self.stored().state("lung"), ACCEPTED)
        self.ui.undoButton.click()
        self.assertEqual(self.stored().state("lung"), DRAFT)
        self.assertFalse(self.ui.undoButton.enabled)

    def test_theBannerGoesOnlyWhenAllIsReviewed(self):
        regions = self.panel.sections.regions
        for region in regions:
            self.assertIn("AI-generated draft, not reviewed. Not for clinical use.", self.ui.bannerLabel.text)
            self.panel.select(region)
            (self.ui.rejectButton if region == "heart" else self.ui.acceptButton).click()
        self.assertNotIn("not reviewed", self.ui.bannerLabel.text)
        self.assertIn("not for clinical use", self.ui.bannerLabel.text)
        self.assertEqual(self.ui.reviewedLabel.text, "10 of 10 reviewed, 1 rejected")
        self.ui.undoButton.click()
        self.assertIn("not reviewed", self.ui.bannerLabel.text)

    def test_theImpressionHoldsFindingsAndFollowsTheReviewUntilItIsWrittenIn(self):
        self.assertIn("nodule", self.ui.impressionEdit.toPlainText())
        self.assertNotIn("cardiomegaly", self.ui.impressionEdit.toPlainText())
        self.ui.rejectButton.click()
        self.assertNotIn("nodule", self.ui.impressionEdit.toPlainText())
        self.ui.impressionEdit.setPlainText("My own words.")
        waitFor(lambda: self.stored().impression == "My own words.", 5)
        self.ui.undoButton.click()
        self.assertEqual(self.ui.impressionEdit.toPlainText(), "My own words.")
        self.assertEqual(self.stored().impression, "My own words.")

    def test_theKeyboardDoesItAll(self):
        root = self.focusPanel()
        press(root, "J")
        self.assertEqual(self.panel.sections.current, "trachea and bronchie")
        press(root, "A")
        self.assertEqual(self.stored().state("trachea and bronchie"), ACCEPTED)
        press(root, "J")
        press(root, "R")
        self.assertEqual(self.stored().state("pleura"), REJECTED)
        press(root, "K")
        self.assertEqual(self.panel.sections.current, "trachea and bronchie")
        press(root, "Ctrl+Z")
        self.assertEqual(self.stored().state("pleura"), DRAFT)
        self.assertEqual(self.panel.sections.current, "pleura")
        press(root, "E")
        self.assertTrue(self.panel.sections.card("pleura").editing)
        self.editor("pleura").setPlainText("Typed.")
        press(root, "Ctrl+Return")
        self.assertEqual(self.stored().text("pleura"), "Typed.")
        press(root, "E")
        self.editor("pleura").setPlainText("Thrown away.")
        press(root, "Escape")
        self.assertEqual(self.stored().text("pleura"), "Typed.")

    def test_lettersTypedIntoAnEditorAreNoCommands(self):
        root = self.focusPanel()
        press(root, "E")
        self.editor("lung").setPlainText("")
        for letter in "jar":
            self.type(letter)
        self.assertEqual(self.editor("lung").toPlainText(), "jar")
        self.assertEqual(self.panel.sections.current, "lung")
        self.assertEqual(self.stored().state("lung"), DRAFT)
        press(root, "Escape")

    def type(self, letter):
        editor = qt.QApplication.focusWidget()
        key = getattr(qt.Qt, f"Key_{letter.upper()}")
        for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
            qt.QApplication.sendEvent(editor, qt.QKeyEvent(kind, key, qt.Qt.NoModifier, letter))

    def test_theEndsOfTheListStayEnds(self):
        self.panel.select("abdomen")
        self.panel.next()
        self.assertEqual(self.panel.sections.current, "abdomen")
        self.panel.select("lung")
        self.panel.previous()
        self.assertEqual(self.panel.sections.current, "lung")

    def test_theWholeReportCanBeCopiedAsText(self):
        self.ui.rejectButton.click()
        self.panel.select("heart")
        self.ui.acceptButton.click()
        self.ui.copyButton.click()
        text = qt.QApplication.clipboard().text()
        self.assertTrue(text.startswith("AI-generated draft, not reviewed. Not for clinical use."))
        self.assertIn("\nHeart: ", text)
        self.assertIn("Pleura [not reviewed]:", text)
        self.assertNotIn("Lungs", text.split("Impression:")[0])

    def test_aRegionIsWrittenAgainFromItsSegmentAsItIsNow(self):
        segmentation = reportNode.segmentationOf(self.node)
        volume = reportNode.volumeOf(self.node)
        before = self.stored().section("lung")
        self.ui.acceptButton.click()
        array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "lung", volume)
        array[: array.shape[0] // 2] = 0
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, "lung", volume)
        self.ui.regenerateButton.click()
        self.assertTrue(self.panel.run.active, self.ui.messageLabel.text)
        self.assertFalse(self.ui.acceptButton.enabled)
        waitFor(lambda: not self.panel.run.active)
        after = self.stored()
        self.assertLess(after.section("lung")["volume_ml"], 0.8 * before["volume_ml"])
        self.assertEqual(after.state("lung"), DRAFT)
        self.assertEqual(after.section("heart"), Review.fromJson(self.fresh).section("heart"))
        self.assertEqual(self.panel.sections.current, "lung")
        self.ui.undoButton.click()
        self.assertEqual(self.stored().section("lung"), before)
        self.assertEqual(self.stored().state("lung"), ACCEPTED)

    def test_aReportThatIsUnderReviewIsReplacedOnlyIfTheUserAgrees(self):
        self.ui.acceptButton.click()
        asked = []
        ask = slicer.util.confirmOkCancelDisplay
        slicer.util.confirmOkCancelDisplay = lambda *words: asked.append(words) or False
        try:
            self.ui.generateButton.click()
        finally:
            slicer.util.confirmOkCancelDisplay = ask
        self.assertEqual(len(asked), 1)
        self.assertFalse(self.panel.run.active)
        self.assertEqual(self.stored().state("lung"), ACCEPTED)

    def test_whatTheReviewerMustKnowIsInWords(self):
        section = dict(self.stored().section("lung"), recognised="pleura", grounded=False, complete=False, findings=[])
        self.assertEqual(
            warningsOf(section),
            ["The model took this region for: Pleura.", "The text was cut off at the length limit."],
        )
        section["recognised"] = None
        self.assertIn("named no region", warningsOf(section)[0])
        section["recognised"] = "<b>spleen"
        self.assertIn("<b>spleen", warningsOf(section)[0])

    def test_unsureSentencesAreMarkedByMoreThanColour(self):
        section = {
            "text": "Sure. Unsure <x.",
            "sentences": [
                {"start": 0, "end": 5, "mean_probability": 0.95, "minimum_probability": 0.9, "findings": []},
                {"start": 6, "end": 16, "mean_probability": 0.5, "minimum_probability": 0.1, "findings": []},
            ],
            "findings": [],
        }
        self.assertEqual(
            bodyHtml(section, section["text"], DRAFT, "#123456"), "Sure. <u>Unsure &lt;x.</u>&nbsp;<b>(?)</b>"
        )
        self.assertEqual(bodyHtml(section, "My words.", EDITED, "#123456"), "My words.")
        self.assertEqual(bodyHtml(section, "My words.", REJECTED, "#123456"), "<s>My words.</s>")

    def test_measuredFactsStandUnderTheText(self):
        section = self.stored().section("lung")
        facts = f"{section['volume_ml']:,.0f} mL · mean {section['mean_hu']:.0f} HU"
        self.assertGreater(section["volume_ml"], 1000)
        self.assertIn(facts, factsOf(section, section["text"]))

    def test_marksAreExplainedOnlyWhereTheyStand(self):
        section = dict(self.stored().section("lung"))
        section["sentences"] = [{"start": 0, "end": 5, "mean_probability": 0.5, "minimum_probability": 0.1}]
        self.assertIn("(?)", factsOf(section, section["text"]))
        self.assertNotIn("(?)", factsOf(section, "My words."))

    def test_regionsWithoutASectionAreNamedWithTheReason(self):
        import json

        self.assertFalse(self.ui.missingLabel.isVisibleTo(moduleWidget().parent))
        document = json.loads(self.fresh)
        report = document["report"]
        gone = {"heart": "too small", "thyroid": "no such segment", "breast": "no such segment"}
        report["sections"] = [section for section in report["sections"] if section["region"] not in gone]
        report["without_section"] = gone
        for region in gone:
            del document["sections"][region]
        self.node.SetText(json.dumps(document))
        self.panel.setParameters(None)
        moduleWidget().initializeParameterNode()
        self.assertTrue(self.ui.missingLabel.isVisibleTo(moduleWidget().parent))
        words = "Not described: Heart (too small); Thyroid, Breast (no such segment)."
        self.assertEqual(self.ui.missingLabel.text, words)

    def test_enteringTheModuleAgainKeepsTheSelectionAndTheWayBack(self):
        self.ui.acceptButton.click()
        moduleWidget().exit()
        moduleWidget().enter()
        self.assertEqual(self.panel.sections.current, "lung")
        self.ui.undoButton.click()
        self.assertEqual(self.stored().state("lung"), DRAFT)

    def test_aReviewThatCannotBeKeptAgainstACrashGoesOn(self):
        import tempfile
        from pathlib import Path

        folder = self.panel._recovery._folder
        with tempfile.NamedTemporaryFile() as file:
            self.panel._recovery._folder = Path(file.name) / "no folder"
            try:
                self.ui.acceptButton.click()
            finally:
                self.panel._recovery._folder = folder
        self.assertEqual(self.stored().state("lung"), ACCEPTED)
        self.assertEqual(self.ui.reviewedLabel.text, "1 of 10 reviewed")
        self.assertIn("not kept against a crash", self.ui.messageLabel.text)

    def test_aBrokenReviewInTheSceneIsSaidAndNothingElseBreaks(self):
        self.node.SetText('{"form": "Reg2RG review", "version": 7}')
        self.panel.setParameters(None)
        moduleWidget().initializeParameterNode()
        self.assertIn("cannot be read", self.ui.messageLabel.text)
        self.assertEqual(self.panel.sections.regions, [])
        self.assertEqual(self.node.GetText(), '{"form": "Reg2RG review", "version": 7}')

"""Review of a report: states, edits, undo, impression, banner, keyboard. Runs in Slicer and in the host."""

import unittest
from dataclasses import replace

import qt
import slicer
from hands import clickLink, generate, moduleWidget, press, settle, waitFor
from located import reopen, restore, rewrite
from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.sectionText import bodyHtml, factsOf

from reg2rg.about import REVIEWED_LABEL
from reg2rg.report import ReviewState


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
        self.logic = moduleWidget().logic
        self.panel = moduleWidget().panel
        self.ui = self.panel.ui
        self.node = reportNode.reportNodes()[0]
        restore(self.node, self.fresh)
        self.panel.navigation.select("lung")

    def stored(self):
        """Return a copy of the review as the scene stores it."""
        return reportNode.read(self.node)

    def focusPanel(self):
        root = self.ui.generateButton.window()
        root.activateWindow()
        self.panel.sections.takeFocus()
        settle()
        return moduleWidget().parent

    def test_noSectionIsAcceptedByDefault(self):
        self.assertEqual({self.stored().state(region) for region in self.stored().regions}, {ReviewState.DRAFT})

    def test_acceptedEditedAndRejectedSectionsAreStoredInTheSceneAtOnce(self):
        self.ui.acceptButton.click()
        self.assertEqual(self.stored().state("lung"), ReviewState.ACCEPTED)
        self.panel.navigation.select("heart")
        self.ui.rejectButton.click()
        self.assertEqual(self.stored().state("heart"), ReviewState.REJECTED)
        self.panel.navigation.select("bone")
        self.ui.editButton.click()
        self.assertEqual(self.ui.editButton.text, "Done")
        self.editor("bone").setPlainText("An old fracture of the sixth rib.")
        self.ui.editButton.click()
        self.assertEqual(self.stored().state("bone"), ReviewState.EDITED)
        self.assertEqual(self.stored().text("bone"), "An old fracture of the sixth rib.")
        self.assertNotEqual(self.stored().section("bone").text, self.stored().text("bone"), "the model's text is kept")

    def editor(self, region):
        return self.panel.sections.card(region).findChild("QPlainTextEdit", "sectionEditor")

    def test_anAcceptedSectionThatIsEditedIsNoLongerAccepted(self):
        self.ui.acceptButton.click()
        self.ui.editButton.click()
        self.editor("lung").setPlainText("Another text.")
        self.ui.editButton.click()
        self.assertEqual(self.stored().state("lung"), ReviewState.EDITED)
        self.assertIn("Another text.", [change.text for change in self.stored().record.review.log])

    def test_selectingAnotherSectionKeepsTheTextOfAnOpenEditor(self):
        self.ui.editButton.click()
        self.editor("lung").setPlainText("Unfinished text.")
        self.panel.navigation.select("heart")
        self.assertEqual(self.stored().text("lung"), "Unfinished text.")

    def test_undoRevertsOneChangeAtATime(self):
        self.ui.acceptButton.click()
        self.ui.rejectButton.click()
        self.ui.undoButton.click()
        self.assertEqual(self.stored().state("lung"), ReviewState.ACCEPTED)
        self.ui.undoButton.click()
        self.assertEqual(self.stored().state("lung"), ReviewState.DRAFT)
        self.assertFalse(self.ui.undoButton.enabled)

    def test_theBannerSaysNotReviewedUntilAllSectionsAreReviewedAndNotSignedFromThen(self):
        regions = self.panel.sections.regions
        for region in regions:
            self.assertIn("AI-generated draft, not reviewed. Not for clinical use.", self.ui.bannerLabel.text)
            self.panel.navigation.select(region)
            (self.ui.rejectButton if region == "heart" else self.ui.acceptButton).click()
        self.assertNotIn("not reviewed", self.ui.bannerLabel.text)
        self.assertEqual(self.ui.bannerLabel.text, REVIEWED_LABEL)
        self.assertEqual(self.ui.reviewedLabel.text, "10 of 10 reviewed, 1 rejected")
        self.ui.undoButton.click()
        self.assertIn("not reviewed", self.ui.bannerLabel.text)

    def test_theImpressionListsFindingsAndFollowsTheReviewUntilItIsEdited(self):
        self.assertIn("nodule", self.ui.impressionEdit.toPlainText())
        self.assertNotIn("cardiomegaly", self.ui.impressionEdit.toPlainText())
        self.ui.rejectButton.click()
        self.assertNotIn("nodule", self.ui.impressionEdit.toPlainText())
        self.ui.impressionEdit.setPlainText("My own text.")
        waitFor(lambda: self.stored().impression == "My own text.", 5)
        self.ui.undoButton.click()
        self.assertEqual(self.ui.impressionEdit.toPlainText(), "My own text.")
        self.assertEqual(self.stored().impression, "My own text.")

    def test_everythingCanBeDoneFromTheKeyboard(self):
        root = self.focusPanel()
        press(root, "J")
        self.assertEqual(self.panel.sections.current, "trachea and bronchie")
        press(root, "A")
        self.assertEqual(self.stored().state("trachea and bronchie"), ReviewState.ACCEPTED)
        press(root, "J")
        press(root, "R")
        self.assertEqual(self.stored().state("pleura"), ReviewState.REJECTED)
        press(root, "K")
        self.assertEqual(self.panel.sections.current, "trachea and bronchie")
        press(root, "Ctrl+Z")
        self.assertEqual(self.stored().state("pleura"), ReviewState.DRAFT)
        self.assertEqual(self.panel.sections.current, "pleura")
        press(root, "E")
        self.assertTrue(self.panel.sections.card("pleura").editing)
        self.editor("pleura").setPlainText("Typed.")
        press(root, "Ctrl+Return")
        self.assertEqual(self.stored().text("pleura"), "Typed.")
        press(root, "E")
        self.editor("pleura").setPlainText("Discarded.")
        press(root, "Escape")
        self.assertEqual(self.stored().text("pleura"), "Typed.")

    def test_lettersTypedIntoAnEditorAreNotShortcuts(self):
        root = self.focusPanel()
        press(root, "E")
        self.editor("lung").setPlainText("")
        for letter in "jar":
            self.type(letter)
        self.assertEqual(self.editor("lung").toPlainText(), "jar")
        self.assertEqual(self.panel.sections.current, "lung")
        self.assertEqual(self.stored().state("lung"), ReviewState.DRAFT)
        press(root, "Escape")

    def type(self, letter):
        editor = qt.QApplication.focusWidget()
        key = getattr(qt.Qt, f"Key_{letter.upper()}")
        for kind in (qt.QEvent.KeyPress, qt.QEvent.KeyRelease):
            qt.QApplication.sendEvent(editor, qt.QKeyEvent(kind, key, qt.Qt.NoModifier, letter))

    def test_nextAndPreviousStopAtTheEndsOfTheList(self):
        self.panel.navigation.select("abdomen")
        self.panel.navigation.next()
        self.assertEqual(self.panel.sections.current, "abdomen")
        self.panel.navigation.select("lung")
        self.panel.navigation.previous()
        self.assertEqual(self.panel.sections.current, "lung")

    def test_theWholeReportCanBeCopiedAsText(self):
        self.ui.rejectButton.click()
        self.panel.navigation.select("heart")
        self.ui.acceptButton.click()
        text = self.copiedText()
        self.assertTrue(text.startswith("AI-generated draft, not reviewed. Not for clinical use."))
        self.assertRegex(text, r"\nHEART \([^)]*\)\n")
        self.assertRegex(text, r"\nPLEURA \([^)]*\) \[not reviewed\]\n")
        self.assertNotIn("LUNGS", text)
        self.assertIn("- Lungs: rejected by the reviewer", text)

    def copiedText(self):
        self.ui.copyButton.click()
        return qt.QApplication.clipboard().text()

    def test_theCopiedReportHasAllItsWarnings(self):
        from reg2rg.report import Disagreement, OutOfDistribution, section_warnings

        def withWarnings(report):
            lung = report.section("lung")
            disagreements = (Disagreement("They disagree.", None),)
            lung = replace(lung, recognized="pleura", complete=False, disagreements=disagreements)
            sections = tuple(lung if section.region == "lung" else section for section in report.sections)
            return replace(report, sections=sections, out_of_distribution=OutOfDistribution(9.0, 2.0))

        rewrite(self.node, withWarnings)
        report = self.stored().report
        expected = [*report.warnings, *section_warnings(report.section("lung"))]
        self.assertEqual(len(expected), 4)
        text = self.copiedText()
        for warning in expected:
            self.assertIn(f"[{warning}]", text)
        self.assertEqual(text.count("AI-generated draft, not reviewed. Not for clinical use."), 2)
        self.panel.navigation.select("lung")
        self.ui.rejectButton.click()
        self.assertNotIn("They disagree.", self.copiedText(), "a rejected section is not copied")

    def test_theCopyOfAReviewedReportSaysThatItIsNotSigned(self):
        for region in self.panel.sections.regions:
            self.panel.navigation.select(region)
            self.ui.acceptButton.click()
        text = self.copiedText()
        self.assertNotIn("not reviewed", text)
        self.assertEqual(text.count(REVIEWED_LABEL), 2)

    def test_aSectionIsRegeneratedFromItsCurrentSegment(self):
        segmentation = reportNode.segmentationOf(self.node)
        volume = reportNode.volumeOf(self.node)
        before = self.stored().section("lung")
        self.ui.acceptButton.click()
        array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "lung", volume)
        array[: array.shape[0] // 2] = 0
        slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, "lung", volume)
        self.ui.regenerateButton.click()
        self.assertTrue(self.logic.run.active, self.ui.messageLabel.text)
        self.assertFalse(self.ui.acceptButton.enabled)
        waitFor(lambda: not self.logic.run.active)
        after = self.stored()
        self.assertLess(after.section("lung").volume_ml, 0.8 * before.volume_ml)
        self.assertEqual(after.state("lung"), ReviewState.DRAFT)
        heart, earlierHeart = after.section("heart"), Review.fromJson(self.fresh).section("heart")
        changed = {"measured": (), "disagreements": ()}
        self.assertEqual(replace(heart, **changed), replace(earlierHeart, **changed))
        self.assertNotEqual(heart.measured, earlierHeart.measured, "the ratio of heart and thorax is measured again")
        self.assertEqual(self.panel.sections.current, "lung")
        self.ui.undoButton.click()
        self.assertEqual(self.stored().section("lung"), before)
        self.assertEqual(self.stored().state("lung"), ReviewState.ACCEPTED)

    def test_aReportUnderReviewIsReplacedOnlyIfTheUserAgrees(self):
        self.ui.acceptButton.click()
        asked = []
        ask = slicer.util.confirmOkCancelDisplay
        slicer.util.confirmOkCancelDisplay = lambda *arguments: asked.append(arguments)  # the user declines
        try:
            self.ui.generateButton.click()
        finally:
            slicer.util.confirmOkCancelDisplay = ask
        self.assertEqual(len(asked), 1)
        self.assertFalse(self.logic.run.active)
        self.assertEqual(self.stored().state("lung"), ReviewState.ACCEPTED)

    def test_warningsAreShownInTheCard(self):
        self.addCleanup(reopen)

        def warningOf(**changes):
            section = replace(self.stored().section("lung"), disagreements=(), **changes)
            card = self.panel.sections.card("lung")
            card.showSection(section, ReviewState.DRAFT, section.text)
            labels = [label for label in card.findChildren("QLabel") if label.text.startswith("⚠")]
            return labels[0].text if labels and labels[0].isVisibleTo(card) else ""

        self.assertEqual(warningOf(recognized="lung", complete=True), "")
        self.assertEqual(
            warningOf(recognized="pleura", complete=False),
            "⚠ The model identified this region as: Pleura. The text was cut off at the token limit.",
        )
        self.assertIn("named no region", warningOf(recognized=None))
        self.assertIn("&lt;b&gt;spleen", warningOf(recognized="<b>spleen"), "the text of the model is escaped")

    def test_changesSinceThePriorCTAreShownInTheCard(self):
        from reg2rg.report import ChangeKind, IntervalChange, PriorComparison

        text = "Compared with the prior CT, the lung nodule is new (<200 mm³)."
        values = (None, None, 200.0, None, "mm³", None, None, None, "25%")
        prior = PriorComparison("ct", 90, 0.97, 0.6, (), (IntervalChange("lung", ChangeKind.NEW, text, *values),))
        restore(self.node, replace(self.stored().record, prior=prior).to_json())
        changes = self.panel.sections.card("lung").findChild("QLabel", "sectionChanges")
        self.assertTrue(changes.isVisibleTo(self.panel.sections.card("lung")))
        self.assertIn(text.replace("<", "&lt;"), changes.text)
        self.assertEqual(self.panel.sections.card("heart").findChild("QLabel", "sectionChanges").text, "")
        self.panel.navigation.select("lung")
        self.ui.rejectButton.click()
        self.assertEqual(changes.text, "", "the report leaves rejected sections out")

    def test_aTextThatDeniesWhatTheComparisonMeasuresIsMarkedInTheCard(self):
        from reg2rg.labeler import Status
        from reg2rg.report import ChangeKind, IntervalChange

        card = self.panel.sections.card("lung")
        section = self.stored().section("lung")
        findings = tuple(
            replace(finding, text_status=Status.ABSENT) if finding.label == "Lung nodule" else finding
            for finding in section.findings
        )
        section = replace(section, findings=findings)
        values = ("Lung nodule", None, 200.0, 90.0, "mm³", None, None, None, "25%")
        larger = IntervalChange("lung", ChangeKind.LARGER, "The lung nodule is larger.", *values)
        card.showSection(section, ReviewState.DRAFT, section.text, [larger])
        warnings = [label.text for label in card.findChildren("QLabel") if label.text.startswith("⚠")]
        self.assertIn("The text denies lung nodule; the comparison with the prior CT measures one.", warnings[0])

    def test_aChangeSinceThePriorCTIsRemovedByItsLinkAndUndoneButNotWhenTheReportIsSigned(self):
        from reg2rg.report import ChangeKind, IntervalChange, PriorComparison, reported_changes

        values = ("Lung nodule", None, None, 90.0, "mm³", None, None, None, "25%")
        gone = [IntervalChange("lung", ChangeKind.RESOLVED, f"The nodule {name} is gone.", *values) for name in "ab"]
        prior = PriorComparison("ct", 90, 0.97, 0.6, (), tuple(gone))
        restore(self.node, replace(self.stored().record, prior=prior).to_json())
        changes = self.panel.sections.card("lung").findChild("QLabel", "sectionChanges")
        settle()
        clickLink(changes, "remove:0")
        self.assertEqual(reported_changes(self.stored().record), (gone[1],))
        self.assertNotIn(gone[0].text, changes.text)
        self.assertIn(gone[1].text, changes.text)
        last = self.stored().record.review.log[-1]
        self.assertEqual((last.action, last.region, last.text), ("remove-change", "lung", gone[0].text))
        self.ui.undoButton.click()
        self.assertIn(gone[0].text, changes.text)
        self.ui.acceptAllButton.click()
        self.panel.session.review.sign("Dr. A. Example")
        settle()
        clickLink(changes, "remove:0")
        self.assertEqual(reported_changes(self.stored().record), tuple(gone))

    def test_sentencesWithLowProbabilityAreMarkedByMoreThanColor(self):
        section = self.sectionWith("Sure. Unsure <x.", (0, 5, 0.95), (6, 16, 0.5))
        marked = "Sure. <u>Unsure &lt;x.</u>&nbsp;<b>(?)</b>"
        self.assertEqual(bodyHtml(section, section.text, ReviewState.DRAFT, "#123456"), marked)
        self.assertEqual(bodyHtml(section, "My text.", ReviewState.EDITED, "#123456"), "My text.")
        self.assertEqual(bodyHtml(section, "My text.", ReviewState.REJECTED, "#123456"), "<s>My text.</s>")

    def test_everyLetterOfARejectedTextIsCrossedOut(self):
        section = self.stored().section("lung")
        self.assertTrue(any(finding.location for finding in section.findings), "some sentences are links")
        document = qt.QTextDocument()
        document.setHtml(bodyHtml(section, section.text, ReviewState.REJECTED, "#123456"))
        cursor = qt.QTextCursor(document)
        text = document.toPlainText()
        kept = ""
        for position in range(1, len(text) + 1):
            cursor.setPosition(position)
            if not cursor.charFormat().fontStrikeOut():
                kept += text[position - 1]
        self.assertEqual(kept, "")

    def test_aContradictedSentenceHasASignThatTellsWhatContradictsIt(self):
        from reg2rg.report import Disagreement

        section = self.sectionWith("Sure. No <x.", (0, 5, 0.95), (6, 12, 0.95))
        missed, denied = Disagreement("Missed.", None), Disagreement("<b>It</b> is there.", 1)
        section = replace(section, disagreements=(missed, denied))
        sign = '<a href="contradiction:1">⚠</a>'
        self.assertEqual(bodyHtml(section, section.text, ReviewState.DRAFT, "#123456"), f"Sure. No &lt;x.&nbsp;{sign}")
        self.assertEqual(bodyHtml(section, "My text.", ReviewState.EDITED, "#123456"), "My text.")
        self.addCleanup(reopen)
        card = self.panel.sections.card("lung")
        card.showSection(section, ReviewState.DRAFT, section.text)
        self.panel.scroll.reveal(card)
        settle()
        body = card.findChild("QLabel", "sectionText")
        chosen = []
        card.findingClicked.connect(lambda *finding: chosen.append(finding))
        clickLink(body, "contradiction:1")
        self.assertEqual(body.toolTip, "<p>&lt;b&gt;It&lt;/b&gt; is there.</p>")
        self.assertEqual(chosen, [], "the sign is not a link to a finding")

    def sectionWith(self, text, *spans):
        """Return a section whose sentences have the given start, end and mean probability."""
        from reg2rg.report import Sentence

        sentences = tuple(Sentence(start, end, mean, mean, ()) for start, end, mean in spans)
        return replace(self.stored().section("lung"), text=text, sentences=sentences, findings=())

    def test_measurementsAreShownBelowTheText(self):
        section = self.stored().section("lung")
        facts = f"{section.volume_ml:,.0f} mL · mean {section.mean_hu:.0f} HU"
        self.assertGreater(section.volume_ml, 1000)
        self.assertIn(facts, factsOf(section, section.text))

    def test_marksAreExplainedOnlyIfThereAreAny(self):
        section = self.sectionWith("Unsure.", (0, 7, 0.5))
        self.assertIn("(?)", factsOf(section, section.text))
        self.assertNotIn("(?)", factsOf(section, "My text."))

    def test_regionsWithoutASectionAreListedWithTheReason(self):
        self.assertFalse(self.ui.skippedLabel.isVisibleTo(moduleWidget().parent))
        skipped = {"heart": "too small", "thyroid": "no such segment", "breast": "no such segment"}

        def withSkipped(report):
            sections = tuple(section for section in report.sections if section.region not in skipped)
            return replace(report, sections=sections, skipped_regions=skipped)

        rewrite(self.node, withSkipped)
        self.assertTrue(self.ui.skippedLabel.isVisibleTo(moduleWidget().parent))
        text = "Not described: Heart (too small); Thyroid, Breast (no such segment)."
        self.assertEqual(self.ui.skippedLabel.text, text)
        self.assertIn("- Heart: too small", self.copiedText())

    def test_enteringTheModuleAgainKeepsTheSelectionAndTheUndoSteps(self):
        self.ui.acceptButton.click()
        moduleWidget().exit()
        moduleWidget().enter()
        self.assertEqual(self.panel.sections.current, "lung")
        self.ui.undoButton.click()
        self.assertEqual(self.stored().state("lung"), ReviewState.DRAFT)

    def test_aReviewThatCannotBeStoredForRecoveryContinues(self):
        import tempfile
        from pathlib import Path

        folder = self.panel.recovery.folder
        with tempfile.NamedTemporaryFile() as file:
            self.panel.recovery.folder = Path(file.name) / "no folder"
            try:
                self.ui.acceptButton.click()
            finally:
                self.panel.recovery.folder = folder
        self.assertEqual(self.stored().state("lung"), ReviewState.ACCEPTED)
        self.assertEqual(self.ui.reviewedLabel.text, "1 of 10 reviewed")
        self.assertIn("could not be saved for recovery after a crash", self.ui.messageLabel.text)

    def test_anInvalidReviewInTheSceneIsReportedAndLeftUnchanged(self):
        self.node.SetText('{"form": "Reg2RG review", "version": 7}')
        self.panel.setParameters(None)
        moduleWidget().initializeParameterNode()
        self.assertIn("cannot be read", self.ui.messageLabel.text)
        self.assertEqual(self.panel.sections.regions, [])
        self.assertEqual(self.node.GetText(), '{"form": "Reg2RG review", "version": 7}')

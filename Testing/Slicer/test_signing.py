"""Signing, addenda, saved reports and the Export menu. Runs in Slicer and in the host."""

import json
import tempfile
import unittest
from pathlib import Path

import numpy as np
import qt
import slicer
from hands import generate, loadSample, moduleWidget, press, settle, waitFor
from located import restore
from Reg2RGModuleLib import dicomSource, reportNode, savedReport
from Reg2RGModuleLib.reportHeader import DRAFT_STYLE, SIGNED_STYLE

from reg2rg.about import DRAFT_LABEL, REVIEWED_LABEL, SIGNED_LABEL
from reg2rg.errors import InputError
from reg2rg.exports.formats import FORMATS
from reg2rg.report import PRIOR_TRANSFORM_FILE, REPORT_FILES, load_report

REVIEWER = "Dr. Ана Müller"


class SigningTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        panel = moduleWidget().panel
        loadSample(panel)
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
        self.ui.reviewerEdit.setText(REVIEWER)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.confirmed = []
        confirm = slicer.util.confirmOkCancelDisplay
        slicer.util.confirmOkCancelDisplay = lambda text, *others: self.confirmed.append(text) or True
        self.addCleanup(setattr, slicer.util, "confirmOkCancelDisplay", confirm)

    def stored(self):
        return reportNode.read(self.node)

    def sign(self):
        self.ui.acceptAllButton.click()
        self.ui.signButton.click()

    def export(self, formatName, path):
        self.panel.exports.export(formatName, str(path))
        waitFor(lambda: not self.logic.exports.active)
        settle()

    def test_aReportThatWasNotReviewedCannotBeSigned(self):
        self.ui.acceptButton.click()
        self.ui.signButton.click()
        self.assertIn("accept, edit or reject these sections: Heart, Bones.", self.ui.messageLabel.text)
        self.assertEqual((self.stored().signature, self.confirmed), (None, []))

    def test_aReportIsNotSignedWithoutANameOrAgainstTheUsersWill(self):
        self.ui.reviewerEdit.setText(" ")
        self.sign()
        self.assertIn("name is not valid", self.ui.messageLabel.text)
        self.ui.reviewerEdit.setText(REVIEWER)
        slicer.util.confirmOkCancelDisplay = lambda *arguments: False
        self.ui.signButton.click()
        self.assertIsNone(self.stored().signature)

    def test_aSignedReportLooksDifferentAndNamesItsSigner(self):
        self.assertEqual((self.ui.bannerLabel.text, self.ui.bannerLabel.styleSheet), (DRAFT_LABEL, DRAFT_STYLE))
        self.ui.acceptAllButton.click()
        self.assertEqual((self.ui.bannerLabel.text, self.ui.bannerLabel.styleSheet), (REVIEWED_LABEL, DRAFT_STYLE))
        self.ui.signButton.click()
        self.assertIn(f'"{REVIEWER}"', self.confirmed[0])
        self.assertTrue(self.ui.bannerLabel.text.startswith(f"✓ Signed by {REVIEWER}, "))
        self.assertIn(SIGNED_LABEL, self.ui.bannerLabel.text)
        self.assertEqual(self.ui.bannerLabel.styleSheet, SIGNED_STYLE)
        self.assertEqual(self.stored().signature.reviewer, REVIEWER)
        self.ui.copyButton.click()
        self.assertTrue(qt.QApplication.clipboard().text().startswith(SIGNED_LABEL))

    def test_theReviewersNameIsRemembered(self):
        self.sign()
        self.assertEqual(slicer.app.userSettings().value("Reg2RG/Reviewer"), REVIEWER)

    def test_nothingInASignedReportCanBeChanged(self):
        self.ui.acceptAllButton.click()
        self.ui.signButton.click()
        signed, ui = self.node.GetText(), self.ui
        buttons = (ui.acceptButton, ui.editButton, ui.rejectButton, ui.regenerateButton, ui.undoButton)
        self.assertEqual([button.name for button in (*buttons, ui.acceptAllButton) if button.enabled], [])
        self.assertTrue(ui.impressionEdit.readOnly)
        self.assertFalse(ui.signButton.isVisibleTo(ui.signRow))
        for keys in ("A", "R", "E", "G", "Ctrl+Z"):
            press(moduleWidget().parent, keys)
        review = self.logic.reviewOf(self.node)
        for change in (
            lambda: review.reject("lung"),
            lambda: review.edit("lung", "Clear."),
            lambda: review.setImpression("Nothing."),
            lambda: review.replace(review.section("lung")),
        ):
            self.assertRaisesRegex(InputError, "was signed by", change)
        for change in (
            lambda: self.logic.regenerateSection(self.node, "lung"),
            lambda: self.logic.measureReport(self.node),
        ):
            self.assertRaisesRegex(RuntimeError, "signed and cannot be changed. Begin an addendum", change)
        self.assertFalse(self.logic.run.active)
        self.assertEqual(self.node.GetText(), signed)

    def test_aCorrectedSegmentOfASignedReportIsMeasuredInItsAddendum(self):
        self.sign()
        signed = self.node.GetText()
        segmentation, volume = reportNode.segmentationOf(self.node), reportNode.volumeOf(self.node)
        array = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "heart", volume)
        corrected = np.array(array)
        corrected[: corrected.shape[0] // 2] = 0
        self.addCleanup(
            slicer.util.updateSegmentBinaryLabelmapFromArray, np.array(array), segmentation, "heart", volume
        )
        slicer.util.updateSegmentBinaryLabelmapFromArray(corrected, segmentation, "heart", volume)
        waitFor(lambda: "do not follow the segments" in self.ui.messageLabel.text, 10)
        self.assertEqual(self.node.GetText(), signed)
        before = self.stored().section("heart").volume_ml
        self.ui.addendumButton.click()
        waitFor(lambda: self.stored().section("heart").volume_ml != before)
        self.assertEqual(self.stored().record.review.earlier_signatures[0].reviewer, REVIEWER)
        waitFor(lambda: not self.logic.run.active)

    def test_aSignatureCannotBeUndone(self):
        self.sign()
        self.assertIsNone(self.logic.reviewOf(self.node).undo())
        self.ui.addendumButton.click()
        self.assertFalse(self.ui.undoButton.enabled)

    def test_anAddendumCanBeChangedAndSignedAndNamesTheSignedReport(self):
        self.sign()
        first = self.stored().signature
        self.ui.addendumButton.click()
        self.assertEqual(self.ui.bannerLabel.text, REVIEWED_LABEL)
        self.ui.rejectButton.click()
        self.ui.reviewerEdit.setText("Dr. B")
        self.ui.signButton.click()
        record = self.stored().record
        self.assertEqual((record.review.signature.reviewer, record.review.earlier_signatures), ("Dr. B", (first,)))

    def test_aSignedReportThatWasChangedInTheSceneIsNotOpened(self):
        self.sign()
        values = json.loads(self.node.GetText())
        values["review"]["impression"] = "Nothing."
        restore(self.node, json.dumps(values))
        self.assertIn("was changed after", self.ui.messageLabel.text)
        self.assertIsNone(self.panel.session.review)

    def test_aReviewedReportIsSavedAndOpenedAgain(self):
        self.ui.rejectButton.click()
        self.panel.navigation.select("heart")
        self.panel.review.edit()
        self.panel.sections.card("heart").findChild("QPlainTextEdit", "sectionEditor").setPlainText("A large heart.")
        self.sign()
        record = self.stored().record
        self.export("folder", self.folder / "saved")
        self.assertIn("Exported: ", self.ui.messageLabel.text)
        saved = load_report(self.folder / "saved")
        self.assertEqual(saved, record)
        self.assertEqual({file.name for file in saved.folder.iterdir()}, set(REPORT_FILES) - {PRIOR_TRANSFORM_FILE})
        self.assertEqual(set(saved.masks.present), {"lung", "heart", "bone"})
        finding = next(f for section in saved.sections for f in section.findings if f.segment)
        region = finding.segment.partition(".")[0]
        self.assertTrue(saved.finding_mask(region, finding.label).any())
        volume = reportNode.volumeOf(self.node)
        reportNode.removeReport(self.node)
        self.panel.exports.open(str(self.folder / "saved"))
        self.node = reportNode.reportOf(volume)
        self.assertIs(self.panel.session.node, self.node)
        self.assertEqual(self.stored().record, record)
        self.assertEqual(self.panel.sections.regions, ["lung", "heart", "bone"])
        self.assertIsNotNone(reportNode.findingsOf(self.node))
        self.assertIsNotNone(reportNode.structuresOf(self.node))
        self.assertTrue(self.ui.bannerLabel.text.startswith(f"✓ Signed by {REVIEWER}, "))

    def test_aSignedReportIsNeverReplacedInItsFolder(self):
        self.sign()
        self.export("folder", self.folder / "saved")
        signed = (self.folder / "saved" / "report.json").read_text(encoding="utf-8")
        self.ui.addendumButton.click()
        self.export("folder", self.folder / "saved")
        self.assertIn("contains a report signed by", self.ui.messageLabel.text)
        self.assertEqual((self.folder / "saved" / "report.json").read_text(encoding="utf-8"), signed)

    def test_aFolderWhoseVolumeIsNotInTheSceneIsNotOpened(self):
        values = json.loads(self.fresh)
        values["provenance"]["geometry"]["origin"][0] += 5.0
        (self.folder / "report.json").write_text(json.dumps(values), encoding="utf-8")
        self.panel.exports.open(str(self.folder))
        self.assertIn("No volume in the scene has the geometry of this report", self.ui.messageLabel.text)
        self.panel.exports.open(str(self.folder / "missing"))
        self.assertIn("is not a report folder", self.ui.messageLabel.text)
        self.assertEqual(self.node.GetText(), self.fresh)

    def test_theGeometryOfAVolumeIsThatOfTheEngine(self):
        volume = reportNode.volumeOf(self.node)
        self.assertTrue(self.stored().report.provenance.geometry.matches(savedReport.geometryOf(volume)))

    def test_theExportMenuOffersEveryFormat(self):
        labels = [action.text.rstrip("…") for action in self.ui.exportButton.menu().actions()]
        self.assertEqual(labels, [export.label for export in FORMATS.values()])

    def test_anExportRunsInTheEngineWithoutBlockingThePanel(self):
        self.panel.exports.export("text", str(self.folder / "chest"))
        self.assertTrue(self.logic.exports.active)
        self.assertFalse(self.ui.exportButton.enabled)
        self.panel.navigation.select("bone")
        waitFor(lambda: not self.logic.exports.active)
        text = (self.folder / "chest-draft.txt").read_text(encoding="utf-8")
        self.assertEqual(text, self.stored().asText())
        self.assertTrue(self.ui.exportButton.enabled)

    def test_aFailedExportIsExplainedInTheMessageArea(self):
        (self.folder / "chest-draft.txt").mkdir()
        self.export("text", self.folder / "chest")
        self.assertIn("is a folder, but a file has to be written there", self.ui.messageLabel.text)

    def test_onlyFilesInTheDicomDatabaseAreGivenToDicomExports(self):
        volume = reportNode.volumeOf(self.node)
        self.addCleanup(volume.RemoveAttribute, "DICOM.instanceUIDs")
        self.assertEqual(dicomSource.filesOf(volume), [])
        volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
        self.assertEqual(dicomSource.filesOf(volume), [])

    def test_gatheredDicomFilesAreThoseOfTheVolumeAlone(self):
        files = []
        for name in ("a", "b", "other"):
            (self.folder / name).write_text(name, encoding="utf-8")
            files.append(str(self.folder / name))
        folder = dicomSource.gather(files[:2], self.folder / "gathered")
        self.assertEqual(sorted(file.read_text(encoding="utf-8") for file in folder.iterdir()), ["a", "b"])

"""Findings: links to their locations, shown or hidden, described in rows. Runs in Slicer and in the host."""

import json
import os
import tempfile
import unittest
from dataclasses import replace

import slicer
from hands import clickLink, clickWidget, moduleWidget, press, settle, slicePoint, threeDView, waitFor
from located import (
    BONE_LESION,
    CONSOLIDATION,
    EFFUSION,
    HERNIA,
    NODULE,
    asSceneReview,
    makeReport,
    reopen,
    restore,
    rewrite,
    withoutFindingHead,
)
from Reg2RGModuleLib import regionsGeometry, reportNode


class FindingsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        cls.node = makeReport()
        cls.fresh = cls.node.GetText()

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    def setUp(self):
        self.logic = moduleWidget().logic
        self.panel = moduleWidget().panel
        self.ui = self.panel.ui
        self.ui.findingsCheckBox.checked = True
        restore(self.node, self.fresh)
        self.panel.navigation.select("heart")

    def section(self, region):
        return reportNode.read(self.node).section(region)

    def index(self, region, label):
        return [finding.label for finding in self.section(region).findings].index(label)

    def finding(self, region, label):
        return self.section(region).findings[self.index(region, label)]

    def regionLook(self, region):
        display = reportNode.segmentationOf(self.node).GetDisplayNode()
        return display.GetSegmentOpacity3D(region), display.GetSegmentOpacity2DFill(region)

    def findingLook(self, region, label):
        display = reportNode.findingsOf(self.node).GetDisplayNode()
        segmentId = f"{region}.{label}"
        return display.GetSegmentOpacity3D(segmentId), display.GetSegmentOpacity2DFill(segmentId)

    def textLabel(self, region):
        card = self.panel.sections.card(region)
        self.panel.scroll.reveal(card)
        settle()
        return card.findChild("QLabel", "sectionText")

    def rows(self, region):
        """Return the text of the finding rows in a card."""
        card = self.panel.sections.card(region)
        labels = card.findChildren("QLabel")
        return [label.text for label in labels if "<br><small>" in label.text and label.isVisibleTo(card)]

    def assertAt(self, point):
        settle()
        for actual, expected in zip(slicePoint(), point, strict=True):
            self.assertAlmostEqual(actual, expected, delta=0.1)
        for actual, expected in zip(threeDView().cameraNode().GetFocalPoint(), point, strict=True):
            self.assertAlmostEqual(actual, expected, delta=0.1)

    def test_aClickOnASentenceCentersTheViewsOnItsFindingAndHighlightsIt(self):
        clickLink(self.textLabel("lung"), str(self.index("lung", NODULE)))
        self.assertEqual(self.panel.sections.current, "lung")
        self.assertAt(self.finding("lung", NODULE).location.point_ras)
        self.assertEqual(self.findingLook("lung", NODULE)[0], 1.0)
        self.assertGreater(self.findingLook("lung", NODULE)[1], 0.2)
        self.assertLess(self.findingLook("lung", CONSOLIDATION)[1], 0.1)
        self.assertLess(self.findingLook("bone", BONE_LESION)[0], 0.2)
        self.assertLessEqual(self.regionLook("lung")[0], 0.2, "the finding is seen through its region")

    def test_theFindingIsDrawnInTheSliceThroughIt(self):
        from hands import sliceView

        self.ui.findingsCheckBox.checked = False
        self.panel.navigation.select("lung", self.index("lung", NODULE))
        settle()
        before = sliceView("Red").grab().toImage()
        self.ui.findingsCheckBox.checked = True
        self.panel.navigation.select("lung", self.index("lung", NODULE))
        settle()
        after = sliceView("Red").grab().toImage()
        x, y = after.width() // 2, after.height() // 2
        self.assertEqual(before.size(), after.size())
        # The finding is in the middle of the view. How many pixels it covers depends on the size of the view.
        middle = [(i, j) for i in range(x // 2, 3 * x // 2) for j in range(y // 2, 3 * y // 2)]
        self.assertTrue(any(before.pixel(i, j) != after.pixel(i, j) for i, j in middle))

    def test_aClickOnASentenceWithoutALocationSelectsTheSection(self):
        label = self.textLabel("abdomen")
        clickWidget(label, 5, 5)
        self.assertEqual(self.panel.sections.current, "abdomen")
        self.assertEqual(self.regionLook("abdomen")[0], 1.0)

    def test_aClickNextToTheLinksOfACardSelectsTheWholeSection(self):
        self.panel.navigation.select("lung", self.index("lung", NODULE))
        card = self.panel.sections.card("lung")
        clickWidget(card, 60, 12)
        self.assertEqual(self.regionLook("lung")[0], 1.0)
        self.assertLess(self.findingLook("lung", NODULE)[0], 1.0)

    def test_aFindingThatIsNotFocalHighlightsItsRegion(self):
        clickLink(self.textLabel("pleura"), str(self.index("pleura", EFFUSION)))
        self.assertAt(self.finding("pleura", EFFUSION).location.point_ras)
        self.assertEqual(self.regionLook("pleura")[0], 1.0)
        self.assertGreater(self.regionLook("pleura")[1], 0.2)
        shown = reportNode.findingsOf(self.node).GetDisplayNode().GetSegmentVisibility(f"pleura.{EFFUSION}")
        self.assertFalse(shown, "its region is shown instead")

    def test_aClickOnARowOfTheCardSelectsItsFinding(self):
        card = self.panel.sections.card("bone")
        self.panel.scroll.reveal(card)
        settle()
        labels = card.findChildren("QLabel")
        label = next(label for label in labels if BONE_LESION in label.text and "<br>" in label.text)
        clickLink(label, "finding")
        self.assertEqual(self.panel.sections.current, "bone")
        self.assertAt(self.finding("bone", BONE_LESION).location.point_ras)

    def test_pressingFStepsThroughTheFindingsOfTheSelectedSection(self):
        root = self.ui.generateButton.window()
        root.activateWindow()
        self.panel.sections.takeFocus()
        self.panel.navigation.select("lung")
        points = [finding.location.point_ras for finding in self.section("lung").findings if finding.location]
        self.assertEqual(len(points), 2)
        for point in (*points, points[0]):
            press(moduleWidget().parent, "F")
            self.assertAt(point)
        self.panel.navigation.select("thyroid")
        press(moduleWidget().parent, "F")
        self.assertEqual(self.panel.sections.current, "thyroid", "it has no findings")

    def test_theSelectedFindingIsMarkedByMoreThanColor(self):
        def marked():
            return [row for row in self.rows("lung") if "▸" in row]

        self.panel.navigation.select("lung")
        self.assertEqual(marked(), [])
        self.panel.navigation.nextFinding()
        self.assertEqual(len(marked()), 1)
        self.assertIn(NODULE, marked()[0])
        self.panel.navigation.select("bone")
        self.assertEqual(marked(), [])

    def test_findingsCanBeHiddenAndTheSceneStoresTheChoice(self):
        findings = reportNode.findingsOf(self.node)
        self.assertTrue(findings.GetDisplayNode().GetVisibility())
        self.ui.findingsCheckBox.click()
        self.assertFalse(findings.GetDisplayNode().GetVisibility())
        self.assertTrue(reportNode.segmentationOf(self.node).GetDisplayNode().GetVisibility())
        self.assertFalse(moduleWidget().logic.getParameterNode().showFindings)
        reopen()
        self.assertFalse(findings.GetDisplayNode().GetVisibility())
        self.ui.findingsCheckBox.click()
        self.assertTrue(findings.GetDisplayNode().GetVisibility())

    def test_aRowShowsLabelLocationProbabilityAndSource(self):
        nodule, consolidation = self.rows("lung")
        for part in (NODULE, "left upper lobe", "20 mm", "likely (87%)", "in the text and the image"):
            self.assertIn(part, nodule)
        for part in (CONSOLIDATION, "likely (75%)", "in the image, but denied in the text"):
            self.assertIn(part, consolidation)
        (hernia,) = self.rows("esophagus")
        self.assertIn("in the text only", hernia)
        (lesion,) = self.rows("bone")
        self.assertIn("in the image only", lesion)
        self.assertEqual(self.rows("heart"), [], "findings that text and head agree are absent are not listed")

    def test_aDisagreementBetweenTextAndFindingHeadIsShownAsAWarning(self):
        def warning(region):
            labels = self.panel.sections.card(region).findChildren("QLabel")
            return " ".join(label.text for label in labels if label.text.startswith("⚠"))

        self.assertIn("The text denies consolidation; the finding detector rates it likely (75%).", warning("lung"))
        self.assertIn(
            "The text states hiatal hernia; the finding detector rates it very unlikely (5%).", warning("esophagus")
        )
        self.assertNotIn("nodule", warning("lung"))

    def test_aVolumeThatIsOutOfDistributionIsReportedAndItsProbabilitiesAreNotCalibrated(self):
        root = moduleWidget().parent
        self.assertFalse(self.ui.warningLabel.isVisibleTo(root))

        def outOfDistribution(report):
            from reg2rg.report import OutOfDistribution

            sections = tuple(
                replace(section, findings=tuple(replace(finding, calibrated=False) for finding in section.findings))
                for section in report.sections
            )
            return replace(report, sections=sections, out_of_distribution=OutOfDistribution(9.0, 2.0))

        rewrite(self.node, outOfDistribution)
        self.assertTrue(self.ui.warningLabel.isVisibleTo(root))
        self.assertIn("This volume is unlike the model's training data.", self.ui.warningLabel.text)
        self.assertIn("not calibrated for this volume", self.rows("lung")[0])
        self.assertNotIn("likely (87%)", self.rows("lung")[0])

    def test_anEditedSectionLosesTheLinksInItsTextButKeepsItsRows(self):
        self.panel.navigation.select("lung")
        self.ui.editButton.click()
        card = self.panel.sections.card("lung")
        card.findChild("QPlainTextEdit", "sectionEditor").setPlainText("My own text.")
        self.ui.editButton.click()
        self.assertEqual(self.textLabel("lung").text, "My own text.")
        self.assertEqual(len(self.rows("lung")), 2)

    def test_theReportOfAModelWithoutAFindingHeadHasNoRows(self):
        rewrite(self.node, lambda report: withoutFindingHead(self.node))
        self.assertPlain()

    def test_aReportOfAnOlderSchemaVersionHasNoRows(self):
        document = asSceneReview(self.fresh, version=1)
        document["report"] = asSchemaVersion2(document["report"])
        self.node.SetText(json.dumps(document))
        reopen()
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertPlain()

    def assertPlain(self):
        root = moduleWidget().parent
        self.assertEqual(len(self.panel.sections.regions), 10)
        self.assertEqual([self.rows(region) for region in self.panel.sections.regions], [[]] * 10)
        self.assertFalse(self.ui.findingsRow.isVisibleTo(root))
        self.assertFalse(self.ui.warningLabel.isVisibleTo(root))
        self.assertNotIn("<a", self.textLabel("lung").text)
        self.panel.navigation.select("lung")
        self.panel.navigation.nextFinding()
        self.assertEqual(self.regionLook("lung")[0], 1.0)

    def test_theFindingsOfATransformedVolumeMoveWithIt(self):
        import vtk

        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(1, 3, 40.0)
        transform.SetMatrixTransformToParent(matrix)
        volume = reportNode.volumeOf(self.node)
        nodes = (volume, *reportNode.segmentationsOf(self.node))
        try:
            for node in nodes:
                node.SetAndObserveTransformNodeID(transform.GetID())
            self.panel.navigation.select("lung", self.index("lung", NODULE))
            r, a, s = self.finding("lung", NODULE).location.point_ras
            self.assertAt((r, a + 40.0, s))
            self.assertIn(f"lung.{NODULE}", regionsGeometry.regionsAt(nodes[2], (r, a + 40.0, s)))
        finally:
            for node in nodes:
                node.SetAndObserveTransformNodeID(None)
            slicer.mrmlScene.RemoveNode(transform)

    def test_findingsAndCorrectionsAreRestoredFromAnMrbFile(self):
        def corrected(report):
            lung = report.section("lung")
            findings = tuple(
                replace(finding, correction=False if finding.label == CONSOLIDATION else None)
                for finding in lung.findings
            )
            sections = tuple(
                replace(section, findings=findings) if section is lung else section for section in report.sections
            )
            return replace(report, sections=sections)

        rewrite(self.node, corrected)
        self.ui.findingsCheckBox.checked = False
        expected = self.finding("bone", BONE_LESION).location.point_ras
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "scene.mrb")
            self.assertTrue(slicer.mrmlScene.WriteToMRB(file))
            slicer.mrmlScene.Clear(0)
            unpacked = os.path.join(folder, "unpacked")
            os.mkdir(unpacked)
            self.assertTrue(slicer.app.applicationLogic().OpenSlicerDataBundle(file, unpacked))
            settle()
        type(self).node = reportNode.reportNodes()[0]
        self.assertFalse(self.ui.findingsCheckBox.checked)
        self.assertFalse(reportNode.findingsOf(self.node).GetDisplayNode().GetVisibility())
        self.ui.findingsCheckBox.checked = True
        self.panel.navigation.select("bone", self.index("bone", BONE_LESION))
        self.assertAt(expected)
        self.assertEqual(self.findingLook("bone", BONE_LESION)[0], 1.0)
        self.assertIn("marked as absent", self.rows("lung")[1])

    def test_theFindingsHaveSurfaces(self):
        import vtk

        waitFor(lambda: not self.logic.views.findingSurfaces.busy)
        for segmentId in (f"lung.{NODULE}", f"bone.{BONE_LESION}"):
            surface = vtk.vtkPolyData()
            self.assertTrue(reportNode.findingsOf(self.node).GetClosedSurfaceRepresentation(segmentId, surface))
            self.assertGreater(surface.GetNumberOfPolys(), 50)

    def test_findingsThatTheSectionDoesNotListCanBeAdded(self):
        self.panel.navigation.select("lung")
        offered = []
        menu = self.ui.addFindingButton.menu()
        menu.aboutToShow.emit()
        offered = [action.text for action in menu.actions()]
        self.assertIn("Emphysema", offered)
        self.assertNotIn(NODULE, offered)
        self.assertNotIn(HERNIA, offered)

    def test_everyLabelCanBeAddedToSomeRegion(self):
        from Reg2RGModuleLib.findingText import LABELS_BY_REGION

        from reg2rg.labeler import ALL_LABELS
        from reg2rg.regions import REGION_NAMES

        self.assertEqual({label for labels in LABELS_BY_REGION.values() for label in labels}, set(ALL_LABELS))
        self.assertEqual(set(LABELS_BY_REGION), set(REGION_NAMES))


def asSchemaVersion2(report):
    """Return a stored report (schema version 5) in schema version 2, which had no findings yet."""
    renamed = {"disclaimer": "label", "skipped_regions": "without_section"}
    old = {renamed.get(name, name): value for name, value in report.items() if name != "out_of_distribution"}
    old["schema_version"] = 2
    old["provenance"] = dict(report["provenance"], seconds=report["provenance"]["stage_seconds"])
    del old["provenance"]["stage_seconds"]
    old["sections"] = []
    for section in report["sections"]:
        removed = ("recognized", "findings", "disagreements", "sentences")
        oldSection = {name: value for name, value in section.items() if name not in removed}
        sentences = [
            {
                "start": sentence["start"],
                "end": sentence["end"],
                "mean_probability": sentence["mean_probability"],
                "minimum_probability": sentence["min_probability"],
            }
            for sentence in section["sentences"]
        ]
        old["sections"].append(
            {**oldSection, "recognised": section["recognized"], "state": "draft", "sentences": sentences}
        )
    return old

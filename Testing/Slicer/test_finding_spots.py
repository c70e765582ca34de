"""Findings: sentences and lines that lead to a spot, shown or hidden, told in words. Runs in Slicer and in the host."""

import json
import os
import tempfile
import unittest

import slicer
from hands import clickLink, clickWidget, moduleWidget, press, settle, slicePoint, threeDView, waitFor
from located import BONE_LESION, CONSOLIDATION, EFFUSION, HERNIA, NODULE, makeReport, reopen
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
        self.panel = moduleWidget().panel
        self.ui = self.panel.ui
        self.ui.findingsCheckBox.checked = True
        if self.node.GetText() != self.fresh:
            self.node.SetText(self.fresh)
            reopen()
        self.panel.select("heart")

    # --- what the tests look at ---

    def section(self, region):
        return reportNode.read(self.node).section(region)

    def index(self, region, label):
        return [finding["label"] for finding in self.section(region)["findings"]].index(label)

    def finding(self, region, label):
        return self.section(region)["findings"][self.index(region, label)]

    def regionLook(self, region):
        display = reportNode.segmentationOf(self.node).GetDisplayNode()
        return display.GetSegmentOpacity3D(region), display.GetSegmentOpacity2DFill(region)

    def findingLook(self, region, label):
        display = reportNode.findingsOf(self.node).GetDisplayNode()
        segmentId = f"{region}.{label}"
        return display.GetSegmentOpacity3D(segmentId), display.GetSegmentOpacity2DFill(segmentId)

    def textLabel(self, region):
        card = self.panel.sections.card(region)
        self.ui.sectionsArea.ensureWidgetVisible(card)
        settle()
        return card.findChild("QLabel", "sectionText")

    def lines(self, region):
        """Text of the lines that a card has for findings."""
        card = self.panel.sections.card(region)
        labels = card.findChildren("QLabel")
        return [label.text for label in labels if "<br><small>" in label.text and label.isVisibleTo(card)]

    def assertAt(self, point):
        settle()
        for seen, wanted in zip(slicePoint(), point, strict=True):
            self.assertAlmostEqual(seen, wanted, delta=0.1)
        for seen, wanted in zip(threeDView().cameraNode().GetFocalPoint(), point, strict=True):
            self.assertAlmostEqual(seen, wanted, delta=0.1)

    # --- tests ---

    def test_aClickOnASentenceGoesToTheSpotOfItsFindingAndLightsItUp(self):
        clickLink(self.textLabel("lung"), str(self.index("lung", NODULE)))
        self.assertEqual(self.panel.sections.current, "lung")
        self.assertAt(self.finding("lung", NODULE)["location"]["point_ras"])
        self.assertEqual(self.findingLook("lung", NODULE)[0], 1.0)
        self.assertGreater(self.findingLook("lung", NODULE)[1], 0.2)
        self.assertLess(self.findingLook("lung", CONSOLIDATION)[1], 0.1)
        self.assertLess(self.findingLook("bone", BONE_LESION)[0], 0.2)
        self.assertLessEqual(self.regionLook("lung")[0], 0.2, "the spot is seen through its region")

    def test_theSpotIsDrawnInTheSliceThatGoesThroughIt(self):
        from hands import sliceView

        self.ui.findingsCheckBox.checked = False
        self.panel.selectFinding("lung", self.index("lung", NODULE))
        settle()
        before = sliceView("Red").grab().toImage()
        self.ui.findingsCheckBox.checked = True
        self.panel.selectFinding("lung", self.index("lung", NODULE))
        settle()
        after = sliceView("Red").grab().toImage()
        x, y = after.width() // 2, after.height() // 2
        self.assertEqual(before.size(), after.size())
        changed = sum(before.pixel(i, j) != after.pixel(i, j) for i in range(0, 2 * x, 3) for j in range(0, 2 * y, 3))
        self.assertGreater(changed, 20)

    def test_aClickOnASentenceWithoutAPlaceSelectsTheSection(self):
        label = self.textLabel("abdomen")
        clickWidget(label, 5, 5)
        self.assertEqual(self.panel.sections.current, "abdomen")
        self.assertEqual(self.regionLook("abdomen")[0], 1.0)

    def test_aClickBesideTheLinksOfACardSelectsTheSectionAsAWhole(self):
        self.panel.selectFinding("lung", self.index("lung", NODULE))
        card = self.panel.sections.card("lung")
        clickWidget(card, 60, 12)
        self.assertEqual(self.regionLook("lung")[0], 1.0)
        self.assertLess(self.findingLook("lung", NODULE)[0], 1.0)

    def test_aFindingThatIsNoSpotLightsUpItsRegion(self):
        clickLink(self.textLabel("pleura"), str(self.index("pleura", EFFUSION)))
        self.assertAt(self.finding("pleura", EFFUSION)["location"]["point_ras"])
        self.assertEqual(self.regionLook("pleura")[0], 1.0)
        self.assertGreater(self.regionLook("pleura")[1], 0.2)
        shown = reportNode.findingsOf(self.node).GetDisplayNode().GetSegmentVisibility(f"pleura.{EFFUSION}")
        self.assertFalse(shown, "its region is shown in its place")

    def test_aLineOfTheCardLeadsToTheSpotToo(self):
        card = self.panel.sections.card("bone")
        self.ui.sectionsArea.ensureWidgetVisible(card)
        settle()
        label = next(each for each in card.findChildren("QLabel") if BONE_LESION in each.text and "<br>" in each.text)
        clickLink(label, "spot")
        self.assertEqual(self.panel.sections.current, "bone")
        self.assertAt(self.finding("bone", BONE_LESION)["location"]["point_ras"])

    def test_theKeyFStepsThroughTheFindingsOfTheSelectedSection(self):
        root = self.ui.generateButton.window()
        root.activateWindow()
        self.ui.sectionsArea.setFocus()
        self.panel.select("lung")
        places = [
            finding["location"]["point_ras"] for finding in self.section("lung")["findings"] if finding["location"]
        ]
        self.assertEqual(len(places), 2)
        for place in (*places, places[0]):
            press(moduleWidget().parent, "F")
            self.assertAt(place)
        self.panel.select("thyroid")
        press(moduleWidget().parent, "F")
        self.assertEqual(self.panel.sections.current, "thyroid", "it has none; nothing happens")

    def test_theCurrentFindingIsMarkedByMoreThanColour(self):
        def marked():
            return [line for line in self.lines("lung") if "▸" in line]

        self.panel.select("lung")
        self.assertEqual(marked(), [])
        self.panel.nextFinding()
        self.assertEqual(len(marked()), 1)
        self.assertIn(NODULE, marked()[0])
        self.panel.select("bone")
        self.assertEqual(marked(), [])

    def test_findingsCanBeHiddenAndTheSceneRemembersIt(self):
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

    def test_aLineTellsWhatWhereHowProbableAndWhoSaysSo(self):
        nodule, consolidation = self.lines("lung")
        for words in (NODULE, "left upper lobe", "20 mm", "likely (87%)", "in text and image"):
            self.assertIn(words, nodule)
        for words in (CONSOLIDATION, "likely (75%)", "seen in the image, denied in the text"):
            self.assertIn(words, consolidation)
        (hernia,) = self.lines("esophagus")
        self.assertIn("in the text only", hernia)
        (lesion,) = self.lines("bone")
        self.assertIn("in the image only", lesion)
        self.assertEqual(self.lines("heart"), [], "what text and head hold for absent is no finding")

    def test_aDisagreementOfTextAndHeadIsAWarningOfTheCard(self):
        def warning(region):
            labels = self.panel.sections.card(region).findChildren("QLabel")
            return " ".join(label.text for label in labels if label.text.startswith("⚠"))

        self.assertIn("The text denies consolidation; the finding detector calls it likely (75%).", warning("lung"))
        self.assertIn(
            "The text says hiatal hernia; the finding detector calls it very unlikely (5%).", warning("esophagus")
        )
        self.assertNotIn("nodule", warning("lung"))

    def test_aVolumeUnlikeTheTrainingDataIsSaidAndItsProbabilitiesAreNotSure(self):
        root = moduleWidget().parent
        self.assertFalse(self.ui.familiarityLabel.isVisibleTo(root))
        document = json.loads(self.fresh)
        document["report"]["familiarity"] = {"distance": 9.0, "limit": 2.0, "familiar": False}
        for section in document["report"]["sections"]:
            for finding in section["findings"]:
                finding["calibrated"] = False
        self.node.SetText(json.dumps(document))
        reopen()
        self.assertTrue(self.ui.familiarityLabel.isVisibleTo(root))
        self.assertIn("This volume is unlike the model's training data.", self.ui.familiarityLabel.text)
        self.assertIn("not calibrated for this volume", self.lines("lung")[0])
        self.assertNotIn("likely (87%)", self.lines("lung")[0])

    def test_anEditedSectionHasNoLinksInItsTextButKeepsItsLines(self):
        self.panel.select("lung")
        self.ui.editButton.click()
        card = self.panel.sections.card("lung")
        card.findChild("QPlainTextEdit", "sectionEditor").setPlainText("My own words.")
        self.ui.editButton.click()
        self.assertEqual(self.textLabel("lung").text, "My own words.")
        self.assertEqual(len(self.lines("lung")), 2)

    def test_aReportOfAModelWithoutAFindingHeadLooksAsItDid(self):
        document = json.loads(self.fresh)
        document["report"]["familiarity"] = None
        for section in document["report"]["sections"]:
            section["findings"] = [each for each in section["findings"] if each["text"] is not None]
            section["disagreements"] = []
            for finding in section["findings"]:
                finding.update(probability=None, location=None, segment=None, source="text")
        self.node.SetText(json.dumps(document))
        reopen()
        self.assertPlain()

    def test_aReportOfAnOlderVersionLooksAsItDid(self):
        document = json.loads(self.fresh)
        report = document["report"]
        report["schema_version"] = 2
        del report["familiarity"]
        for section in report["sections"]:
            del section["findings"], section["disagreements"]
            for sentence in section["sentences"]:
                del sentence["findings"]
        self.node.SetText(json.dumps(document))
        reopen()
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertPlain()

    def assertPlain(self):
        root = moduleWidget().parent
        self.assertEqual(len(self.panel.sections.regions), 10)
        self.assertEqual([self.lines(region) for region in self.panel.sections.regions], [[]] * 10)
        self.assertFalse(self.ui.findingsRow.isVisibleTo(root))
        self.assertFalse(self.ui.familiarityLabel.isVisibleTo(root))
        self.assertNotIn("<a", self.textLabel("lung").text)
        self.panel.select("lung")
        self.panel.nextFinding()
        self.assertEqual(self.regionLook("lung")[0], 1.0)

    def test_aSpotOfAMovedVolumeMovesWithIt(self):
        import vtk

        move = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(1, 3, 40.0)
        move.SetMatrixTransformToParent(matrix)
        volume = reportNode.volumeOf(self.node)
        nodes = (volume, *reportNode.segmentationsOf(self.node))
        try:
            for node in nodes:
                node.SetAndObserveTransformNodeID(move.GetID())
            self.panel.selectFinding("lung", self.index("lung", NODULE))
            r, a, s = self.finding("lung", NODULE)["location"]["point_ras"]
            self.assertAt((r, a + 40.0, s))
            self.assertIn(f"lung.{NODULE}", regionsGeometry.regionsAt(nodes[2], (r, a + 40.0, s)))
        finally:
            for node in nodes:
                node.SetAndObserveTransformNodeID(None)
            slicer.mrmlScene.RemoveNode(move)

    def test_savedAsMrbAndLoadedFindingsAndWhatWasSaidOfThemAreBack(self):
        document = json.loads(self.fresh)
        lung = next(each for each in document["report"]["sections"] if each["region"] == "lung")
        next(each for each in lung["findings"] if each["label"] == CONSOLIDATION)["said"] = False
        self.node.SetText(json.dumps(document))
        self.ui.findingsCheckBox.checked = False
        wanted = self.finding("bone", BONE_LESION)["location"]["point_ras"]
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
        self.panel.selectFinding("bone", self.index("bone", BONE_LESION))
        self.assertAt(wanted)
        self.assertEqual(self.findingLook("bone", BONE_LESION)[0], 1.0)
        self.assertIn("you: not there", self.lines("lung")[1])

    def test_theFindingsHaveSurfaces(self):
        import vtk

        waitFor(lambda: not self.panel.views.findingSurfaces.busy)
        for segmentId in (f"lung.{NODULE}", f"bone.{BONE_LESION}"):
            surface = vtk.vtkPolyData()
            self.assertTrue(reportNode.findingsOf(self.node).GetClosedSurfaceRepresentation(segmentId, surface))
            self.assertGreater(surface.GetNumberOfPolys(), 50)

    def test_itIsOfferedToAddWhatTheSectionDoesNotList(self):
        self.panel.select("lung")
        offered = []
        menu = self.ui.addFindingButton.menu()
        menu.aboutToShow.emit()
        offered = [action.text for action in menu.actions()]
        self.assertIn("Emphysema", offered)
        self.assertNotIn(NODULE, offered)
        self.assertNotIn(HERNIA, offered)

    def test_everyFindingThatTheReaderKnowsIsOfferedInSomeRegion(self):
        from Reg2RGModuleLib.findingWords import OFFERED

        from reg2rg.labeler import ALL_LABELS
        from reg2rg.regions import REGION_NAMES

        self.assertEqual({label for labels in OFFERED.values() for label in labels}, set(ALL_LABELS))
        self.assertEqual(set(OFFERED), set(REGION_NAMES))

"""Measurements on the cards and in the views, with the real engine. Runs in Slicer and in the host."""

import html
import json
import os
import tempfile
import unittest
from dataclasses import replace

import numpy as np
import qt
import slicer
import vtk
from hands import (
    arrayOfRegion,
    click,
    clickLink,
    drag,
    generate,
    moduleWidget,
    press,
    settle,
    slicePoint,
    sliceView,
    threeDView,
    waitFor,
)
from located import asSceneReview, restore, rewrite
from Reg2RGModuleLib import densities, measurementLines, regionsGeometry, reportNode
from Reg2RGModuleLib.review import Review

from reg2rg.report import ReviewState

TRACHEA = "trachea_coronal/trachea and bronchie/"
SAGITTAL = "trachea_sagittal/trachea and bronchie/"
LUNG = "lung_volume/lung/right lung"


fresh = ""
"""The review of the report that all tests share, before any change."""


def setUpModule():
    global fresh
    slicer.mrmlScene.Clear(0)
    panel = moduleWidget().panel
    panel.inputs.loadSample()
    generate(panel)
    fresh = reportNode.reportNodes()[0].GetText()


def tearDownModule():
    slicer.mrmlScene.Clear(0)


class MeasurementsTest(unittest.TestCase):
    """What the tests have in common."""

    def setUp(self):
        self.logic, self.panel = moduleWidget().logic, moduleWidget().panel
        self.ui = self.panel.ui
        restore(self.node, self.before())
        self.panel.navigation.select("trachea and bronchie")

    def before(self):
        """Return the review that a test starts with, as JSON."""
        return fresh

    @property
    def node(self):
        return reportNode.reportNodes()[0]

    @property
    def review(self):
        """The review that the panel shows."""
        return self.panel.session.review

    def stored(self):
        """Return a copy of the review as the scene stores it."""
        return reportNode.read(self.node)

    def shown(self, region, name, kind="QLabel"):
        """Return the visible widgets of a name in a card."""
        settle()
        card = self.panel.sections.card(region)
        return [widget for widget in card.findChildren(kind, name) if widget.isVisibleTo(card)]

    def row(self, region, key):
        """Return the row of a measurement."""
        name = self.review.measurement(key).name
        return next(row for row in self.shown(region, "measurementRow") if f">{name}</a>" in row.text)

    def clickRow(self, region, key):
        row = self.row(region, key)
        self.panel.scroll.reveal(row)
        settle()
        clickLink(row, "measurement")

    def button(self, region, name):
        return self.shown(region, name, "QPushButton")[0]

    def lines(self):
        return slicer.util.getNodesByClass("vtkMRMLMarkupsLineNode")

    def measured(self, key):
        return self.review.measurement(key)

    def moveFirstLine(self, millimeters):
        """Move the last end of the drawn line away from the first one by a number of millimeters."""
        markups = self.lines()[0]
        first, last = (np.array(markups.GetNthControlPointPosition(index)) for index in range(2))
        moved = last + millimeters * (last - first) / np.linalg.norm(last - first)
        markups.SetNthControlPointPosition(1, *moved.tolist())
        waitFor(lambda: self.measured(markups.GetAttribute(measurementLines.KEY_ATTRIBUTE)).uncertainty is None, 5)
        settle()


class SeenMeasurementsTest(MeasurementsTest):
    def test_aRowShowsNameValueCutOffAndReservations(self):
        given = [m for m in self.stored().measurements("trachea and bronchie") if m.value is not None]
        self.assertGreater(len(given), 2)
        measurement = self.stored().measurement(TRACHEA)
        self.assertIn(f"<b>{measurement.text}</b>", self.row("trachea and bronchie", TRACHEA).text)
        reserved = replace(
            measurement,
            adjective="dilated",
            cutoff="40 mm and more",
            conditions=(replace(measurement.conditions[0], met=False, reason="slices are 8 mm apart"),)
            if measurement.conditions
            else (),
        )
        from Reg2RGModuleLib.measurementText import rowHtml

        self.assertIn("<b>dilated (40 mm and more)</b>", rowHtml(reserved, False))
        bone = next(m for m in self.stored().report.evidence.measurements if m.reserved and m.value is not None)
        self.assertIn(f"⚠ interpret with caution: {', '.join(bone.reservations)}", rowHtml(bone, False))
        self.assertNotEqual(rowHtml(bone, True), rowHtml(bone, False), "the current row is marked")

    def test_measurementsWithoutAValueAreFoldedAwayWithTheirReasons(self):
        missing = [m for m in self.stored().measurements("abdomen") if m.value is None]
        self.assertTrue(missing)
        fold = self.shown("abdomen", "measurementsNotGiven", "QToolButton")[0]
        self.assertEqual(fold.accessibleName, f"Not given ({len(missing)})")
        self.assertEqual(self.shown("abdomen", "measurementReasons"), [])
        fold.click()
        text = self.shown("abdomen", "measurementReasons")[0].text
        for measurement in missing:
            self.assertIn(html.escape(f"{measurement.name}: {measurement.text.removeprefix('not given: ')}"), text)

    def test_everyGivenMeasurementHasARow(self):
        for region in self.panel.sections.regions:
            for fold in self.shown(region, "moreMeasurements", "QToolButton"):
                fold.click()
            given = [m for m in self.stored().measurements(region) if m.value is not None]
            self.assertEqual(len(self.shown(region, "measurementRow")), len(given), region)

    def test_aClickOnARowDrawsItsLineAndCentersTheViewsOnIt(self):
        self.clickRow("trachea and bronchie", TRACHEA)
        measurement = self.measured(TRACHEA)
        line = self.lines()[0]
        self.assertEqual(len(self.lines()), 1)
        self.assertEqual(line.GetName(), measurement.name)
        self.assertTrue(line.GetLocked())
        self.assertAlmostEqual(line.GetMeasurement("length").GetValue(), measurement.value, delta=0.05)
        middle = np.mean([measurement.lines[0].start_ras, measurement.lines[0].end_ras], axis=0)
        for actual, expected in zip(slicePoint(), middle, strict=True):
            self.assertAlmostEqual(actual, expected, delta=0.1)
        for actual, expected in zip(threeDView().cameraNode().GetFocalPoint(), middle, strict=True):
            self.assertAlmostEqual(actual, expected, delta=0.1)
        self.assertIn("▸", self.row("trachea and bronchie", TRACHEA).text)

    def test_theLineIsSeenInTheSlice(self):
        self.clickRow("trachea and bronchie", TRACHEA)
        settle()
        drawn = sliceView("Red").grab().toImage()
        self.lines()[0].GetDisplayNode().SetVisibility(False)
        settle()
        without = sliceView("Red").grab().toImage()
        self.assertNotEqual(drawn, without)

    def test_anotherMeasurementOrSectionRemovesTheLine(self):
        self.clickRow("trachea and bronchie", TRACHEA)
        self.clickRow("trachea and bronchie", SAGITTAL)
        self.assertEqual([line.GetName() for line in self.lines()], [self.measured(SAGITTAL).name])
        self.panel.navigation.select("heart")
        self.assertEqual(self.lines(), [])

    def test_aMeasurementWithoutALineLightsItsStructure(self):
        structures = reportNode.structuresOf(self.node)
        self.assertFalse(structures.GetDisplayVisibility(), "structures are hidden by default")
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        segments = structures.GetSegmentation()
        segments.RemoveRepresentation(name)  # other tests may have lit other structures
        self.panel.navigation.select("lung")
        self.clickRow("lung", LUNG)
        self.assertTrue(structures.GetDisplayVisibility())
        display = structures.GetDisplayNode()
        lit = {each for each in regionsGeometry.segmentIds(structures) if display.GetSegmentVisibility(each)}
        self.assertEqual(lit, {"lung_right"})
        self.assertGreater(segments.GetSegment("lung_right").GetRepresentation(name).GetNumberOfPoints(), 100)
        self.assertEqual(segments.GetSegment("lung_left").GetRepresentation(name).GetNumberOfPoints(), 0)
        self.panel.navigation.select("heart")
        self.assertFalse(structures.GetDisplayVisibility())

    def test_closingTheReportRemovesItsLines(self):
        self.clickRow("trachea and bronchie", TRACHEA)
        self.panel.setParameters(None)
        self.assertEqual(self.lines(), [])
        moduleWidget().initializeParameterNode()

    def test_theLinesOfATransformedVolumeMoveWithIt(self):
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode", "shift")
        transform.SetMatrixTransformToParent(shiftOf(30.0))
        try:
            for node in (reportNode.volumeOf(self.node), *reportNode.segmentationsOf(self.node)):
                node.SetAndObserveTransformNodeID(transform.GetID())
            self.clickRow("trachea and bronchie", TRACHEA)
            start = self.lines()[0].GetNthControlPointPositionWorld(0)
            self.assertAlmostEqual(start[0], self.measured(TRACHEA).lines[0].start_ras[0] + 30.0, delta=0.1)
            middle = np.mean([self.lines()[0].GetNthControlPointPositionWorld(index) for index in range(2)], axis=0)
            self.assertAlmostEqual(slicePoint()[0], middle[0], delta=0.1)
        finally:
            slicer.mrmlScene.RemoveNode(transform)

    def test_theTechniqueStandsInTheHeaderOfTheReport(self):
        text = self.ui.techniqueLabel.text
        self.assertTrue(text.startswith("Technique: "), text)
        for words in self.stored().report.technique.values():
            self.assertIn(words, text)
        self.assertTrue(self.ui.techniqueLabel.isVisibleTo(moduleWidget().parent))

    def test_theLungsHaveAHistogramOfTheirDensities(self):
        self.panel.navigation.select("lung")
        settle()
        plot = self.shown("lung", "densityPlot", "QWidget")[0]
        volume, segmentation = reportNode.volumeOf(self.node), reportNode.segmentationOf(self.node)
        values = slicer.util.arrayFromVolume(volume)[arrayOfRegion(segmentation, "lung", volume)]
        histogram = plot.histogram()
        inRange = (values >= densities.LOWEST_HU) & (values <= densities.HIGHEST_HU)
        self.assertEqual(sum(histogram.counts), int(inRange.sum()))
        most = histogram.lowest + histogram.step * int(np.argmax(histogram.counts))
        self.assertTrue(-1000 < most < -700, most)
        self.assertEqual(self.shown("heart", "densityPlot", "QWidget"), [])

    def test_theVertebraeHaveABarPerLevel(self):
        self.assertEqual(self.shown("bone", "vertebraPlot", "QWidget"), [], "estimated vertebrae have no density")

        def withDensities(report):
            values = iter(range(100, 200, 10))
            evidence = replace(
                report.evidence,
                measurements=tuple(
                    replace(m, value=float(next(values)), part=f"T{index}") if m.measure == "vertebra_hu" else m
                    for index, m in enumerate(report.evidence.measurements)
                ),
            )
            return replace(report, evidence=evidence)

        rewrite(self.node, withDensities)
        plot = self.shown("bone", "vertebraPlot", "QWidget")[0]
        levels = plot.levels()
        self.assertGreater(len(levels), 3)
        self.assertEqual([level.hu for level in levels], list(range(100, 100 + 10 * len(levels), 10)))
        self.assertTrue(all(level.name.startswith("T") for level in levels))
        empty = plot.grab().toImage()
        plot.setLevels(())
        self.assertNotEqual(plot.grab().toImage(), empty, "bars are drawn")


class ChangedMeasurementsTest(MeasurementsTest):
    def test_aRemovedMeasurementIsBroughtBackByUndo(self):
        self.clickRow("trachea and bronchie", TRACHEA)
        self.button("trachea and bronchie", "removeMeasurementButton").click()
        self.assertIsNone(self.stored().measurement(TRACHEA))
        self.assertEqual([m.key for m in self.stored().removedMeasurements("trachea and bronchie")], [TRACHEA])
        self.assertEqual(self.lines(), [], "its line is removed as well")
        self.assertNotIn("Transverse diameter of the trachea", self.stored().asText())
        self.ui.undoButton.click()
        self.assertIsNotNone(self.stored().measurement(TRACHEA))
        self.assertIn("Transverse diameter of the trachea", self.stored().asText())

    def test_movingAnEndOfALineChangesItsValueInMillimeters(self):
        before = self.measured(TRACHEA)
        self.clickRow("trachea and bronchie", TRACHEA)
        self.button("trachea and bronchie", "editMeasurementButton").click()
        self.assertFalse(self.lines()[0].GetLocked())
        self.moveFirstLine(5.0)
        after = self.measured(TRACHEA)
        self.assertAlmostEqual(after.value, before.value + 5.0, delta=0.05)
        self.assertEqual(after.text, f"{after.value:.0f} mm (measured by the reviewer)")
        self.assertIn(after.text, self.row("trachea and bronchie", TRACHEA).text)
        self.assertIn(after.text, self.stored().asText())
        ratio = self.measured("trachea_ratio/trachea and bronchie/")
        self.assertAlmostEqual(ratio.value, after.value / self.measured(SAGITTAL).value, places=3)
        self.button("trachea and bronchie", "editMeasurementButton").click()
        self.assertTrue(self.lines()[0].GetLocked())
        self.ui.undoButton.click()
        settle()
        self.assertEqual(self.measured(TRACHEA), before)
        self.assertAlmostEqual(self.lines()[0].GetMeasurement("length").GetValue(), before.value, delta=0.05)

    def test_anEndIsDraggedInASliceAndEscapeLocksTheLine(self):
        before = self.measured(TRACHEA).value
        self.clickRow("trachea and bronchie", TRACHEA)
        self.button("trachea and bronchie", "editMeasurementButton").click()
        settle()
        view = sliceView("Red")
        start = positionOf(view, self.lines()[0].GetNthControlPointPositionWorld(1))
        click(view, *start)
        self.assertEqual(len(self.lines()), 1, "a click on an end selects no section")
        drag(view, start, (start[0] + 10, start[1]))
        after = self.measured(TRACHEA)
        self.assertGreater(abs(after.value - before), 2.0)
        self.assertIn("measured by the reviewer", after.text)
        self.ui.undoButton.click()
        self.assertEqual(self.measured(TRACHEA).value, before, "one drag is one step")
        self.panel.sections.takeFocus()
        press(moduleWidget().parent, "Escape")
        self.assertTrue(self.lines()[0].GetLocked())

    def test_aMeasurementWithoutALineCannotBeEdited(self):
        self.panel.navigation.select("lung")
        self.clickRow("lung", LUNG)
        self.assertEqual(self.shown("lung", "editMeasurementButton", "QPushButton"), [])
        self.assertTrue(self.shown("lung", "removeMeasurementButton", "QPushButton"))

    def test_decisionsAndLinesAreRestoredFromAnMrbFile(self):
        self.clickRow("trachea and bronchie", TRACHEA)
        self.button("trachea and bronchie", "editMeasurementButton").click()
        self.moveFirstLine(5.0)
        value = self.measured(TRACHEA).value
        self.review.removeMeasurement(SAGITTAL)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "scene.mrb")
            self.assertTrue(slicer.mrmlScene.WriteToMRB(file))
            slicer.mrmlScene.Clear(0)
            unpacked = os.path.join(folder, "unpacked")
            os.mkdir(unpacked)
            self.assertTrue(slicer.app.applicationLogic().OpenSlicerDataBundle(file, unpacked))
            settle()
        self.assertEqual(self.measured(TRACHEA).value, value)
        self.assertIsNone(self.measured(SAGITTAL))
        self.assertEqual(len(self.lines()), 1, "the line is in the scene")
        self.assertAlmostEqual(self.lines()[0].GetMeasurement("length").GetValue(), value, delta=0.05)
        self.assertEqual(self.panel.sections.current, "trachea and bronchie")
        self.assertIn("▸", self.row("trachea and bronchie", TRACHEA).text)
        self.assertIsNotNone(reportNode.structuresOf(self.node))
        self.panel.navigation.select("lung")
        self.clickRow("lung", LUNG)
        self.assertTrue(reportNode.structuresOf(self.node).GetDisplayVisibility())
        self.assertEqual(self.lines(), [])

    def test_reviewsOfFormatVersion1HaveNoDecisionsAboutMeasurements(self):
        self.review.accept("heart")
        self.review.removeMeasurement(SAGITTAL)
        values = asSceneReview(self.node.GetText(), version=1)
        older = Review.fromJson(json.dumps(values))
        self.assertEqual(older.state("heart"), ReviewState.ACCEPTED)
        self.assertIsNotNone(older.measurement(SAGITTAL))
        values.update(version=2, measurements={SAGITTAL: {"removed": True, "lines": [{"start_ras": [1, 2]}]}})
        with self.assertRaisesRegex(ValueError, "cannot be read"):
            Review.fromJson(json.dumps(values))

    def test_decisionsSurviveACrash(self):
        self.review.removeMeasurement(SAGITTAL)
        key = self.panel.recovery.folder / f"{os.getpid()}-{self.node.GetID()}.review.json"
        self.assertIsNone(Review.fromJson(key.read_text(encoding="utf-8")).measurement(SAGITTAL))
        structures = self.panel.recovery.folder / f"{os.getpid()}-{self.node.GetID()}.structures.seg.nrrd"
        self.assertTrue(structures.exists())

    def test_aCorrectedSegmentIsMeasuredAgainByItself(self):
        before, volumeBefore = self.measured(LUNG).value, self.stored().section("lung").volume_ml
        self.review.removeMeasurement(SAGITTAL)
        self.review.accept("lung")
        self.review.accept("esophagus")
        segmentation, volume = reportNode.segmentationOf(self.node), reportNode.volumeOf(self.node)
        original = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, "lung", volume)
        array = original.copy()
        array[: array.shape[0] // 2] = 0
        try:
            slicer.util.updateSegmentBinaryLabelmapFromArray(array, segmentation, "lung", volume)
            waitFor(lambda: self.logic.run.active, 10)
            self.assertTrue(self.logic.run.measuring)
            self.assertTrue(self.ui.rejectButton.enabled, "the review goes on meanwhile")
            waitFor(lambda: not self.logic.run.active)
            settle()
            self.assertEqual(self.ui.messageLabel.text, "")
            measured = self.stored().measurement(LUNG)
            self.assertTrue(measured.value is None or measured.value < 0.8 * before)
            section = self.stored().section("lung")
            self.assertLess(section.volume_ml, 0.8 * volumeBefore, "the section's own numbers follow")
            self.assertIsNone(self.stored().measurement(SAGITTAL), "what was decided is kept")
            self.assertEqual(self.stored().state("lung"), ReviewState.DRAFT, "other numbers must be accepted again")
            self.assertEqual(self.stored().state("esophagus"), ReviewState.ACCEPTED)
            self.ui.undoButton.click()  # the acceptance of the esophagus
            after = self.stored().measurement(LUNG)
            self.assertEqual(after, measured, "undo does not bring old numbers back")
        finally:
            slicer.util.updateSegmentBinaryLabelmapFromArray(original, segmentation, "lung", volume)
            self.logic.views.watch.forget()


class HiddenTextTest(MeasurementsTest):
    def before(self):
        return Review.ofReport(silenced(Review.fromJson(fresh).report)).toJson()

    def test_theDraftConsistsOfMeasurementsAndTheModelsTextIsFoldedAway(self):
        from reg2rg.report import MODEL_TEXT_HIDDEN

        section = self.stored().section("lung")
        card = self.panel.sections.card("lung")
        self.assertIn("Lung volume, right lung", card.findChild("QLabel", "sectionText").text)
        self.assertNotIn(section.text[:20], card.findChild("QLabel", "sectionText").text)
        self.assertEqual(self.shown("lung", "modelText"), [], "it is closed at first")
        fold = self.shown("lung", "modelTextButton", "QToolButton")[0]
        self.assertEqual(fold.accessibleName, MODEL_TEXT_HIDDEN)
        fold.setFocus()
        press(moduleWidget().parent, "Space")
        body = self.shown("lung", "modelText")[0].text
        self.assertIn(section.text, body)
        for finding in section.findings:
            if finding.listed:
                self.assertIn(finding.label, body)
        press(moduleWidget().parent, "Space")
        self.assertEqual(self.shown("lung", "modelText"), [])

    def test_theLinkOfTheFoldedTextOpensIt(self):
        self.panel.navigation.select("lung")
        card = self.panel.sections.card("lung")
        link = next(label for label in card.findChildren("QLabel") if "Model text, not shown" in label.text)
        clickLink(link, "fold")
        self.assertEqual(len(self.shown("lung", "modelText")), 1)

    def test_aCorrectedFindingOfAHiddenSectionShowsNothingOfTheModel(self):
        def corrected(report):
            lung = report.section("lung")
            first = replace(lung.findings[0], correction=True)
            lung = replace(lung, findings=(first, *lung.findings[1:]))
            return replace(report, sections=tuple(lung if s.region == "lung" else s for s in report.sections))

        rewrite(self.node, corrected)
        finding = self.stored().section("lung").findings[0]
        self.assertTrue(finding.location is not None and finding.segment is not None)
        labels = self.panel.sections.card("lung").findChildren("QLabel")
        (row,) = [label.text for label in labels if f"<b>{finding.label}</b>" in label.text]
        self.assertEqual(row, f"<b>{finding.label}</b><br><small>marked as present</small>")
        self.assertEqual(self.stored().locatedFindings("lung"), [])
        self.assertEqual(self.stored().visibleSegments, set())

    def test_findingsOfHiddenSectionsAreNotShownInTheViews(self):
        self.assertTrue(any(section.findings for section in self.stored().report.sections))
        self.assertEqual(self.stored().visibleSegments, set())
        for region in self.stored().regions:
            self.assertEqual(self.stored().locatedFindings(region), [])
        self.panel.navigation.select("lung")
        self.panel.navigation.nextFinding()
        self.assertEqual(self.panel.sections.current, "lung")

    def test_acceptingEverythingAcceptsDraftsInOneStepAndNoHiddenText(self):
        self.panel.navigation.select("heart")
        self.ui.rejectButton.click()
        self.ui.acceptAllButton.click()
        stored = self.stored()
        self.assertEqual(stored.state("heart"), ReviewState.REJECTED)
        others = [region for region in stored.regions if region != "heart"]
        self.assertEqual({stored.state(region) for region in others}, {ReviewState.ACCEPTED})
        self.assertFalse(self.ui.acceptAllButton.enabled)
        for region in others:
            self.assertEqual(stored.text(region), stored.section(region).draft)
            self.assertNotIn(stored.section(region).text, stored.text(region))
            self.assertNotIn(stored.section(region).text, stored.impression)
        self.ui.undoButton.click()
        self.assertEqual({self.stored().state(region) for region in others}, {ReviewState.DRAFT})
        self.assertEqual(self.stored().state("heart"), ReviewState.REJECTED)
        self.assertEqual(self.ui.reviewedLabel.text, "1 of 10 reviewed, 1 rejected")

    def test_theCopyContainsHiddenTextOnlyOnRequestAndMarkedAsSuch(self):
        from reg2rg.report import MODEL_TEXT_HIDDEN

        text = self.stored().section("lung").text
        self.ui.copyButton.click()
        self.assertNotIn(text, qt.QApplication.clipboard().text())
        action = self.ui.copyButton.menu().actions()[0]
        self.assertEqual(action.text, "Copy with model text")
        action.trigger()
        copied = qt.QApplication.clipboard().text()
        self.assertIn(f"[{MODEL_TEXT_HIDDEN}:] {text}", " ".join(copied.split()))

    def test_theTextFollowsItsMeasurementsUntilItIsEdited(self):
        self.assertIn("Sagittal diameter of the trachea", self.review.text("trachea and bronchie"))
        self.review.accept("trachea and bronchie")
        self.review.removeMeasurement(SAGITTAL)
        self.assertNotIn("Sagittal diameter of the trachea", self.stored().text("trachea and bronchie"))
        self.assertEqual(self.stored().state("trachea and bronchie"), ReviewState.DRAFT)
        self.clickRow("trachea and bronchie", TRACHEA)
        self.button("trachea and bronchie", "editMeasurementButton").click()
        self.moveFirstLine(5.0)
        self.assertIn("(measured by the reviewer)", self.stored().text("trachea and bronchie"))
        self.ui.undoButton.click()
        self.ui.undoButton.click()
        self.assertIn("Sagittal diameter of the trachea", self.stored().text("trachea and bronchie"))
        self.assertEqual(self.stored().state("trachea and bronchie"), ReviewState.ACCEPTED)
        self.review.edit("trachea and bronchie", "My own text.")
        self.review.removeMeasurement(SAGITTAL)
        self.assertEqual(self.stored().text("trachea and bronchie"), "My own text.")


def positionOf(view, ras):
    """Return where a point is in a slice view, in pixels from its top left corner."""
    toXy = slicer.vtkMRMLSliceNode.SafeDownCast(view.mrmlSliceNode()).GetXYToRAS()
    inverse = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(toXy, inverse)
    x, y = inverse.MultiplyPoint((*ras, 1.0))[:2]
    return round(x), view.renderWindow().GetSize()[1] - 1 - round(y)


def silenced(report):
    """Return a report as it is written for a volume that is unlike the training data."""
    from reg2rg.measurements import region_sentences
    from reg2rg.report import OutOfDistribution

    sections = tuple(
        replace(section, model_text_hidden=True, measured=region_sentences(report.evidence, section.region))
        for section in report.sections
    )
    return replace(report, sections=sections, out_of_distribution=OutOfDistribution(9.0, 2.0))


def shiftOf(millimeters):
    """Return a matrix that moves everything to the right."""
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(0, 3, millimeters)
    return matrix

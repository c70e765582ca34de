"""Reg2RGModuleLogic without the panel, as scripts and other modules use it. Runs in Slicer and in the host."""

import unittest

import qt
import slicer
from hands import FEW_REGIONS, keepSegments, moduleWidget, settle, waitFor
from Reg2RGModule import Reg2RGModuleLogic
from Reg2RGModuleLib import reportNode
from Reg2RGModuleLib.parameters import RunParameters

from reg2rg.report import ReviewState


def loadSample():
    """Load the sample case, and return its volume and the parameters of a run that uses its regions.

    The device is that of the panel; the engine would have to start again for another one.
    """
    panel = moduleWidget().panel
    panel.inputs.loadSample()
    parameters = panel.inputs.parameters
    return parameters.inputVolume, RunParameters(regions=parameters.regions)


class LogicTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        cls.volume, cls.parameters = loadSample()
        cls.logic = Reg2RGModuleLogic()
        cls.node = cls.logic.generateReportAndWait(cls.volume, cls.parameters)

    @classmethod
    def tearDownClass(cls):
        cls.logic.close()
        cls.logic.engine.end()
        slicer.mrmlScene.Clear(0)

    def display(self):
        return reportNode.segmentationOf(self.node).GetDisplayNode()

    def test_theBlockingFormReturnsTheReportNodeOfTheVolume(self):
        self.assertIs(self.logic.reportOf(self.volume), self.node)
        self.assertFalse(self.logic.run.active)
        self.assertEqual(len(self.logic.reviewOf(self.node).regions), 10)

    def test_aVolumeWithoutAReportHasNone(self):
        self.assertIsNone(self.logic.reportOf(None))

    def test_selectingASectionHighlightsItsRegion(self):
        self.logic.selectSection(self.node, "heart")
        self.assertEqual(self.display().GetSegmentOpacity3D("heart"), 1.0)
        self.assertLess(self.display().GetSegmentOpacity3D("lung"), 0.2)
        self.assertEqual(self.volume.GetDisplayNode().GetWindow(), 400)

    def test_selectingASectionThatDoesNotExistIsAnError(self):
        with self.assertRaisesRegex(ValueError, 'no section "knee"; expected one of: lung, '):
            self.logic.selectSection(self.node, "knee")
        with self.assertRaisesRegex(ValueError, 'no section "knee"'):
            self.logic.regenerateSection(self.node, "knee")

    def test_changesToTheReviewAreStoredInTheScene(self):
        review = self.logic.reviewOf(self.node)
        review.accept("bone")
        self.assertEqual(reportNode.read(self.node).state("bone"), ReviewState.ACCEPTED)
        self.assertIs(self.logic.reviewOf(self.node), review, "the same object for everyone")
        review.undo()

    def test_aReviewIsReadAgainIfOtherCodeChangedItsNode(self):
        before, text = self.logic.reviewOf(self.node), self.node.GetText()
        other = reportNode.read(self.node)
        other.reject("bone")
        reportNode.write(self.node, other)
        self.assertEqual(self.logic.reviewOf(self.node).state("bone"), ReviewState.REJECTED)
        before.accept("bone")
        self.assertEqual(reportNode.read(self.node).state("bone"), ReviewState.REJECTED, "the old object is detached")
        self.node.SetText(text)

    def test_aSectionIsRegeneratedAndTheRunReportsToItsCallbacks(self):
        progress, sections, completed = [], [], []
        before = self.logic.reviewOf(self.node)
        before.accept("heart")
        self.logic.regenerateSectionAndWait(
            self.node,
            "heart",
            parameters=self.parameters,
            onProgress=lambda fraction, message: progress.append(fraction),
            onSection=lambda section: sections.append(section.region),
            onCompleted=completed.append,
        )
        self.assertEqual(progress, sorted(progress))
        self.assertEqual(sections, ["heart"])
        self.assertEqual(completed, [self.node])
        self.assertEqual(self.logic.reviewOf(self.node).state("heart"), ReviewState.DRAFT)
        self.assertEqual(reportNode.read(self.node).state("heart"), ReviewState.DRAFT)
        self.logic.regenerateSectionAndWait(self.node, "heart", parameters=self.parameters)
        self.assertEqual(len(completed), 1, "callbacks belong to one run")

    def test_anUnknownCallbackIsAnError(self):
        with self.assertRaises(TypeError):
            self.logic.generateReport(self.volume, self.parameters, onSuccess=print)
        self.assertFalse(self.logic.run.active)

    def test_cancelEndsTheRunAndTheBlockingFormRaises(self):
        canceled = []
        timer = qt.QTimer()
        timer.setSingleShot(True)
        timer.setInterval(50)
        timer.connect("timeout()", self.logic.cancel)
        timer.start()
        with self.assertRaisesRegex(RuntimeError, "canceled"):
            self.logic.generateReportAndWait(
                self.volume, self.parameters, onCancelled=lambda: canceled.append(True), onFailed=self.fail
            )
        self.assertEqual(canceled, [True])
        self.assertIs(self.logic.reportOf(self.volume), self.node, "the earlier report is still there")

    def test_onlyOneRunAtATime(self):
        ended = []
        self.logic.generateReport(self.volume, self.parameters, onCancelled=lambda: ended.append(True))
        with self.assertRaisesRegex(RuntimeError, "already in progress"):
            self.logic.generateReport(self.volume, self.parameters)
        self.assertTrue(self.logic.run.active, "the first run continues")
        self.logic.cancel()
        waitFor(lambda: ended)

    def test_aVolumeThatIsNotACtFailsWithTheMessageOfTheEngine(self):
        import numpy as np

        noise = slicer.util.addVolumeFromArray(np.random.default_rng(0).normal(size=(30, 30, 30)), name="noise")
        failures = []
        with self.assertRaisesRegex(RuntimeError, '"noise" is not a chest CT in HU'):
            self.logic.generateReportAndWait(
                noise, RunParameters(), onFailed=lambda message, log: failures.append(message)
            )
        self.assertEqual(len(failures), 1)
        self.assertIsNone(self.logic.reportOf(noise))
        slicer.mrmlScene.RemoveNode(noise)


class SharedLogicTest(unittest.TestCase):
    """Panel and scripts share the logic of the widget."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.logic = moduleWidget().logic
        self.panel = moduleWidget().panel
        self.volume, self.parameters = loadSample()
        keepSegments(self.parameters.regions, FEW_REGIONS)

    def tearDown(self):
        slicer.mrmlScene.Clear(0)

    def test_thePanelFollowsAScript(self):
        node = self.logic.generateReportAndWait(self.volume, self.parameters)
        settle()
        self.assertEqual(self.panel.sections.regions, list(FEW_REGIONS))
        self.logic.selectSection(node, "bone")
        self.assertEqual(self.panel.sections.current, "bone")
        self.logic.reviewOf(node).accept("bone")
        self.assertEqual(self.panel.ui.reviewedLabel.text, "1 of 3 reviewed")
        self.panel.ui.undoButton.click()
        self.assertEqual(self.logic.reviewOf(node).state("bone"), ReviewState.DRAFT)

    def test_theModulesItDependsOnAreLoaded(self):
        dependencies = slicer.modules.reg2rgmodule.dependencies
        self.assertEqual(sorted(dependencies), ["Markups", "Segmentations", "Volumes"])
        for name in dependencies:
            self.assertTrue(hasattr(slicer.modules, name.lower()), name)

    def test_withoutParametersTheChoicesInThePanelAreUsed(self):
        node = self.logic.generateReportAndWait(self.volume)
        self.assertFalse(self.logic.reviewOf(node).section("lung").approximate, "its regions were given")

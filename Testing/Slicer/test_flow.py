"""From the button to the report, and all the ways a run can end otherwise. Runs in Slicer and in the host."""

import glob
import os
import signal
import tempfile
import unittest

import slicer
from hands import generate, moduleWidget, settle, waitFor
from Reg2RGModuleLib import engineProcess, reportNode
from Reg2RGModuleLib.reportRun import PREFIX, STAGES

REGIONS_IN_READING_ORDER = [
    "lung",
    "trachea and bronchie",
    "pleura",
    "mediastinum",
    "heart",
    "esophagus",
    "thyroid",
    "breast",
    "bone",
    "abdomen",
]


class FlowTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.widget = moduleWidget()
        self.panel = self.widget.panel
        self.ui = self.panel.ui
        self.engine = self.widget.logic.engine

    def tearDown(self):
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.foldersOfRuns(), [], "a run left its folder behind")

    def foldersOfRuns(self):
        return glob.glob(os.path.join(tempfile.gettempdir(), f"{PREFIX}{os.getpid()}-*"))

    def startSample(self):
        self.panel.inputs.loadSample()
        self.ui.generateButton.click()
        self.assertTrue(self.panel.run.active, self.ui.messageLabel.text)

    def test_withoutAVolumeTheButtonIsOffAndTheSampleIsOffered(self):
        self.assertFalse(self.ui.generateButton.enabled)
        self.assertTrue(self.ui.sampleButton.isVisibleTo(self.ui.sampleButton.parent()))
        self.assertFalse(self.ui.bannerLabel.isVisibleTo(self.ui.bannerLabel.parent()))

    def test_theFirstVolumeThatIsLoadedIsChosen(self):
        import numpy as np

        volume = slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="first")
        slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="second")
        settle()
        self.assertIs(self.panel.inputs.parameters.inputVolume, volume)
        self.assertEqual(self.ui.inputVolumeSelector.currentNode(), volume)
        self.assertTrue(self.ui.generateButton.enabled)

    def test_theSampleCaseGivesTenSectionsInReadingOrder(self):
        self.panel.inputs.loadSample()
        generate(self.panel)
        self.assertEqual(self.panel.sections.regions, REGIONS_IN_READING_ORDER)
        self.assertEqual(self.ui.reviewedLabel.text, "0 of 10 reviewed")
        self.assertIn("not reviewed", self.ui.bannerLabel.text)
        self.assertIn("nodule", self.ui.impressionEdit.toPlainText())

    def test_sectionsAppearWhileTheRunGoesOn(self):
        stages, growing, written = [], [], []
        self.panel.run.progressed.connect(lambda fraction, words: stages.append((fraction, words.split(":")[0])))
        self.panel.run.sectionGrew.connect(lambda region, text: growing.append(self.panel.run.active))
        self.panel.run.sectionWritten.connect(lambda section: written.append(self.panel.run.active))
        self.startSample()
        self.assertEqual(self.ui.generateButton.text, "Cancel")
        self.engine.event.emit({"event": "notice", "message": "It runs in 8bit."})
        self.assertIn("It runs in 8bit.", self.ui.messageLabel.text)
        waitFor(lambda: not self.panel.run.active)
        self.assertEqual(len(written), 10)
        self.assertTrue(all(written) and all(growing) and growing)
        self.assertIn("It runs in 8bit.", self.ui.messageLabel.text, "the notice stays beside the result")
        self.assertEqual([fraction for fraction, _ in stages], sorted(fraction for fraction, _ in stages))
        self.assertEqual(list(dict.fromkeys(words for _, words in stages)), [words for _, _, words in STAGES.values()])
        self.assertEqual(self.ui.generateButton.text, "Generate report")

    def test_sectionsAndTheirBannerAreInSightWhileTheyAreWritten(self):
        seen = []

        def listener(section):
            seen.append(self.whatIsInSight(section["region"]))

        self.panel.run.sectionWritten.connect(listener)
        self.addCleanup(self.panel.run.sectionWritten.disconnect, listener)  # the panel outlives the test
        self.startSample()
        waitFor(lambda: not self.panel.run.active)
        self.assertEqual(seen, [(True, "not reviewed")] * 10)

    def whatIsInSight(self, region):
        root = moduleWidget().parent
        card, banner = self.panel.sections.card(region), self.ui.bannerLabel
        words = "not reviewed" if banner.isVisibleTo(root) and "not reviewed" in banner.text else ""
        return card.isVisibleTo(root), words

    def test_enteringTheModuleAgainDuringARunChangesNothing(self):
        self.startSample()
        waitFor(lambda: self.panel.sections.regions)
        self.widget.exit()
        self.widget.enter()
        self.assertEqual(self.panel.sections.regions, REGIONS_IN_READING_ORDER)
        waitFor(lambda: not self.panel.run.active)
        self.assertEqual(len(self.panel.sections.regions), 10)

    def test_regionsOfOneVolumeAreNotTakenForAnother(self):
        import numpy as np

        self.panel.inputs.loadSample()
        self.assertIsNotNone(self.panel.inputs.parameters.regions)
        other = slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="other")
        self.ui.inputVolumeSelector.setCurrentNode(other)
        self.assertIsNone(self.panel.inputs.parameters.regions)
        self.assertIsNone(self.ui.regionsSelector.currentNode())

    def test_noIdentifierOfTheVolumeReachesTheEngine(self):
        self.panel.inputs.loadSample()
        volume = self.panel.inputs.parameters.inputVolume
        volume.SetName("Doe^John")
        volume.SetAttribute("DICOM.instanceUIDs", "1.2.840.99")
        self.ui.generateButton.click()
        with open(os.path.join(self.foldersOfRuns()[0], "volume.nrrd"), "rb") as file:
            header = file.read().partition(b"\n\n")[0]
        self.panel.sceneClosing()
        self.assertIn(b"NRRD", header)
        self.assertNotIn(b"1.2.840.99", header)
        self.assertNotIn(b"Doe", header)

    def test_theEventLoopIsNeverHeldUpForLong(self):
        import itertools
        import time

        import qt

        self.startSample()
        ticks, timer = [time.monotonic()], qt.QTimer()
        timer.connect("timeout()", lambda: ticks.append(time.monotonic()))
        timer.start(5)
        waitFor(lambda: not self.panel.run.active)
        timer.stop()
        ticks.append(time.monotonic())
        longest = max(later - earlier for earlier, later in itertools.pairwise(ticks))
        self.assertLess(longest, 3.0, "loading the regions and their surfaces is the longest step")

    def test_automaticRegionsWorkAndSayThatTheyAreEstimated(self):
        self.panel.inputs.loadSample()
        self.ui.regionsSelector.setCurrentNode(None)
        generate(self.panel)
        self.assertIn("lung", self.panel.sections.regions)
        node = reportNode.reportNodes()[0]
        self.assertTrue(reportNode.read(node).section("lung")["approximate"])

    def test_cancelWorksInEveryStage(self):
        for stage, (begin, _, words) in STAGES.items():
            if stage == "save":
                continue  # it is over before a click could reach it
            with self.subTest(stage=stage):
                slicer.mrmlScene.Clear(0)
                self.startSample()
                waitFor(lambda begin=begin: self.ui.progressBar.value >= round(100 * begin) and self.ui.stageLabel.text)
                nodesWithRun = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
                self.ui.generateButton.click()
                waitFor(lambda: not self.panel.run.active, 30)
                settle()
                self.assertEqual(reportNode.reportNodes(), [])
                self.assertLessEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), nodesWithRun)
                self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 1, words)
                self.assertIn("Cancelled", self.ui.messageLabel.text)
                self.assertEqual(self.ui.generateButton.text, "Generate report")
                self.assertEqual(self.panel.sections.regions, [])

    def test_aKilledWorkerIsReportedAndTheNextRunWorks(self):
        self.startSample()
        waitFor(lambda: self.ui.progressBar.value >= 3)
        os.kill(self.engine.processId(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        waitFor(lambda: not self.panel.run.active, 30)
        self.assertIn("memory", self.ui.messageLabel.text)
        self.assertIn("Try again", self.ui.messageLabel.text)
        self.assertIn("stage", self.ui.logEdit.toPlainText())
        generate(self.panel)
        self.assertEqual(len(self.panel.sections.regions), 10)
        self.assertEqual(self.ui.messageLabel.text, "")

    @unittest.skipUnless(hasattr(signal, "SIGSTOP"), "a process cannot be stopped here")
    def test_aHungWorkerIsEndedAndReported(self):
        before = engineProcess.SECONDS_WITHOUT_HEARTBEAT
        engineProcess.SECONDS_WITHOUT_HEARTBEAT = 2.5
        try:
            self.startSample()
            waitFor(lambda: self.ui.progressBar.value >= 3)
            os.kill(self.engine.processId(), signal.SIGSTOP)
            waitFor(lambda: not self.panel.run.active, 30)
        finally:
            engineProcess.SECONDS_WITHOUT_HEARTBEAT = before
        self.assertIn("no sign", self.ui.messageLabel.text)
        generate(self.panel)
        self.assertEqual(len(self.panel.sections.regions), 10)

    def test_aStandstillOfTheApplicationIsNotTakenForOneOfTheEngine(self):
        import time

        before = engineProcess.SECONDS_WITHOUT_HEARTBEAT
        engineProcess.SECONDS_WITHOUT_HEARTBEAT = 2.5
        try:
            self.startSample()
            waitFor(lambda: self.ui.progressBar.value >= 3)
            time.sleep(engineProcess.SECONDS_WITHOUT_HEARTBEAT + 0.5)  # the application stands still
            waitFor(lambda: not self.panel.run.active)
        finally:
            engineProcess.SECONDS_WITHOUT_HEARTBEAT = before
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(len(self.panel.sections.regions), 10)

    def test_anApplicationThatStandsStillUntilTheRunHasEndedStillGetsItsReport(self):
        import time

        self.startSample()
        waitFor(lambda: self.ui.progressBar.value >= 3)
        done = os.path.join(self.foldersOfRuns()[0], "report", "report.json")
        while not os.path.exists(done):
            time.sleep(0.1)  # the application stands still, so no event can tell
        waitFor(lambda: not self.panel.run.active and not self.panel.views.surfaces.busy)
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(len(self.panel.sections.regions), 10)

    @unittest.skipUnless(hasattr(signal, "SIGKILL"), "memory cannot be limited here")
    def test_anEngineThatRunsOutOfMemoryIsReportedWithItsLogAndTheNextRunWorks(self):
        import sys

        from Reg2RGModuleLib import locations

        python = locations.ownPython() or sys.executable
        self.engine.end()
        with tempfile.TemporaryDirectory() as folder:
            limited = os.path.join(folder, "python")
            with open(limited, "w") as script:
                script.write(f'#!/bin/sh\nulimit -v 1400000\nexec "{python}" "$@"\n')
            os.chmod(limited, 0o755)
            before = locations.ownPython()
            locations.setOwnPython(limited)
            try:
                self.startSample()
                waitFor(lambda: not self.panel.run.active)
            finally:
                locations.setOwnPython(before)
                self.engine.end()
        self.assertIn("memory", self.ui.messageLabel.text)
        self.assertIn("close other programs", self.ui.messageLabel.text)
        self.assertNotEqual(self.ui.logEdit.toPlainText(), "")
        generate(self.panel)
        self.assertEqual(len(self.panel.sections.regions), 10)

    def test_anEngineThatCannotStartIsReported(self):
        from Reg2RGModuleLib import locations

        self.engine.end()
        locations.setOwnPython("/no/such/python")
        try:
            self.panel.inputs.loadSample()
            self.ui.generateButton.click()
            waitFor(lambda: not self.panel.run.active, 30)
            self.assertIn("/no/such/python", self.ui.messageLabel.text)
            self.assertFalse(self.engine._watch.isActive(), "nobody is left to be watched")
        finally:
            locations.setOwnPython("")

    def test_aVolumeThatIsNoCtIsRefusedInWords(self):
        import numpy as np

        volume = slicer.util.addVolumeFromArray(np.random.default_rng(0).normal(size=(30, 30, 30)), name="noise")
        self.ui.inputVolumeSelector.setCurrentNode(volume)
        generate(self.panel)
        self.assertIn('"noise" has no values below', self.ui.messageLabel.text)
        self.assertNotIn(tempfile.gettempdir(), self.ui.messageLabel.text)
        self.assertEqual(reportNode.reportNodes(), [])
        self.assertFalse(self.panel.run.active)

    def test_anEmptyVolumeIsRefusedInWords(self):
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        self.ui.inputVolumeSelector.setCurrentNode(volume)
        self.ui.generateButton.click()
        self.assertIn("empty", self.ui.messageLabel.text)
        self.assertFalse(self.panel.run.active)

    def test_closingTheSceneEndsTheRunAndItsProcess(self):
        self.startSample()
        waitFor(lambda: self.ui.progressBar.value >= 3)
        process = self.engine.processId()
        slicer.mrmlScene.Clear(0)
        settle()
        self.assertFalse(self.panel.run.active)
        self.assertRaises(OSError, os.kill, process, 0)
        self.assertEqual(self.panel.sections.regions, [])

    def test_aVolumeDeletedDuringTheRunEndsItWithAMessage(self):
        self.startSample()
        waitFor(lambda: self.ui.progressBar.value >= 3)
        slicer.mrmlScene.RemoveNode(self.panel.run.volume)
        waitFor(lambda: not self.panel.run.active, 60)
        self.assertEqual(reportNode.reportNodes(), [])
        self.panel.inputs.loadSample()
        generate(self.panel)
        self.assertEqual(len(reportNode.reportNodes()), 1)

    def test_foldersOfACrashedSlicerAreRemovedAtTheNextStart(self):
        from Reg2RGModuleLib.reportRun import removeLeftovers

        gone = tempfile.mkdtemp(prefix=f"{PREFIX}999999999-")
        alive = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getppid()}-")
        try:
            removeLeftovers()
            self.assertFalse(os.path.exists(gone))
            self.assertTrue(os.path.exists(alive))
        finally:
            os.rmdir(alive)

"""From the Generate button to the report, or any other end of a run. Runs in Slicer and in the host."""

import contextlib
import glob
import itertools
import os
import shutil
import signal
import sys
import tempfile
import time
import unittest

import qt
import slicer
from hands import FEW_REGIONS, generate, loadSample, moduleWidget, settle, waitFor
from Reg2RGModuleLib import engineProcess, locations, reportNode
from Reg2RGModuleLib.runFolder import FOLDER_PREFIX, removeLeftovers
from Reg2RGModuleLib.stageNames import stageName

from reg2rg.pipeline.events import STAGE_SPANS, Notice, Stage

NOTICE = "The model runs in 8 bits."
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


@contextlib.contextmanager
def chosenPython(python):
    """Choose a Python for the engine."""
    before = locations.ownPython()
    locations.setOwnPython(python)
    try:
        yield
    finally:
        locations.setOwnPython(before)


@contextlib.contextmanager
def heartbeatTimeout(seconds):
    """Change how long the engine may be silent."""
    before = engineProcess.HEARTBEAT_TIMEOUT_S
    engineProcess.HEARTBEAT_TIMEOUT_S = seconds
    try:
        yield
    finally:
        engineProcess.HEARTBEAT_TIMEOUT_S = before


class ObservedRunTest(unittest.TestCase):
    """One run over the whole sample case, observed from its start to its end."""

    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        cls.panel, cls.logic = moduleWidget().panel, moduleWidget().logic
        cls.ui = cls.panel.ui
        cls.stages, cls.growing, cls.written, cls.visible, cls.ticks = [], [], [], [], []
        observers = (
            (cls.logic.run.progressed, lambda fraction, text: cls.stages.append((fraction, text.split(":")[0]))),
            (cls.logic.run.sectionGrew, lambda region, text: cls.growing.append(cls.logic.run.active)),
            (cls.logic.run.sectionWritten, lambda section: cls.written.append(cls.logic.run.active)),
            (cls.logic.run.sectionWritten, lambda section: cls.visible.append(cls.visibility(section.region))),
        )
        for signal_, observer in observers:
            signal_.connect(observer)
        timer = qt.QTimer()
        timer.connect("timeout()", lambda: cls.ticks.append(time.monotonic()))
        cls.panel.inputs.loadSample()
        cls.ui.generateButton.click()
        cls.buttonDuringTheRun = cls.ui.generateButton.text
        timer.start(5)
        cls.ticks.append(time.monotonic())
        cls.logic.engine.event.emit(Notice(NOTICE))
        cls.messageDuringTheRun = cls.ui.messageLabel.text
        waitFor(lambda: not cls.logic.run.active)
        timer.stop()
        cls.ticks.append(time.monotonic())
        for signal_, observer in observers:
            signal_.disconnect(observer)
        settle()

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    @classmethod
    def visibility(cls, region):
        """Return whether the card of a region is visible, and what the visible banner says."""
        root = moduleWidget().parent
        card, banner = cls.panel.sections.card(region), cls.ui.bannerLabel
        label = "not reviewed" if banner.isVisibleTo(root) and "not reviewed" in banner.text else ""
        return card.isVisibleTo(root), label

    def test_theSampleCaseYieldsTenSectionsInReadingOrder(self):
        self.assertEqual(self.panel.sections.regions, REGIONS_IN_READING_ORDER)
        self.assertEqual(self.ui.reviewedLabel.text, "0 of 10 reviewed")
        self.assertIn("not reviewed", self.ui.bannerLabel.text)
        self.assertIn("nodule", self.ui.impressionEdit.toPlainText())

    def test_sectionsAppearDuringTheRun(self):
        self.assertEqual(len(self.written), 10)
        self.assertTrue(all(self.written) and all(self.growing) and self.growing)

    def test_theStagesFollowOneAnother(self):
        fractions = [fraction for fraction, _ in self.stages]
        self.assertEqual(fractions, sorted(fractions))
        names = list(dict.fromkeys(name for _, name in self.stages))
        self.assertEqual(names, [stageName(stage) for stage in STAGE_SPANS if stage is not Stage.COMPARE])

    def test_theGenerateButtonCancelsTheRunUntilItEnds(self):
        self.assertEqual(self.buttonDuringTheRun, "Cancel")
        self.assertEqual(self.ui.generateButton.text, "Generate report")

    def test_aMessageOfTheEngineIsShownAtOnceAndStaysWithTheResult(self):
        self.assertIn(NOTICE, self.messageDuringTheRun)
        self.assertIn(NOTICE, self.ui.messageLabel.text)

    def test_sectionsAndTheDraftBannerAreVisibleWhileSectionsAreWritten(self):
        self.assertEqual(self.visible, [(True, "not reviewed")] * 10)

    def test_theEventLoopIsNeverBlockedForLong(self):
        longest = max(later - earlier for earlier, later in itertools.pairwise(self.ticks))
        self.assertLess(longest, 3.0, "loading the regions and making their surfaces is the longest step")


class RunTest(unittest.TestCase):
    """What the tests have in common."""

    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.widget = moduleWidget()
        self.panel = self.widget.panel
        self.ui = self.panel.ui
        self.logic = self.widget.logic
        self.engine = self.logic.engine

    def tearDown(self):
        slicer.mrmlScene.Clear(0)
        self.assertEqual(self.foldersOfRuns(), [], "a run left its folder behind")

    def foldersOfRuns(self):
        return glob.glob(os.path.join(tempfile.gettempdir(), f"{FOLDER_PREFIX}{os.getpid()}-*"))

    def startSample(self):
        loadSample(self.panel)
        self.ui.generateButton.click()
        self.assertTrue(self.logic.run.active, self.ui.messageLabel.text)

    def cancel(self):
        """Cancel the run. The engine remains for the next test, unlike after closing the scene."""
        self.ui.generateButton.click()
        waitFor(lambda: not self.logic.run.active)


class FlowTest(RunTest):
    def test_withoutAVolumeTheGenerateButtonIsDisabledAndTheSampleIsOffered(self):
        self.assertFalse(self.ui.generateButton.enabled)
        self.assertTrue(self.ui.sampleButton.isVisibleTo(self.ui.sampleButton.parent()))
        self.assertFalse(self.ui.bannerLabel.isVisibleTo(self.ui.bannerLabel.parent()))

    def test_theFirstLoadedVolumeIsSelected(self):
        import numpy as np

        volume = slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="first")
        slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="second")
        settle()
        self.assertIs(self.panel.inputs.parameters.inputVolume, volume)
        self.assertEqual(self.ui.inputVolumeSelector.currentNode(), volume)
        self.assertTrue(self.ui.generateButton.enabled)

    def test_enteringTheModuleAgainDuringARunChangesNothing(self):
        self.startSample()
        waitFor(lambda: self.panel.sections.regions)
        self.widget.exit()
        self.widget.enter()
        self.assertEqual(self.panel.sections.regions, list(FEW_REGIONS))
        waitFor(lambda: not self.logic.run.active)
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def test_regionsOfOneVolumeAreNotUsedForAnother(self):
        import numpy as np

        self.panel.inputs.loadSample()
        self.assertIsNotNone(self.panel.inputs.parameters.regions)
        other = slicer.util.addVolumeFromArray(np.zeros((5, 5, 5), np.int16), name="other")
        self.ui.inputVolumeSelector.setCurrentNode(other)
        self.assertIsNone(self.panel.inputs.parameters.regions)
        self.assertIsNone(self.ui.regionsSelector.currentNode())

    def test_theEngineReceivesNoPatientIdentifiers(self):
        self.panel.inputs.loadSample()
        volume = self.panel.inputs.parameters.inputVolume
        volume.SetName("Doe^John")
        volume.SetAttribute("DICOM.instanceUIDs", "1.2.840.99")
        self.ui.generateButton.click()
        with open(os.path.join(self.foldersOfRuns()[0], "volume.nrrd"), "rb") as file:
            header = file.read().partition(b"\n\n")[0]
        self.cancel()
        self.assertIn(b"NRRD", header)
        self.assertNotIn(b"1.2.840.99", header)
        self.assertNotIn(b"Doe", header)

    def test_automaticRegionsAreMarkedAsEstimated(self):
        self.panel.inputs.loadSample()
        self.ui.regionsSelector.setCurrentNode(None)
        generate(self.panel)
        self.assertIn("lung", self.panel.sections.regions)
        node = reportNode.reportNodes()[0]
        self.assertTrue(reportNode.read(node).section("lung").approximate)

    def segmentationCount(self):
        return slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")

    def test_aRunCanBeCanceledInEveryStage(self):
        loadSample(self.panel)
        volume = self.panel.inputs.parameters.inputVolume
        for stage, (start, _) in STAGE_SPANS.items():
            if stage in (Stage.COMPARE, Stage.SAVE):
                continue  # there is no prior CT, and saving ends before a click can arrive
            with self.subTest(stage=stage.value):
                # The engine would write the same report again before a click can arrive.
                slicer.util.arrayFromVolume(volume)[:] += 1
                slicer.util.arrayFromVolumeModified(volume)
                self.ui.generateButton.click()
                self.assertTrue(self.logic.run.active, self.ui.messageLabel.text)
                waitFor(lambda start=start: self.ui.progressBar.value >= round(100 * start) and self.ui.stageLabel.text)
                countDuringRun = self.segmentationCount()
                self.ui.generateButton.click()
                waitFor(lambda: not self.logic.run.active, 30)
                settle()
                self.assertEqual(reportNode.reportNodes(), [])
                self.assertLessEqual(self.segmentationCount(), countDuringRun)
                self.assertEqual(self.segmentationCount(), 1)
                self.assertIn("Canceled", self.ui.messageLabel.text)
                self.assertEqual(self.ui.generateButton.text, "Generate report")
                self.assertEqual(self.panel.sections.regions, [])

    def test_aBlockedApplicationIsNotMistakenForAHungEngine(self):
        with heartbeatTimeout(2.5):
            self.startSample()
            waitFor(lambda: self.ui.progressBar.value >= 3)
            time.sleep(engineProcess.HEARTBEAT_TIMEOUT_S + 0.5)  # the application is blocked
            waitFor(lambda: not self.logic.run.active)
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def test_anApplicationThatIsBlockedUntilTheRunHasEndedStillReceivesTheReport(self):
        self.startSample()
        waitFor(lambda: self.ui.progressBar.value >= 3)
        done = os.path.join(self.foldersOfRuns()[0], "report", "report.json")
        while not os.path.exists(done):
            time.sleep(0.1)  # the application is blocked
        waitFor(lambda: not self.logic.run.active and not self.logic.views.surfaces.busy)
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def test_anEngineThatCannotStartIsReported(self):
        self.panel.inputs.loadSample()
        with chosenPython("/no/such/python"):
            self.ui.generateButton.click()
            self.assertFalse(self.logic.run.active)
            self.assertIn("/no/such/python is not a Python that can be run", self.ui.messageLabel.text)
            self.assertNotIn("memory", self.ui.messageLabel.text)

    def test_aProcessThatCannotStartOrEndsAtOnceIsReportedWithItsPython(self):
        """The check before a run may be out of date, so the process reports it, too. PythonQt must not delete it."""
        for python in ("/no/such/python", shutil.which("false")):
            with self.subTest(python=python), chosenPython(python):
                engine, died = engineProcess.EngineProcess(), []
                engine.died.connect(lambda reason, log, died=died: died.append(reason))
                engine.run({"model": "phantom", "device": "cpu"})
                waitFor(lambda died=died: died, 30)
                self.assertIn(f"Could not start the engine with {python}", died[0])
                self.assertNotIn("close other programs", died[0])
                self.assertFalse(engine.running)
                self.assertFalse(engine._watchdog.isActive(), "no process is left to watch")
                self.assertEqual(engine.processId(), 0)

    def test_anotherPythonModelOrDeviceStartsAnotherEngine(self):
        with tempfile.TemporaryDirectory() as folder:
            pythons = [os.path.join(folder, name) for name in ("one", "two")]
            for python in pythons:
                with open(python, "w") as script:
                    script.write("#!/bin/sh\nexec cat > /dev/null\n")
                os.chmod(python, 0o755)
            engine = engineProcess.EngineProcess()
            processes = []
            for python, model, device in (
                (pythons[0], "phantom", "auto"),
                (pythons[0], "phantom", "auto"),
                (pythons[0], "phantom", "cpu"),
                (pythons[0], "other", "cpu"),
                (pythons[1], "other", "cpu"),
            ):
                locations.setOwnPython(python)
                engine.run({"model": model, "device": device})
                processes.append(engine.processId())
                engine._running = False
            engine.end()
            locations.setOwnPython("")
        self.assertEqual(processes[0], processes[1])
        self.assertEqual(len(set(processes)), 4)

    def test_aVolumeThatIsNotACtIsRefusedWithAMessage(self):
        import numpy as np

        volume = slicer.util.addVolumeFromArray(np.random.default_rng(0).normal(size=(30, 30, 30)), name="noise")
        self.ui.inputVolumeSelector.setCurrentNode(volume)
        generate(self.panel)
        self.assertIn('"noise" is not a chest CT in HU', self.ui.messageLabel.text)
        self.assertNotIn(tempfile.gettempdir(), self.ui.messageLabel.text)
        self.assertEqual(reportNode.reportNodes(), [])
        self.assertFalse(self.logic.run.active)

    def test_anEmptyVolumeIsRefusedWithAMessage(self):
        volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
        self.ui.inputVolumeSelector.setCurrentNode(volume)
        self.ui.generateButton.click()
        self.assertIn("empty", self.ui.messageLabel.text)
        self.assertFalse(self.logic.run.active)

    def test_anIdleEngineIsUsedAgainInTheNextScene(self):
        loadSample(self.panel)
        generate(self.panel)
        process = self.engine.processId()
        slicer.mrmlScene.Clear(0)
        self.startSample()
        self.assertEqual(self.engine.processId(), process)
        self.cancel()

    def test_foldersOfACrashedSlicerAreRemovedAtTheNextStartup(self):
        gone = tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}999999999-")
        alive = tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getppid()}-")
        try:
            removeLeftovers()
            self.assertFalse(os.path.exists(gone))
            self.assertTrue(os.path.exists(alive))
        finally:
            os.rmdir(alive)


class ReloadTest(RunTest):
    """Reloading starts another engine, which takes long. The tests below would start one anyway."""

    def test_theModuleCanBeReloaded(self):
        loadSample(self.panel)
        generate(self.panel)
        before = moduleWidget()
        slicer.util.reloadScriptedModule("Reg2RGModule")
        after = moduleWidget()
        self.assertIsNot(before, after)
        self.assertEqual(len(after.panel.sections.regions), len(FEW_REGIONS))
        self.assertFalse(before.logic.engine.running)
        after.panel.navigation.select("heart")
        self.assertEqual(after.panel.sections.current, "heart")
        self.assertIsNone(before.panel.sections.current, "the old panel no longer follows the views")


class InterruptedRunTest(RunTest):
    """Runs that are interrupted one after another, each as soon as it has started. Then, a run is not interrupted.

    Each interruption ends the engine. Loading the next one takes long, so only the last run goes on until its end.
    """

    def test_howeverARunIsInterruptedTheReasonIsReportedAndTheNextRunWorks(self):
        for interruption in (
            self.theEngineIsKilled,
            self.theEngineHangs,
            self.theEngineRunsOutOfMemory,
            self.theSceneIsClosed,
            self.theVolumeIsDeleted,
        ):
            with self.subTest(interruption=interruption.__name__):
                slicer.mrmlScene.Clear(0)
                interruption()
                self.assertFalse(self.logic.run.active)
                self.assertEqual(reportNode.reportNodes(), [])
        loadSample(self.panel)
        generate(self.panel)
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(len(reportNode.reportNodes()), 1)
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def startAndWaitForTheEngine(self):
        self.startSample()
        waitFor(lambda: self.ui.stageLabel.text)

    def waitForTheEnd(self):
        waitFor(lambda: not self.logic.run.active, 60)

    def theEngineIsKilled(self):
        self.startAndWaitForTheEngine()
        os.kill(self.engine.processId(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        self.waitForTheEnd()
        self.assertIn("memory", self.ui.messageLabel.text)
        self.assertIn("Try again", self.ui.messageLabel.text)
        self.assertIn("stage", self.ui.logEdit.toPlainText())

    def theEngineHangs(self):
        if not hasattr(signal, "SIGSTOP"):
            self.skipTest("processes cannot be stopped on this platform")
        with heartbeatTimeout(2.5):
            self.startAndWaitForTheEngine()
            os.kill(self.engine.processId(), signal.SIGSTOP)
            self.waitForTheEnd()
        self.assertIn("did not respond", self.ui.messageLabel.text)

    def theEngineRunsOutOfMemory(self):
        if not hasattr(signal, "SIGKILL"):
            self.skipTest("memory cannot be limited on this platform")
        self.engine.end()
        python = locations.ownPython() or sys.executable
        with tempfile.TemporaryDirectory() as folder:
            limited = os.path.join(folder, "python")
            with open(limited, "w") as script:
                script.write(f'#!/bin/sh\nulimit -v 1400000\nexec "{python}" "$@"\n')
            os.chmod(limited, 0o755)
            with chosenPython(limited):
                self.startSample()
                waitFor(lambda: not self.logic.run.active)
            self.engine.end()
        self.assertIn("memory", self.ui.messageLabel.text)
        self.assertIn("close other programs", self.ui.messageLabel.text)
        self.assertNotEqual(self.ui.logEdit.toPlainText(), "")

    def theSceneIsClosed(self):
        self.startAndWaitForTheEngine()
        process = self.engine.processId()
        slicer.mrmlScene.Clear(0)
        settle()
        self.assertRaises(OSError, os.kill, process, 0)
        self.assertEqual(self.panel.sections.regions, [])

    def theVolumeIsDeleted(self):
        self.startAndWaitForTheEngine()
        slicer.mrmlScene.RemoveNode(self.logic.run.volume)
        self.waitForTheEnd()

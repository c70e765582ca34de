"""From the Generate button to the report, or any other end of a run. Runs in Slicer and in the host."""

import contextlib
import glob
import os
import shutil
import signal
import tempfile
import unittest

import slicer
from hands import FEW_REGIONS, generate, loadSample, moduleWidget, settle, waitFor
from Reg2RGModuleLib import engineProcess, reportNode
from Reg2RGModuleLib.reportRun import FOLDER_PREFIX, STAGE_SPANS, stageName

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
    from Reg2RGModuleLib import locations

    before = locations.ownPython()
    locations.setOwnPython(python)
    try:
        yield
    finally:
        locations.setOwnPython(before)


class FlowTest(unittest.TestCase):
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

    def listen(self, signal, listener):
        """Connect a listener to a signal of the run until the test ends. The run outlives the test."""
        getattr(self.logic.run, signal).connect(listener)
        self.addCleanup(getattr(self.logic.run, signal).disconnect, listener)

    def startSample(self, regions=REGIONS_IN_READING_ORDER):
        loadSample(self.panel, regions)
        self.ui.generateButton.click()
        self.assertTrue(self.logic.run.active, self.ui.messageLabel.text)

    def cancel(self):
        """Cancel the run. The engine remains for the next test, unlike after closing the scene."""
        self.ui.generateButton.click()
        waitFor(lambda: not self.logic.run.active)

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

    def test_theSampleCaseYieldsTenSectionsInReadingOrder(self):
        self.panel.inputs.loadSample()
        generate(self.panel)
        self.assertEqual(self.panel.sections.regions, REGIONS_IN_READING_ORDER)
        self.assertEqual(self.ui.reviewedLabel.text, "0 of 10 reviewed")
        self.assertIn("not reviewed", self.ui.bannerLabel.text)
        self.assertIn("nodule", self.ui.impressionEdit.toPlainText())

    def test_sectionsAppearDuringTheRun(self):
        from reg2rg.pipeline.events import Notice

        stages, growing, written = [], [], []
        self.listen("progressed", lambda fraction, message: stages.append((fraction, message.split(":")[0])))
        self.listen("sectionGrew", lambda region, text: growing.append(self.logic.run.active))
        self.listen("sectionWritten", lambda section: written.append(self.logic.run.active))
        self.startSample()
        self.assertEqual(self.ui.generateButton.text, "Cancel")
        self.engine.event.emit(Notice("The model runs in 8 bits."))
        self.assertIn("The model runs in 8 bits.", self.ui.messageLabel.text)
        waitFor(lambda: not self.logic.run.active)
        self.assertEqual(len(written), 10)
        self.assertTrue(all(written) and all(growing) and growing)
        self.assertIn("The model runs in 8 bits.", self.ui.messageLabel.text, "the message stays with the result")
        self.assertEqual([fraction for fraction, _ in stages], sorted(fraction for fraction, _ in stages))
        self.assertEqual(list(dict.fromkeys(name for _, name in stages)), [stageName(stage) for stage in STAGE_SPANS])
        self.assertEqual(self.ui.generateButton.text, "Generate report")

    def test_sectionsAndTheDraftBannerAreVisibleWhileSectionsAreWritten(self):
        seen = []
        self.listen("sectionWritten", lambda section: seen.append(self.visibility(section.region)))
        self.startSample()
        waitFor(lambda: not self.logic.run.active)
        self.assertEqual(seen, [(True, "not reviewed")] * 10)

    def visibility(self, region):
        """Return whether the card of a region is visible, and what the visible banner says."""
        root = moduleWidget().parent
        card, banner = self.panel.sections.card(region), self.ui.bannerLabel
        label = "not reviewed" if banner.isVisibleTo(root) and "not reviewed" in banner.text else ""
        return card.isVisibleTo(root), label

    def test_enteringTheModuleAgainDuringARunChangesNothing(self):
        self.startSample()
        waitFor(lambda: self.panel.sections.regions)
        self.widget.exit()
        self.widget.enter()
        self.assertEqual(self.panel.sections.regions, REGIONS_IN_READING_ORDER)
        waitFor(lambda: not self.logic.run.active)
        self.assertEqual(len(self.panel.sections.regions), 10)

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

    def test_theEventLoopIsNeverBlockedForLong(self):
        import itertools
        import time

        import qt

        self.startSample()
        ticks, timer = [time.monotonic()], qt.QTimer()
        timer.connect("timeout()", lambda: ticks.append(time.monotonic()))
        timer.start(5)
        waitFor(lambda: not self.logic.run.active)
        timer.stop()
        ticks.append(time.monotonic())
        longest = max(later - earlier for earlier, later in itertools.pairwise(ticks))
        self.assertLess(longest, 3.0, "loading the regions and making their surfaces is the longest step")

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
        self.panel.inputs.loadSample()
        volume = self.panel.inputs.parameters.inputVolume
        for stage, (start, _) in STAGE_SPANS.items():
            if stage == "save":
                continue  # it ends before a click can arrive
            with self.subTest(stage=stage):
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

    def test_aKilledEngineIsReportedAndTheNextRunWorks(self):
        self.startSample(FEW_REGIONS)
        waitFor(lambda: self.ui.progressBar.value >= 3)
        os.kill(self.engine.processId(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        waitFor(lambda: not self.logic.run.active, 30)
        self.assertIn("memory", self.ui.messageLabel.text)
        self.assertIn("Try again", self.ui.messageLabel.text)
        self.assertIn("stage", self.ui.logEdit.toPlainText())
        generate(self.panel)
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))
        self.assertEqual(self.ui.messageLabel.text, "")

    @unittest.skipUnless(hasattr(signal, "SIGSTOP"), "processes cannot be stopped on this platform")
    def test_aHungEngineIsTerminatedAndReported(self):
        before = engineProcess.HEARTBEAT_TIMEOUT_S
        engineProcess.HEARTBEAT_TIMEOUT_S = 2.5
        try:
            self.startSample(FEW_REGIONS)
            waitFor(lambda: self.ui.progressBar.value >= 3)
            os.kill(self.engine.processId(), signal.SIGSTOP)
            waitFor(lambda: not self.logic.run.active, 30)
        finally:
            engineProcess.HEARTBEAT_TIMEOUT_S = before
        self.assertIn("did not respond", self.ui.messageLabel.text)
        generate(self.panel)
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def test_aBlockedApplicationIsNotMistakenForAHungEngine(self):
        import time

        before = engineProcess.HEARTBEAT_TIMEOUT_S
        engineProcess.HEARTBEAT_TIMEOUT_S = 2.5
        try:
            self.startSample(FEW_REGIONS)
            waitFor(lambda: self.ui.progressBar.value >= 3)
            time.sleep(engineProcess.HEARTBEAT_TIMEOUT_S + 0.5)  # the application is blocked
            waitFor(lambda: not self.logic.run.active)
        finally:
            engineProcess.HEARTBEAT_TIMEOUT_S = before
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def test_anApplicationThatIsBlockedUntilTheRunHasEndedStillReceivesTheReport(self):
        import time

        self.startSample(FEW_REGIONS)
        waitFor(lambda: self.ui.progressBar.value >= 3)
        done = os.path.join(self.foldersOfRuns()[0], "report", "report.json")
        while not os.path.exists(done):
            time.sleep(0.1)  # the application is blocked
        waitFor(lambda: not self.logic.run.active and not self.logic.views.surfaces.busy)
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    @unittest.skipUnless(hasattr(signal, "SIGKILL"), "memory cannot be limited on this platform")
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
                self.startSample(FEW_REGIONS)
                waitFor(lambda: not self.logic.run.active)
            finally:
                locations.setOwnPython(before)
                self.engine.end()
        self.assertIn("memory", self.ui.messageLabel.text)
        self.assertIn("close other programs", self.ui.messageLabel.text)
        self.assertNotEqual(self.ui.logEdit.toPlainText(), "")
        generate(self.panel)
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
        from Reg2RGModuleLib import locations

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

    def test_closingTheSceneEndsTheRunAndItsProcess(self):
        self.startSample(FEW_REGIONS)
        waitFor(lambda: self.ui.progressBar.value >= 3)
        process = self.engine.processId()
        slicer.mrmlScene.Clear(0)
        settle()
        self.assertFalse(self.logic.run.active)
        self.assertRaises(OSError, os.kill, process, 0)
        self.assertEqual(self.panel.sections.regions, [])

    def test_anIdleEngineIsUsedAgainInTheNextScene(self):
        loadSample(self.panel)
        generate(self.panel)
        process = self.engine.processId()
        slicer.mrmlScene.Clear(0)
        self.startSample(FEW_REGIONS)
        self.assertEqual(self.engine.processId(), process)
        self.cancel()

    def test_aVolumeDeletedDuringItsRunEndsItWithAMessage(self):
        self.startSample(FEW_REGIONS)
        waitFor(lambda: self.ui.progressBar.value >= 3)
        slicer.mrmlScene.RemoveNode(self.logic.run.volume)
        waitFor(lambda: not self.logic.run.active, 60)
        self.assertEqual(reportNode.reportNodes(), [])
        loadSample(self.panel)
        generate(self.panel)
        self.assertEqual(len(reportNode.reportNodes()), 1)

    def test_foldersOfACrashedSlicerAreRemovedAtTheNextStartup(self):
        from Reg2RGModuleLib.reportRun import removeLeftovers

        gone = tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}999999999-")
        alive = tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getppid()}-")
        try:
            removeLeftovers()
            self.assertFalse(os.path.exists(gone))
            self.assertTrue(os.path.exists(alive))
        finally:
            os.rmdir(alive)

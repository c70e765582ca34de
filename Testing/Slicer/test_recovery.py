"""A review that a crashed Slicer left is offered for its volume and restored. Runs in Slicer and in the host."""

import os
import unittest

import numpy as np
import slicer
from hands import generate, moduleWidget, settle, threeDView, waitFor
from Reg2RGModuleLib import reportNode

NO_PROCESS = 999999999
"""ID that no process has."""


class RecoveryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Review a report, and leave the files that a crash would leave."""
        slicer.mrmlScene.Clear(0)
        panel = moduleWidget().panel
        panel.inputs.loadSample()
        generate(panel)
        panel.navigation.select("heart")
        panel.ui.acceptButton.click()
        panel.navigation.select("lung")
        panel.ui.rejectButton.click()
        cls.folder = panel.recovery.folder
        cls.files = {}
        for file in cls.folder.glob(f"{os.getpid()}-*"):
            cls.files[file.name.replace(str(os.getpid()), str(NO_PROCESS), 1)] = file.read_bytes()
        slicer.mrmlScene.Clear(0)

    def setUp(self):
        self.panel, self.logic = moduleWidget().panel, moduleWidget().logic
        for name, content in self.files.items():
            (self.folder / name).write_bytes(content)

    def tearDown(self):
        slicer.mrmlScene.Clear(0)
        for name in self.files:
            (self.folder / name).unlink(missing_ok=True)

    def offered(self):
        button = self.panel.ui.recoverButton
        return button.isVisibleTo(button.parent())

    def test_closingTheSceneDeletesTheFilesOfThisSlicerOnly(self):
        self.assertEqual(len(self.files), 5)
        self.panel.inputs.loadSample()
        slicer.mrmlScene.Clear(0)
        self.assertEqual({file.name for file in self.folder.iterdir()}, set(self.files))

    def test_theReviewIsNotOfferedForAnotherVolume(self):
        other = slicer.util.addVolumeFromArray(np.zeros((9, 9, 9), np.int16), name="other")
        self.panel.inputs.parameters.inputVolume = other
        settle()
        self.assertFalse(self.offered())

    def test_theFilesOfAnotherRunningSlicerAreNotOffered(self):
        for name in self.files:
            (self.folder / name).rename(self.folder / name.replace(str(NO_PROCESS), str(os.getppid()), 1))
        try:
            self.panel.inputs.loadSample()
            self.assertFalse(self.offered())
        finally:
            for file in self.folder.glob(f"{os.getppid()}-*"):
                file.unlink()

    def test_theReviewIsRestoredInFullAndNotOfferedAgain(self):
        self.panel.inputs.loadSample()
        self.assertTrue(self.offered())
        self.panel.ui.recoverButton.click()
        settle()
        self.assertEqual(self.panel.ui.reviewedLabel.text, "2 of 10 reviewed, 1 rejected")
        self.assertEqual(len(self.panel.sections.regions), 10)
        self.assertFalse(self.offered())
        self.panel.navigation.select("heart")
        segmentation = reportNode.segmentationOf(reportNode.reportNodes()[0])
        self.assertEqual(segmentation.GetDisplayNode().GetSegmentOpacity3D("heart"), 1.0)

    def test_theSurfacesAreMadeByTheModuleAndTheThreeDViewIsFramed(self):
        self.panel.inputs.loadSample()
        camera = threeDView().cameraNode()
        camera.SetPosition(1000.0, 2000.0, 3000.0)
        self.panel.ui.recoverButton.click()
        segmentation = reportNode.segmentationOf(reportNode.reportNodes()[0]).GetSegmentation()
        name = slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
        ids = [segmentation.GetNthSegmentID(index) for index in range(segmentation.GetNumberOfSegments())]
        made = [each for each in ids if segmentation.GetSegment(each).GetRepresentation(name)]
        self.assertEqual(made, [], "Slicer made none while it loaded the file")
        waitFor(lambda: not self.logic.views.surfaces.busy)
        settle()
        self.assertTrue(all(segmentation.GetSegment(each).GetRepresentation(name) for each in ids))
        self.assertLess(max(abs(value) for value in camera.GetPosition()), 3000.0)

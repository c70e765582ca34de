"""What belongs to one volume: messages, segmentations, the 3D view. Runs in Slicer and in the host."""

import unittest

import numpy as np
import slicer
from hands import generate, loadSample, moduleWidget, settle, threeDView, waitFor
from Reg2RGModuleLib import otherSegmentations, reportNode


class VolumesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        panel = moduleWidget().panel
        loadSample(panel)
        cls.volume, cls.given = panel.inputs.parameters.inputVolume, panel.inputs.parameters.regions
        cls.given.SetDisplayVisibility(True)  # as Slicer's Sample Data module leaves it
        generate(panel)
        cls.node = reportNode.reportOf(cls.volume)

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    def setUp(self):
        self.widget = moduleWidget()
        self.panel, self.logic, self.ui = self.widget.panel, self.widget.logic, self.widget.panel.ui
        self.other = slicer.util.addVolumeFromArray(np.zeros((9, 9, 9), np.int16), name="other")
        self.addCleanup(slicer.mrmlScene.RemoveNode, self.other)
        self.addCleanup(self.choose, self.volume)
        self.choose(self.volume)

    def choose(self, volume):
        self.ui.inputVolumeSelector.setCurrentNode(volume)
        settle()

    def test_theChosenVolumeIsShownWhetherItHasAReportOrNot(self):
        composite = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
        for volume in (self.other, self.volume, self.other):
            self.choose(volume)
            self.assertEqual(composite.GetBackgroundVolumeID(), volume.GetID())

    def test_aMessageAboutOneVolumeIsNotShownForAnother(self):
        self.panel.messages.warn("This volume is unlike the others.", log="a line")
        self.choose(self.other)
        self.assertEqual((self.ui.messageLabel.text, self.ui.logEdit.toPlainText()), ("", ""))
        self.panel.messages.warn("Of the other.", about=self.volume)
        self.assertEqual(self.ui.messageLabel.text, "")
        self.choose(self.volume)
        self.assertEqual(self.ui.messageLabel.text, "⚠ Of the other.")
        self.panel.messages.clear()
        self.assertFalse(self.ui.messageLabel.isVisibleTo(self.widget.parent))

    def test_messagesOfARunBelongToItsVolumeWhateverIsChosen(self):
        self.logic.run.started.emit(self.volume)
        self.choose(self.other)
        self.logic.run.messageReceived.emit("The first.")
        self.logic.run.messageReceived.emit("The second.")
        self.assertEqual(self.ui.messageLabel.text, "")
        self.logic.run.failed.emit("Out of memory.", "the log")
        self.assertEqual(self.ui.messageLabel.text, "")
        self.choose(self.volume)
        self.assertEqual(self.ui.messageLabel.text, "⚠ Out of memory.")
        self.assertEqual(self.ui.logEdit.toPlainText(), "the log")
        self.panel.messages.clear()

    def test_aMessageThatTheHeaderShowsIsNotRepeatedBelowIt(self):
        from dataclasses import replace

        from located import rewrite

        from reg2rg.report import OutOfDistribution

        fresh = self.node.GetText()
        rewrite(self.node, lambda report: replace(report, out_of_distribution=OutOfDistribution(9.0, 2.0)))
        (warning,) = reportNode.read(self.node).report.warnings
        self.logic.run.started.emit(self.volume)
        self.logic.run.messageReceived.emit(warning)
        self.logic.run.messageReceived.emit("Something else.")
        self.logic.run.sectionRegenerated.emit(self.node, reportNode.read(self.node).section("lung"), None)
        self.assertEqual(self.ui.messageLabel.text, "⚠ Something else.")
        self.assertIn(warning, self.ui.warningLabel.text)
        self.panel.messages.clear()
        self.node.SetText(fresh)

    def test_otherSegmentationsOfTheVolumeAreHiddenAndShownAgainAfterwards(self):
        self.assertFalse(self.given.GetDisplayVisibility())
        self.assertTrue(reportNode.segmentationOf(self.node).GetDisplayVisibility())
        self.choose(self.other)
        self.assertTrue(self.given.GetDisplayVisibility())
        self.assertIsNone(self.given.GetAttribute(otherSegmentations.HIDDEN_ATTRIBUTE))
        self.choose(self.volume)
        self.assertFalse(self.given.GetDisplayVisibility())

    def test_aSegmentationThatTheUserShowsStaysVisible(self):
        self.given.SetDisplayVisibility(True)
        self.panel.navigation.select("lung")
        self.ui.acceptButton.click()
        self.ui.undoButton.click()
        self.assertTrue(self.given.GetDisplayVisibility())

    def test_aSegmentationOfAnotherVolumeIsNotHidden(self):
        node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "elsewhere")
        self.addCleanup(slicer.mrmlScene.RemoveNode, node)
        node.CreateDefaultDisplayNodes()
        node.SetReferenceImageGeometryParameterFromVolumeNode(self.other)
        self.choose(self.other)
        self.choose(self.volume)
        self.assertTrue(node.GetDisplayVisibility())

    def camera(self):
        node = threeDView().cameraNode()
        return [*node.GetPosition(), *node.GetFocalPoint()]

    def moveCamera(self):
        node = threeDView().cameraNode()
        node.SetPosition(1000.0, 2000.0, 3000.0)
        return self.camera()

    def surfacesAreShown(self):
        waitFor(lambda: not self.logic.views.surfaces.busy)
        settle()

    def test_theThreeDViewIsFramedWhenAnotherVolumeIsChosen(self):
        moved = self.moveCamera()
        self.choose(self.other)
        self.choose(self.volume)
        self.surfacesAreShown()
        self.assertNotEqual(self.camera(), moved)

    def test_theThreeDViewDoesNotJumpOtherwise(self):
        self.panel.navigation.select("lung")
        moved = self.moveCamera()
        self.ui.acceptButton.click()
        self.ui.undoButton.click()
        self.ui.findingsCheckBox.click()
        self.ui.findingsCheckBox.click()
        self.logic.views.surfaces.make(reportNode.segmentationOf(self.node))
        self.logic.showReport(self.node)
        self.surfacesAreShown()
        self.assertEqual(self.camera(), moved)

    def test_surfacesThatExistAreReportedAsFinished(self):
        finished = []
        self.logic.views.surfaces.finished.connect(lambda: finished.append(True))
        self.logic.views.surfaces.make(reportNode.segmentationOf(self.node))
        self.surfacesAreShown()
        self.assertEqual(finished, [True])

    def test_aStoredSegmentationNamesNoSurfacesSoThatSlicerMakesNoneWhileLoadingIt(self):
        self.panel.navigation.select("lung")
        self.ui.acceptButton.click()
        files = list(self.panel.recovery.folder.glob("*.seg.nrrd"))
        self.assertTrue(files)
        for file in files:
            header = file.read_bytes().partition(b"\n\n")[0]
            self.assertIn(b"Binary labelmap", header)
            self.assertNotIn(b"Closed surface", header)
        self.ui.undoButton.click()

    def test_aClosingSceneIsNotTouched(self):
        scene, changed = slicer.mrmlScene, []
        nodes = [self.given, *reportNode.segmentationsOf(self.node)]
        displays = [node.GetDisplayNode() for node in nodes]
        tags = [(node, node.AddObserver("ModifiedEvent", lambda *_: changed.append(True))) for node in displays]
        closing = []
        first = scene.AddObserver(scene.StartCloseEvent, lambda *_: changed.clear(), 1000.0)
        last = scene.AddObserver(scene.StartCloseEvent, lambda *_: closing.extend(changed), -1000.0)
        try:
            scene.Clear(0)
        finally:
            for node, tag in (*tags, (scene, first), (scene, last)):
                node.RemoveObserver(tag)
        self.doCleanups()
        self.assertEqual(closing, [])
        type(self).setUpClass()

"""Reports in the scene: saving, loading, several reports, any geometry. Runs in Slicer and in the host."""

import os
import tempfile
import unittest

import numpy as np
import slicer
import vtk
from hands import FEW_REGIONS, arrayOfRegion, generate, keepSegments, loadSample, moduleWidget, settle, waitFor
from Reg2RGModuleLib import regionsGeometry, reportNode, transforms

from reg2rg.report import ReviewState


class SceneTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear(0)
        self.logic = moduleWidget().logic
        self.panel = moduleWidget().panel
        self.ui = self.panel.ui

    def tearDown(self):
        slicer.mrmlScene.Clear(0)

    def test_aReviewIsRestoredFromAnMrbFileWithItsSegmentation(self):
        regions = ("lung", "pleura", "heart")
        loadSample(self.panel, regions)
        generate(self.panel)
        self.panel.navigation.select("heart")
        self.ui.acceptButton.click()
        self.panel.navigation.select("pleura")
        self.ui.editButton.click()
        self.panel.sections.card("pleura").findChild("QPlainTextEdit", "sectionEditor").setPlainText("Große Ergüsse.")
        self.ui.editButton.click()
        self.ui.impressionEdit.setPlainText("Nothing urgent.")
        waitFor(lambda: "urgent" in reportNode.reportNodes()[0].GetText(), 5)
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "scene.mrb")
            self.assertTrue(slicer.mrmlScene.WriteToMRB(file))
            slicer.mrmlScene.Clear(0)
            self.assertEqual(self.panel.sections.regions, [])
            unpacked = os.path.join(folder, "unpacked")
            os.mkdir(unpacked)
            self.assertTrue(slicer.app.applicationLogic().OpenSlicerDataBundle(file, unpacked))
            settle()
        node = reportNode.reportNodes()[0]
        review = reportNode.read(node)
        self.assertEqual(review.state("heart"), ReviewState.ACCEPTED)
        self.assertEqual((review.state("pleura"), review.text("pleura")), (ReviewState.EDITED, "Große Ergüsse."))
        self.assertEqual(review.impression, "Nothing urgent.")
        self.assertEqual(self.panel.sections.regions, list(regions))
        self.assertEqual(self.ui.impressionEdit.toPlainText(), "Nothing urgent.")
        segmentation = reportNode.segmentationOf(node)
        self.panel.navigation.select("heart")
        self.assertEqual(segmentation.GetDisplayNode().GetSegmentOpacity3D("heart"), 1.0)
        self.assertLess(segmentation.GetDisplayNode().GetSegmentOpacity3D("lung"), 0.2)
        self.assertEqual(reportNode.volumeOf(node).GetDisplayNode().GetWindow(), 400)
        self.ui.regenerateButton.click()
        self.assertTrue(self.logic.run.active, self.ui.messageLabel.text)
        waitFor(lambda: not self.logic.run.active)
        self.assertEqual(self.ui.messageLabel.text, "")

    def test_theSegmentationHasNamesColorsTerminologyAndSurfaces(self):
        from reg2rg.regions import get_region

        self.panel.inputs.loadSample()
        generate(self.panel)
        segmentation = reportNode.segmentationOf(reportNode.reportNodes()[0])
        self.assertEqual(len(regionsGeometry.segmentIds(segmentation)), 10)
        for region in regionsGeometry.segmentIds(segmentation):
            segment = segmentation.GetSegmentation().GetSegment(region)
            expected = get_region(region)
            self.assertEqual(segment.GetName(), expected.display_name)
            for shown, wanted in zip(segment.GetColor(), expected.color, strict=True):
                self.assertAlmostEqual(shown, wanted / 255, places=3)
            terminology = vtk.reference("")
            self.assertTrue(segment.GetTag("TerminologyEntry", terminology))
            self.assertIn(expected.snomed[0], str(terminology))
            surface = vtk.vtkPolyData()
            self.assertTrue(segmentation.GetClosedSurfaceRepresentation(region, surface))

    def test_reportsOfTwoVolumesAreIndependent(self):
        loadSample(self.panel)
        first = self.panel.inputs.parameters.inputVolume
        generate(self.panel)
        self.panel.navigation.select("heart")
        self.ui.rejectButton.click()
        loadSample(self.panel)
        second = self.panel.inputs.parameters.inputVolume
        self.assertIsNot(first, second)
        self.assertEqual(self.panel.sections.regions, [], "the second volume has no report yet")
        generate(self.panel)
        self.assertEqual(len(reportNode.reportNodes()), 2)
        self.panel.navigation.select("lung")
        self.ui.acceptButton.click()
        one, two = reportNode.reportOf(first), reportNode.reportOf(second)
        self.assertIsNot(reportNode.segmentationOf(one), reportNode.segmentationOf(two))
        self.assertEqual(reportNode.read(one).state("heart"), "rejected")
        self.assertEqual(reportNode.read(one).state("lung"), "draft")
        self.assertEqual(reportNode.read(two).state("heart"), "draft")
        self.assertEqual(reportNode.read(two).state("lung"), "accepted")
        self.ui.inputVolumeSelector.setCurrentNode(first)
        settle()
        self.assertEqual(self.ui.reviewedLabel.text, "1 of 3 reviewed, 1 rejected")
        self.panel.navigation.select("bone")
        self.assertEqual(reportNode.segmentationOf(one).GetDisplayNode().GetSegmentOpacity3D("bone"), 1.0)
        self.assertFalse(reportNode.segmentationOf(two).GetDisplayNode().GetVisibility(), "the other report is hidden")
        self.assertTrue(reportNode.segmentationOf(one).GetDisplayNode().GetVisibility())

    def test_aVolumeSelectedDuringTheRunOfAnotherShowsNothingOfThatRun(self):
        loadSample(self.panel)
        first = self.panel.inputs.parameters.inputVolume
        other = slicer.util.addVolumeFromArray(np.zeros((20, 20, 20), np.int16), name="other")
        self.ui.generateButton.click()
        waitFor(lambda: self.ui.progressBar.value > 45)
        self.panel.inputs.parameters.inputVolume = other
        waitFor(lambda: not self.logic.run.active)
        settle()
        self.assertEqual(self.ui.messageLabel.text, "")
        self.assertEqual(self.panel.sections.regions, [])
        self.panel.inputs.parameters.inputVolume = first
        settle()
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def test_thePanelStaysUsableAfterTheVolumeIsDeleted(self):
        loadSample(self.panel)
        generate(self.panel)
        slicer.mrmlScene.RemoveNode(self.panel.inputs.parameters.inputVolume)
        settle()
        self.assertEqual(self.panel.sections.regions, [])
        loadSample(self.panel)
        generate(self.panel)
        self.assertEqual(len(self.panel.sections.regions), len(FEW_REGIONS))

    def test_theReportStaysReadableAfterItsSegmentationIsDeleted(self):
        loadSample(self.panel)
        generate(self.panel)
        slicer.mrmlScene.RemoveNode(reportNode.segmentationOf(reportNode.reportNodes()[0]))
        settle()
        self.panel.navigation.select("heart")
        self.ui.acceptButton.click()
        self.ui.regenerateButton.click()
        self.assertIn("no longer in the scene", self.ui.messageLabel.text)
        self.assertEqual(reportNode.read(reportNode.reportNodes()[0]).state("heart"), ReviewState.ACCEPTED)

    def test_aSecondRunReplacesTheReportAndItsSegmentation(self):
        loadSample(self.panel)
        generate(self.panel)
        generate(self.panel)
        self.assertEqual(len(reportNode.reportNodes()), 1)
        # The given one, the regions, the findings and the structures.
        self.assertEqual(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode"), 4)

    def test_regionsMatchTheAnatomyInAnyGeometry(self):
        """The scene stays open, because closing it ends the engine."""
        regions = ("heart", "abdomen", "breast")
        self.panel.inputs.loadSample()
        volume, sample = self.panel.inputs.parameters.inputVolume, self.panel.inputs.parameters.regions
        keepSegments(sample, regions)  # sections of all ten take longer
        array = slicer.util.arrayFromVolume(volume)
        masks = {region: arrayOfRegion(sample, region, volume) for region in regions}
        for name, (flips, degrees) in GEOMETRIES.items():
            with self.subTest(geometry=name):
                other = slicer.util.addVolumeFromArray(np.flip(array, flips).copy(), name=name)
                other.SetIJKToRASMatrix(rotated(flippedMatrix(volume, array.shape, flips), degrees))
                expected = {region: np.flip(mask, flips) for region, mask in masks.items()}
                self.ui.inputVolumeSelector.setCurrentNode(other)
                self.ui.regionsSelector.setCurrentNode(segmentationOf(other, expected) if degrees else sample)
                generate(self.panel)
                node = reportNode.reportOf(other)
                self.assertIsNotNone(node, self.ui.messageLabel.text)
                for region, mask in expected.items():
                    found = arrayOfRegion(reportNode.segmentationOf(node), region, other)
                    dice = 2 * (found & mask).sum() / (found.sum() + mask.sum())
                    self.assertGreater(dice, 0.98, region)
                self.panel.navigation.select("heart")
                matrix = vtk.vtkMatrix4x4()
                other.GetRASToIJKMatrix(matrix)
                point = regionsGeometry.pointInside(reportNode.segmentationOf(node), "heart")
                i, j, k = (round(c) for c in matrix.MultiplyPoint((*point, 1.0))[:3])
                self.assertTrue(expected["heart"][k, j, i])

    def test_regionsOfATransformedVolumeMoveWithIt(self):
        self.panel.inputs.loadSample()
        self.ui.regionsSelector.setCurrentNode(None)
        volume = self.panel.inputs.parameters.inputVolume
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        matrix = vtk.vtkMatrix4x4()
        matrix.SetElement(0, 3, 250.0)
        transform.SetMatrixTransformToParent(matrix)
        volume.SetAndObserveTransformNodeID(transform.GetID())
        generate(self.panel)
        segmentation = reportNode.segmentationOf(reportNode.reportOf(volume))
        bounds, point = [0.0] * 6, regionsGeometry.pointInside(segmentation, "heart")
        volume.GetRASBounds(bounds)
        self.assertTrue(bounds[0] < point[0] < bounds[1], (bounds, point))
        self.assertEqual(regionsGeometry.regionsAt(segmentation, point)[-1], "heart")

    def test_aVolumeUnderANonLinearTransformIsResampledWithAMessage(self):
        loadSample(self.panel)
        volume, regions = self.panel.inputs.parameters.inputVolume, self.panel.inputs.parameters.regions
        heart = regionsGeometry.pointInside(regions, "heart")
        grid = shiftedInSteps(volume)
        for node in (volume, regions):
            node.SetAndObserveTransformNodeID(grid.GetID())
        world = [0.0, 0.0, 0.0]
        volume.TransformPointToWorld(heart, world)
        self.assertGreater(abs(world[1] - heart[1]), 5.0, "the transform moves the heart")
        generate(self.panel)
        self.assertIn("is under a non-linear transform", self.ui.messageLabel.text)
        node = reportNode.reportOf(volume)
        segmentation = reportNode.segmentationOf(node)
        self.assertIsNone(segmentation.GetParentTransformNode(), "the report is made in the coordinates of the world")
        self.assertIn("heart", regionsGeometry.regionsAt(segmentation, world))
        before = reportNode.read(node).section("heart").volume_ml
        self.panel.navigation.select("heart")
        self.ui.regenerateButton.click()
        waitFor(lambda: not self.logic.run.active)
        self.assertAlmostEqual(reportNode.read(node).section("heart").volume_ml, before, delta=1.0)

    def test_aVolumeIsBroughtToItsRegionsIfTheyAreUnderAnotherTransform(self):
        self.panel.inputs.loadSample()
        volume, regions = self.panel.inputs.parameters.inputVolume, self.panel.inputs.parameters.regions
        transform = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        transform.SetMatrixTransformToParent(shifted(40.0))
        away = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
        away.SetMatrixTransformToParent(shifted(-40.0))
        volume.SetAndObserveTransformNodeID(transform.GetID())
        regions.SetAndObserveTransformNodeID(away.GetID())
        copy = transforms.volumeIn(volume, transforms.frameOf(volume, regions))
        self.assertEqual([round(a - b) for a, b in zip(copy.GetOrigin(), volume.GetOrigin(), strict=True)], [0, 80, 0])
        self.assertIn("different transforms", transforms.noticeOf(volume, away))
        self.assertEqual(transforms.noticeOf(volume, transform), "")

    def test_aResampledVolumeHasRoomForWhatTheTransformMoves(self):
        array = np.full((20, 30, 40), -1000, np.int16)
        array[:, 10:20, 10:20] = 50
        volume = slicer.util.addVolumeFromArray(array, name="bar")
        volume.SetAndObserveTransformNodeID(shiftedInSteps(volume).GetID())
        copy = transforms.volumeIn(volume, None)
        found = slicer.util.arrayFromVolume(copy)
        self.assertGreater(found.shape[1], 30)
        self.assertEqual(found.min(), -1000)
        self.assertAlmostEqual((found + 1000.0).sum() / (array + 1000.0).sum(), 1.0, delta=0.01)
        self.assertTrue(np.array_equal(slicer.util.arrayFromVolume(volume), array), "the volume itself is unchanged")


GEOMETRIES = {
    "flipped in z": ((0,), 0.0),
    "left-handed, flipped in x": ((2,), 0.0),
    "rotated by 180 degrees in plane, flipped in x and y": ((1, 2), 0.0),
    "oblique by 17 degrees": ((), 17.0),
    "left-handed and oblique": ((2,), -11.0),
}
"""Name to the axes (k, j, i) along which the array is flipped, and the degrees by which it is rotated in space."""


def shifted(millimeters):
    """Return a matrix that moves everything to the front."""
    matrix = vtk.vtkMatrix4x4()
    matrix.SetElement(1, 3, millimeters)
    return matrix


def shiftedInSteps(volume):
    """Return a grid transform that moves the lowest slice by 20 mm and the highest not at all, as a tilt does."""
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    image = vtk.vtkImageData()
    image.SetDimensions(2, 2, 2)
    image.SetOrigin(*bounds[::2])
    image.SetSpacing(*(end - start for start, end in zip(bounds[::2], bounds[1::2], strict=True)))
    image.AllocateScalars(vtk.VTK_DOUBLE, 3)
    for corner in np.ndindex(2, 2, 2):
        for axis in range(3):
            image.SetScalarComponentFromDouble(*corner, axis, 20.0 if axis == 1 and corner[2] == 0 else 0.0)
    grid = vtk.vtkGridTransform()
    grid.SetDisplacementGridData(image)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLGridTransformNode", "Acquisition transform")
    node.SetAndObserveTransformToParent(grid)
    return node


def flippedMatrix(volume, shape, flips):
    """Return the IJK-to-RAS matrix with which every voxel of the flipped array keeps its position."""
    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    for axis in flips:
        column = 2 - axis
        last = shape[axis] - 1
        for row in range(3):
            step = matrix.GetElement(row, column)
            matrix.SetElement(row, 3, matrix.GetElement(row, 3) + last * step)
            matrix.SetElement(row, column, -step)
    return matrix


def rotated(matrix, degrees):
    """Return a matrix followed by an oblique rotation in space."""
    rotation = vtk.vtkTransform()
    rotation.RotateX(degrees)
    rotation.RotateZ(degrees / 2)
    rotation.Concatenate(matrix)
    return rotation.GetMatrix()


def segmentationOf(volume, masks):
    """Return a segmentation on the grid of a volume."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "given")
    node.CreateDefaultDisplayNodes()
    node.SetReferenceImageGeometryParameterFromVolumeNode(volume)
    for region, mask in masks.items():
        node.GetSegmentation().AddEmptySegment(region, region)
        slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, region, volume)
    return node

"""The prior CT: compared by the engine, shown below the CT, saved and opened again. Runs in Slicer and in the host."""

import shutil
import tempfile
import unittest
from dataclasses import replace
from pathlib import Path

import numpy as np
import slicer
import vtk
import vtk.util.numpy_support
from hands import clickLink, generate, loadSample, moduleWidget, settle
from located import restore
from Reg2RGModuleLib import reportNode, savedReport, transforms
from Reg2RGModuleLib.priorView import LAYOUT, VIEWS

from reg2rg.report import ChangeKind, IntervalChange, load_report

SHIFT_RAS = np.array([12.0, -8.0, 15.0])
"""How far the prior CT, a copy of the current one, is shifted."""
TOLERANCE_MM = 3.0
PLACE_RAS = np.array([40.0, 10.0, 20.0])


class PriorViewTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        slicer.mrmlScene.Clear(0)
        panel = moduleWidget().panel
        loadSample(panel, ("lung", "heart"))
        volume = panel.inputs.volume
        cls.prior = slicer.modules.volumes.logic().CloneVolume(slicer.mrmlScene, volume, "Earlier")
        cls.prior.SetOrigin(*(np.array(volume.GetOrigin()) + SHIFT_RAS))
        panel.ui.priorSelector.setCurrentNode(cls.prior)
        generate(panel)
        cls.fresh = reportNode.reportNodes()[0].GetText()
        cls.compared = reportNode.priorOf(reportNode.reportNodes()[0])

    @classmethod
    def tearDownClass(cls):
        slicer.mrmlScene.Clear(0)

    def setUp(self):
        self.logic, self.panel = moduleWidget().logic, moduleWidget().panel
        self.ui = self.panel.ui
        self.node = reportNode.reportNodes()[0]
        self.layoutManager = slicer.app.layoutManager()
        self.layout = self.layoutManager.layout
        restore(self.node, self.fresh)

    def tearDown(self):
        self.ui.priorCheckBox.checked = False
        self.layoutManager.setLayout(self.layout)
        settle()

    def sliceNode(self, name):
        return self.layoutManager.sliceWidget(name).mrmlSliceNode()

    def composite(self, name):
        return self.layoutManager.sliceWidget(name).mrmlSliceCompositeNode()

    def shownPrior(self):
        return slicer.mrmlScene.GetNodeByID(self.composite("Red+").GetBackgroundVolumeID())

    def planes(self, names):
        """Return the coordinates of the slices of views along their axes, R, A and S."""
        axes = {"Yellow": 0, "Green": 1, "Red": 2}
        return {axes[name.rstrip("+")]: self.sliceNode(name).GetSliceToRAS() for name in names}

    def assertAt(self, point):
        settle()
        for names in (VIEWS, VIEWS.values()):
            for axis, plane in self.planes(names).items():
                self.assertAlmostEqual(plane.GetElement(axis, 3), point[axis], delta=TOLERANCE_MM)

    def resolvedAt(self, place):
        """Make the report say that a nodule, which the prior CT shows at a place of the current one, has resolved."""
        text = "Compared with the prior CT, the lung nodule is no longer seen (previously <200 mm³)."
        there = tuple((place + SHIFT_RAS).tolist())
        change = IntervalChange(
            "lung", ChangeKind.RESOLVED, text, "Lung nodule", None, None, 200.0, "mm³", None, None, there, "25%"
        )
        record = reportNode.read(self.node).record
        restore(self.node, replace(record, prior=replace(record.prior, changes=(change,))).to_json())

    def test_theEngineComparesWithTheChosenPriorCT(self):
        prior = reportNode.read(self.node).record.prior
        self.assertEqual((prior.source, prior.interval_days), ("ct", None))
        self.assertEqual(prior.geometry, savedReport.geometryOf(self.prior))
        self.assertIs(self.compared, self.prior)
        registered = transforms.pointBetween(reportNode.registrationOf(self.node), None, PLACE_RAS + SHIFT_RAS)
        self.assertLess(np.linalg.norm(registered - PLACE_RAS), TOLERANCE_MM)

    def test_thePriorCTIsShownBelowAndTheSlicesMoveTogether(self):
        self.assertTrue(self.ui.priorCheckBox.isVisibleTo(self.ui.priorCheckBox.parent()))
        self.ui.priorCheckBox.checked = True
        settle()
        self.assertEqual(self.layoutManager.layout, LAYOUT)
        shown = self.shownPrior()
        self.assertEqual(shown.GetName(), "Earlier")
        self.assertIsNot(shown, self.prior)
        self.assertIs(shown.GetParentTransformNode(), reportNode.registrationOf(self.node))
        self.assertIsNone(self.prior.GetParentTransformNode(), "the prior CT itself stays as it is")
        for above, below in VIEWS.items():
            self.assertEqual(self.sliceNode(below).GetViewGroup(), self.sliceNode(above).GetViewGroup())
            self.assertTrue(self.composite(above).GetLinkedControl() and self.composite(below).GetLinkedControl())
            np.testing.assert_allclose(
                self.sliceNode(above).GetFieldOfView()[0], self.sliceNode(below).GetFieldOfView()[0], rtol=0.02
            )
        self.panel.navigation.select("heart")
        self.assertAt([self.planes(VIEWS)[axis].GetElement(axis, 3) for axis in range(3)])
        current = self.panel.inputs.volume.GetDisplayNode()
        self.assertEqual(shown.GetDisplayNode().GetLevel(), current.GetLevel())
        self.panel.navigation.select("lung")
        self.assertEqual(shown.GetDisplayNode().GetWindow(), current.GetWindow())

    def test_theFindingsOfTheCTDoNotCoverThePriorOne(self):
        display = reportNode.findingsOf(self.node).GetDisplayNode()
        self.ui.priorCheckBox.checked = True
        self.assertTrue(all(display.IsDisplayableInView(self.sliceNode(name).GetID()) for name in VIEWS))
        self.assertFalse(any(display.IsDisplayableInView(self.sliceNode(name).GetID()) for name in VIEWS.values()))
        self.ui.priorCheckBox.checked = False
        self.assertTrue(all(display.IsDisplayableInView(self.sliceNode(name).GetID()) for name in VIEWS.values()))

    def test_theAlignedPriorCTShowsTheSameAsTheCurrentOne(self):
        self.ui.priorCheckBox.checked = True
        settle()
        images = []
        for name in ("Red", "Red+"):
            reslice = self.layoutManager.sliceWidget(name).sliceLogic().GetBackgroundLayer().GetReslice()
            reslice.Update()
            width, height, _ = reslice.GetOutput().GetDimensions()
            values = vtk.util.numpy_support.vtk_to_numpy(reslice.GetOutput().GetPointData().GetScalars())
            row, column = height // 2, width // 2
            images.append(values.reshape(height, width)[row - 60 : row + 60, column - 60 : column + 60])
        self.assertGreater(np.corrcoef(images[0].ravel(), images[1].ravel())[0, 1], 0.95)

    def test_aResolvedNoduleIsShownWhereItWas(self):
        self.resolvedAt(PLACE_RAS)
        self.ui.priorCheckBox.checked = True
        changes = self.panel.sections.card("lung").findChild("QLabel", "sectionChanges")
        self.panel.scroll.reveal(self.panel.sections.card("lung"))
        settle()
        self.assertIn("&lt;200", changes.text)
        clickLink(changes, "0")
        self.assertEqual(self.panel.sections.current, "lung")
        self.assertAt(PLACE_RAS)

    def test_anotherLayoutHidesThePriorCT(self):
        self.ui.priorCheckBox.checked = True
        shownId = self.shownPrior().GetID()
        self.layoutManager.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        settle()
        self.assertFalse(self.ui.priorCheckBox.checked)
        self.assertIsNone(slicer.mrmlScene.GetNodeByID(shownId))
        self.assertFalse(self.composite("Red").GetLinkedControl())
        self.ui.priorCheckBox.checked = True
        self.ui.priorCheckBox.checked = False
        self.assertEqual(self.layoutManager.layout, slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def test_aSavedReportFindsItsPriorCTAgain(self):
        folder = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        savedReport.write(self.node, reportNode.read(self.node), folder / "saved")
        saved = load_report(folder / "saved")
        moved = saved.prior_transform.TransformPoint((PLACE_RAS * (-1, -1, 1)).tolist())
        self.assertLess(np.linalg.norm(moved * np.array((-1, -1, 1)) - PLACE_RAS - SHIFT_RAS), TOLERANCE_MM)
        volume, registration = reportNode.volumeOf(self.node), reportNode.registrationOf(self.node)
        reportNode.removeReport(self.node)
        self.assertIsNone(registration.GetScene())
        self.panel.exports.open(str(folder / "saved"))
        self.node = reportNode.reportOf(volume)
        self.assertIsNone(reportNode.priorOf(self.node))
        self.assertIs(savedReport.priorOf(self.node, reportNode.read(self.node)), self.prior)
        self.ui.priorCheckBox.checked = True
        self.assertEqual(self.shownPrior().GetName(), "Earlier")

    def test_thePriorCTMustBeAnotherVolume(self):
        self.ui.priorSelector.setCurrentNode(self.panel.inputs.volume)
        self.addCleanup(self.ui.priorSelector.setCurrentNode, self.prior)
        self.ui.generateButton.click()
        self.assertFalse(self.logic.run.active)
        self.assertIn("The prior CT is empty or the CT itself.", self.ui.messageLabel.text)

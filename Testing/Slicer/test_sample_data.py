"""The sample case is registered with the Sample Data module and loads from there. Runs in Slicer and in the host."""

import unittest

import qt
import SampleData
import slicer
from Reg2RGModule import registerSampleData
from Reg2RGModuleLib import regionsGeometry


class SampleDataTest(unittest.TestCase):
    def setUp(self):
        slicer.mrmlScene.Clear(0)

    def tearDown(self):
        slicer.mrmlScene.Clear(0)

    def sources(self):
        return SampleData.SampleDataLogic.sampleDataSourcesByCategory("Reg2RG")

    def test_theSampleCaseIsRegisteredOnce(self):
        registerSampleData()
        self.assertEqual([source.sampleName for source in self.sources()], ["Reg2RGSampleChest"])

    def test_theThumbnailIsAnImage(self):
        self.assertFalse(qt.QImage(self.sources()[0].thumbnailFileName).isNull())

    def test_downloadingTheSampleLoadsTheCtAndItsRegions(self):
        volume, segmentation = SampleData.downloadSamples("Reg2RGSampleChest")
        self.assertTrue(volume.IsA("vtkMRMLScalarVolumeNode"))
        self.assertEqual(volume.GetName(), "Sample chest (synthetic)")
        self.assertEqual(len(regionsGeometry.segmentIds(segmentation)), 10)

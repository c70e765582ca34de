"""The sample case is registered with the Sample Data module and loads from there."""

from __future__ import annotations

import pytest
import SampleData
import slicer
from Reg2RGModule import registerSampleData
from Reg2RGModuleLib import regionsGeometry


@pytest.fixture(autouse=True)
def scene():
    slicer.mrmlScene.Clear(0)
    yield
    slicer.mrmlScene.Clear(0)


def test_the_sample_case_is_registered_once():
    registerSampleData()
    sources = SampleData.SampleDataLogic.sampleDataSourcesByCategory("Reg2RG")
    assert [source.sampleName for source in sources] == ["Reg2RGSampleChest"]


def test_the_thumbnail_is_an_image():
    import qt

    source = SampleData.SampleDataLogic.sampleDataSourcesByCategory("Reg2RG")[0]
    assert not qt.QImage(source.thumbnailFileName).isNull()


def test_downloading_the_sample_loads_the_ct_and_its_regions():
    volume, segmentation = SampleData.downloadSamples("Reg2RGSampleChest")
    assert volume.IsA("vtkMRMLScalarVolumeNode") and volume.GetName() == "Sample chest (synthetic)"
    assert len(regionsGeometry.segmentIds(segmentation)) == 10


def test_a_file_with_a_wrong_checksum_is_refused(tmp_path):
    file = tmp_path / "ct.nrrd"
    file.write_bytes(b"other")
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="Test",
        sampleName="Changed",
        uris=file.as_uri(),
        fileNames="ct.nrrd",
        nodeNames="ct",
        checksums="SHA256:" + 64 * "0",
    )
    with pytest.raises(ValueError, match="checksum"):
        SampleData.downloadSample("Changed")
    slicer.modules.sampleDataSources.pop("Test")


def test_lists_of_different_lengths_and_unknown_fields_are_refused():
    register = SampleData.SampleDataLogic.registerCustomSampleDataSource
    with pytest.raises(ValueError, match="same length"):
        register(sampleName="x", uris=["file:///a", "file:///b"], fileNames=["a"], nodeNames=["a"])
    with pytest.raises(TypeError, match="unheard"):
        register(sampleName="x", uris="file:///a", fileNames="a", nodeNames="a", unheard=1)

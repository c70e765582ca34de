"""The host's Sample Data module refuses files with another checksum and invalid data sets."""

from __future__ import annotations

import pytest
import SampleData
import slicer


def test_a_file_with_another_checksum_is_refused(tmp_path):
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

"""DICOM exports from the panel: they refer to the series of the volume, and only they contain patient data."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
import slicer
from dicom_files import write_series
from hands import generate, loadSample, moduleWidget, settle, waitFor
from pydicom.uid import generate_uid
from Reg2RGModuleLib import reportNode

from reg2rg.runtime.resources import sample_case

PATIENT = "Q7431-B"


@pytest.fixture(scope="module")
def report():
    """Return the report node of the sample case, lungs only."""
    slicer.mrmlScene.Clear(0)
    panel = moduleWidget().panel
    loadSample(panel, ("lung",))
    generate(panel)
    yield reportNode.reportNodes()[0]
    slicer.mrmlScene.Clear(0)


def export(format_name: str, path: Path) -> None:
    panel, logic = moduleWidget().panel, moduleWidget().logic
    panel.exports.export(format_name, str(path))
    waitFor(lambda: not logic.exports.active)
    settle()
    assert panel.ui.messageLabel.text.startswith("Exported: ")


def objects_in(folder: Path) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(file) for file in folder.rglob("*.dcm")]


def load_from_dicom(volume: slicer.vtkMRMLScalarVolumeNode, folder: Path) -> str:
    """Make a volume one that was loaded from a series in the DICOM database, and return the series."""
    frame = generate_uid()

    def identify(dataset: pydicom.Dataset, index: int) -> None:
        dataset.PatientID, dataset.PatientName, dataset.FrameOfReferenceUID = PATIENT, f"{PATIENT}^Jane", frame

    series = write_series(folder, sitk.ReadImage(str(sample_case()[0])), change=identify)
    for file in folder.iterdir():
        slicer.app.dicomDatabase().insert(str(file))
    volume.SetAttribute("DICOM.instanceUIDs", " ".join(each.SOPInstanceUID for each in objects_in(folder)))
    return series


def test_a_volume_that_was_not_loaded_from_dicom_is_exported_into_a_synthetic_study(report, tmp_path):
    export("dicom", tmp_path / "objects")
    objects = objects_in(tmp_path / "objects-draft")
    assert objects and PATIENT not in {each.PatientID for each in objects}


def test_a_dicom_export_refers_to_the_series_of_the_volume_and_only_it_has_patient_data(report, tmp_path):
    series = load_from_dicom(reportNode.volumeOf(report), tmp_path / "series")
    export("dicom", tmp_path / "objects")
    objects = objects_in(tmp_path / "objects-draft")
    assert {each.PatientID for each in objects} == {PATIENT}
    segmentations = [each for each in objects if each.Modality == "SEG"]
    assert segmentations and all(each.ReferencedSeriesSequence[0].SeriesInstanceUID == series for each in segmentations)
    for format_name in ("folder", "text", "markdown"):
        export(format_name, tmp_path / "exports" / format_name)
    written = [file for file in (tmp_path / "exports").rglob("*") if file.is_file()]
    assert len(written) > 5
    assert [file.name for file in written if PATIENT.encode() in file.read_bytes()] == []

"""DICOM objects from the panel, exported and sent to a real DICOM node.

They refer to the series of the volume or join its study, and no other export contains patient data.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
import SimpleITK as sitk
import slicer
from dicom_files import write_series
from hands import generate, loadSample, moduleWidget, settle, waitFor
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from Reg2RGModuleLib import destination, engineTask, reportNode

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


class Node:
    """A DICOM node that keeps what it is sent."""

    def __init__(self) -> None:
        from pynetdicom import AE, AllStoragePresentationContexts, evt

        entity = AE("ARCHIVE")
        entity.supported_contexts = AllStoragePresentationContexts
        entity.add_supported_context("1.2.840.10008.1.1")
        handlers = [(evt.EVT_C_STORE, self._store)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.address = f"dicom://ARCHIVE@127.0.0.1:{self.server.server_address[1]}"
        self.stored: list[Dataset] = []
        self.seconds = 0.0

    def _store(self, event) -> int:
        time.sleep(self.seconds)
        self.stored.append(event.dataset)
        return 0x0000


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node()
    yield node
    node.server.shutdown()


@pytest.fixture
def questions(monkeypatch) -> list[str]:
    """Return the questions that are asked; all are answered with yes."""
    asked: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *others: asked.append(text) or True)
    return asked


@pytest.fixture
def controls(report, questions):
    """Return the controls, with an empty dialog."""
    controls = moduleWidget().panel.send
    controls.ui.addressEdit.setText("")
    return controls


def finish() -> str:
    """Wait until the transfer or test has ended, and return the last message."""
    waitFor(lambda: not moduleWidget().logic.sending.active)
    settle()
    return moduleWidget().panel.send.ui.sendStatusLabel.text


def test_nothing_is_sent_without_an_address_and_a_confirmation(controls, questions, monkeypatch):
    controls.ui.sendReportButton.click()
    assert "not a valid address" in controls.ui.sendStatusLabel.text and questions == []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *others: questions.append(text))
    controls.ui.addressEdit.setText("dicom://ARCHIVE@pacs.example.org:104")
    controls.ui.sendReportButton.click()
    (question,) = questions
    assert question.startswith('Send the report on "Sample chest (synthetic)" to dicom://ARCHIVE@pacs.example.org:104?')
    for words in ("contain patient data", "a draft that nobody has signed", "The connection is not encrypted."):
        assert words in question
    assert not moduleWidget().logic.sending.active


def test_a_connection_is_tested_without_sending_anything(controls, node, questions):
    controls.ui.addressEdit.setText(node.address)
    controls.ui.testButton.click()
    assert finish() == f"{node.address} answers."
    controls.ui.addressEdit.setText("dicom://ARCHIVE@127.0.0.1:1")
    controls.ui.testButton.click()
    assert "could not be reached" in finish()
    assert node.stored == [] and questions == []


def test_the_address_is_remembered_without_its_password(controls):
    controls.ui.addressEdit.setText("https://me:secret@127.0.0.1:1/dicom-web")
    controls.ui.titleEdit.setText("SLICER")
    controls.ui.testButton.click()
    assert "could not be reached" in finish()
    assert destination.remembered() == destination.Destination("https://127.0.0.1:1/dicom-web", "SLICER")
    slicer.app.userSettings().sync()
    assert "secret" not in Path(slicer.app.userSettings().fileName()).read_text(encoding="utf-8")
    controls.ui.titleEdit.setText("")


STUDY = {
    "Patient": {"PatientName": "Doe^Jané", "PatientID": "P7", "PatientBirthDate": "19500101", "PatientSex": "F"},
    "Study": {"StudyInstanceUID": "1.2.3.4", "StudyID": "", "StudyDescription": "No study description"},
}


@pytest.fixture
def in_study(report) -> Iterator[None]:
    """Put the volume of the report into a study of a patient, as Slicer's DICOM import does; its files have gone."""
    volume = reportNode.volumeOf(report)
    volume.SetAttribute("DICOM.instanceUIDs", "1.2.3 1.2.4")
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    patient = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "Doe")
    study = hierarchy.CreateStudyItem(patient, "CT")
    for item, level in ((patient, "Patient"), (study, "Study")):
        for keyword, value in STUDY[level].items():
            hierarchy.SetItemAttribute(item, f"DICOM.{keyword}", value)
    hierarchy.CreateItem(study, volume)  # Slicer's application does so for each volume
    yield
    hierarchy.RemoveItem(patient, False, True)
    volume.RemoveAttribute("DICOM.instanceUIDs")


def test_a_draft_joins_the_study_of_the_subject_hierarchy_and_is_sent_while_the_panel_can_be_used(
    controls, node, questions, in_study
):
    panel = moduleWidget().panel
    panel.ui.sendButton.click()
    assert controls.dialog.isVisible() and not controls.dialog.modal
    controls.ui.addressEdit.setText(node.address)
    controls.ui.sendReportButton.click()
    assert moduleWidget().logic.sending.active and len(questions) == 1
    assert not controls.ui.sendReportButton.enabled and controls.ui.cancelButton.enabled
    panel.navigation.select("lung")
    panel.ui.acceptButton.click()
    assert finish().startswith('The report on "Sample chest (synthetic)" is stored by dicom://ARCHIVE@127.0.0.1')
    panel.ui.undoButton.click()
    by_kind = {each.Modality: each for each in node.stored}
    assert set(by_kind) == {"CT", "SEG", "SR", "DOC"}
    assert by_kind["SR"].PreliminaryFlag == "PRELIMINARY" and "AI-generated draft" in by_kind["SEG"].SeriesDescription
    identities = {(str(each.PatientName), each.PatientID, each.StudyInstanceUID) for each in node.stored}
    assert identities == {("Doe^Jané", "P7", "1.2.3.4")}
    assert not any(each.get("StudyDescription") for each in node.stored)
    assert controls.ui.sendReportButton.enabled and not controls.ui.cancelButton.enabled
    assert not destination.recordFolder().exists()
    controls.ui.closeButton.click()
    assert not controls.dialog.isVisible()


def test_a_canceled_transfer_of_a_volume_without_a_patient_is_resumed(controls, node):
    node.seconds = 0.5
    controls.ui.addressEdit.setText(node.address)
    controls.ui.sendReportButton.click()
    waitFor(lambda: len(node.stored) >= 2)
    controls.ui.cancelButton.click()
    assert finish().startswith("⚠ Canceled. What is already stored stays there")
    node.seconds, before = 0.0, len(node.stored)
    controls.ui.sendReportButton.click()
    assert "is stored by" in finish()
    uids = [each.SOPInstanceUID for each in node.stored]
    assert len(uids) == len(set(uids)) > before
    assert {str(each.PatientName) for each in node.stored} == {"SYNTHETIC^STUDY"}


def test_only_a_format_that_refers_to_the_ct_is_given_patient_data(report, in_study, tmp_path):
    review = moduleWidget().logic.reviewOf(report)
    for name in ("html", "dicom"):
        (tmp_path / name).mkdir()
        images = engineTask.writeReport(report, review, name, tmp_path / name)
        assert ("study" in images) is (name == "dicom")
    assert images["study"]["PatientName"] == "Doe^Jané" and "StudyDescription" not in images["study"]
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(data in content for data in (b"Doe", b"P7", b"1.2.3.4") for content in files)


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

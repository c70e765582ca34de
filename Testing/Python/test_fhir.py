"""The FHIR bundle: valid by two tools, and every reference of the text leads to a DICOM object."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pydicom
import pytest
from command_line import Run
from dicom_reports import small_chest, write_ct, write_report
from reports_under_review import REVIEWER, reviewed_report, signed_report

from reg2rg.about import DRAFT_LABEL, REVIEWED_LABEL
from reg2rg.errors import InputError
from reg2rg.exports.formats import export_report
from reg2rg.report import Report

pytestmark = pytest.mark.slow

NODE_MODULES = Path(sys.prefix, "node", "node_modules")
XHTML = "{http://www.w3.org/1999/xhtml}"
HOSTILE = "<script>alert(1)</script> <b>bold</b> &amp; ]]> \x1b[31m \x00 \u65e5\u672c\u8a9e " + "word " * 20_000


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Report, Path]:
    """Return a report of a DICOM series, and the folder of the series."""
    folder, chest = tmp_path_factory.mktemp("case"), small_chest()
    ct = write_ct(folder / "ct", chest.volume)
    return write_report(folder / "report", ct, chest), ct


@pytest.fixture(scope="module")
def signed(files) -> Report:
    return signed_report(files[0], heart=None)


@pytest.fixture(scope="module")
def file(files, signed, tmp_path_factory) -> Path:
    return export_report(signed, "fhir", tmp_path_factory.mktemp("fhir") / "chest", files[1])


@pytest.fixture(scope="module")
def bundle(file) -> dict:
    return json.loads(file.read_text(encoding="utf-8"))


def resources(bundle: dict, kind: str) -> list[dict]:
    return [entry["resource"] for entry in bundle["entry"] if entry["resource"]["resourceType"] == kind]


def report_of(bundle: dict) -> dict:
    (report,) = resources(bundle, "DiagnosticReport")
    return report


def addresses(bundle: dict) -> dict[str, str]:
    """Return reference -> address of each endpoint."""
    return {f"Endpoint/{each['id']}": each["address"] for each in resources(bundle, "Endpoint")}


def narrative(bundle: dict) -> ElementTree.Element:
    return ElementTree.fromstring(report_of(bundle)["text"]["div"])


def test_every_resource_is_valid_by_fhir_resources(bundle):
    from fhir.resources import get_fhir_model_class
    from fhir.resources.R4B import get_fhir_model_class as get_r4b_model_class

    for entry in bundle["entry"]:
        kind = entry["resource"]["resourceType"]
        model = (get_fhir_model_class if kind == "ImagingSelection" else get_r4b_model_class)(kind)
        model.model_validate(entry["resource"])
    without = [e for e in bundle["entry"] if e["resource"]["resourceType"] != "ImagingSelection"]
    get_r4b_model_class("Bundle").model_validate({**bundle, "entry": without})


def test_the_bundle_is_valid_by_the_definitions_of_r4(file, repository):
    node = shutil.which("node")
    if node is None or not (NODE_MODULES / "fhir").is_dir():
        pytest.skip(f"{NODE_MODULES} does not exist; the Makefile installs it")
    command = [node, str(repository / "Testing" / "Node" / "validate_fhir.js"), str(file)]
    finished = subprocess.run(command, env={"NODE_PATH": str(NODE_MODULES)}, capture_output=True, text=True, check=True)
    messages = finished.stdout.splitlines()
    # The package contains few value sets, so that it finds no code of SNOMED CT or LOINC.
    known = re.compile(r"(Value set .* could not be found\.|Code .* not found in value set)$")
    assert [message for message in messages if not known.search(message)] == []
    assert not any(message.startswith("error") for message in messages)


def test_every_span_resolves_to_a_selection_and_every_selection_to_an_object(bundle, files, signed, tmp_path):
    folder = export_report(signed, "dicom", tmp_path / "objects", files[1])
    objects = map(pydicom.dcmread, (*folder.glob("*.dcm"), *filter(Path.is_file, files[1].iterdir())))
    stored = {dataset.SOPInstanceUID: dataset for dataset in objects}
    selections = {f"ImagingSelection/{each['id']}": each for each in resources(bundle, "ImagingSelection")}
    spans = [span.get("id") for span in narrative(bundle).iter(f"{XHTML}span")]
    assert len(spans) > 5 and len(spans) == len(set(spans)) and set(spans) == set(selections)
    endpoints = addresses(bundle)
    for selection in selections.values():
        (instance,) = selection["instance"]
        dataset = stored[instance["uid"]]
        assert instance["sopClass"]["code"] == f"urn:oid:{dataset.SOPClassUID}"
        assert (selection["studyUid"], selection["seriesUid"]) == (dataset.StudyInstanceUID, dataset.SeriesInstanceUID)
        (number,) = instance["subset"]
        assert int(number) in [segment.SegmentNumber for segment in dataset.SegmentSequence]
        (endpoint,) = selection["endpoint"]
        parts = re.fullmatch(
            r"https://dicomweb\.invalid/studies/(.+)/series/(.+)/instances/(.+)/rendered",
            endpoints[endpoint["reference"]],
        )
        slice_ = stored[parts[3]]
        assert (slice_.StudyInstanceUID, slice_.SeriesInstanceUID, slice_.Modality) == (parts[1], parts[2], "CT")
    (study,) = resources(bundle, "ImagingStudy")
    assert [endpoints[each["reference"]] for each in study["endpoint"]] == ["https://dicomweb.invalid"]
    others = set(stored) - {instance["uid"] for series in study["series"] for instance in series["instance"]}
    assert [stored[uid].Modality for uid in others] == ["DOC"]  # the PDF, to which nothing refers


def test_a_sentence_about_a_finding_points_to_the_segment_of_the_finding(bundle, files, signed, tmp_path):
    folder = export_report(signed, "dicom", tmp_path / "objects", files[1])
    findings = pydicom.dcmread(folder / "findings.dcm")
    (number,) = [s.SegmentNumber for s in findings.SegmentSequence if s.TrackingID == "findings/lung.Lung nodule"]
    (span,) = [s for s in narrative(bundle).iter(f"{XHTML}span") if "nodule of 12 mm" in (s.text or "")]
    (selection,) = [s for s in resources(bundle, "ImagingSelection") if f"ImagingSelection/{s['id']}" == span.get("id")]
    assert selection["instance"][0]["uid"] == findings.SOPInstanceUID
    assert selection["instance"][0]["subset"] == [str(number)]


def test_a_signed_report_claims_imr_and_names_its_interpreter(bundle):
    report = report_of(bundle)
    assert report["status"] == "final" and bundle["meta"]["profile"][0].endswith("imr-store-multimedia-report-bundle")
    (reader,) = resources(bundle, "Practitioner")
    assert reader["name"] == [{"text": REVIEWER}]
    assert report["resultsInterpreter"] == [{"reference": f"Practitioner/{reader['id']}"}]
    assert not any("contained" in entry["resource"] for entry in bundle["entry"])


def test_the_presented_form_has_links_and_the_size_and_hash_of_its_bytes(bundle):
    (form,) = report_of(bundle)["presentedForm"]
    page = base64.b64decode(form["data"])
    assert form["contentType"] == "text/html" and form["size"] == len(page)
    assert base64.b64decode(form["hash"]) == hashlib.sha1(page).digest()
    links = re.findall(r'<a href="([^"]+)">', page.decode())
    assert len(links) == len(resources(bundle, "ImagingSelection")) and b"<span" not in page
    assert {*links, "https://dicomweb.invalid"} == set(addresses(bundle).values())


def test_every_reference_is_in_the_bundle(bundle):
    known = {f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in bundle["entry"]}
    assert len(known) == len(bundle["entry"])
    assert set(re.findall(r'"reference": "([^"]+)"', json.dumps(bundle))) <= known
    for entry in bundle["entry"]:
        assert entry["request"] == {"method": "PUT", "url": "/".join(entry["fullUrl"].split("/")[-2:])}


def test_every_finding_and_measurement_is_an_observation(bundle, signed):
    values = {o["code"]["text"]: o for o in resources(bundle, "Observation")}
    assert values["Lung nodule"]["valueCodeableConcept"]["coding"][0]["display"] == "Present"
    (volume,) = [m for m in signed.evidence.of("lung") if m.name == "Lung volume, right lung"]
    quantity = values[volume.name]["valueQuantity"]
    assert (quantity["value"], quantity["code"]) == (volume.value, "mL")
    assert {o["status"] for o in values.values()} == {"final"} and "Heart volume" not in values


def test_a_draft_is_preliminary_and_claims_nothing(files, tmp_path):
    file = export_report(files[0], "fhir", tmp_path / "chest", files[1])
    draft = json.loads(file.read_text(encoding="utf-8"))
    report = report_of(draft)
    assert file.name == "chest-draft.json" and report["status"] == "preliminary"
    assert "meta" not in draft and "resultsInterpreter" not in report and not resources(draft, "Practitioner")
    page = base64.b64decode(report["presentedForm"][0]["data"]).decode()
    for text in (report["conclusion"], report["text"]["div"], page):
        assert DRAFT_LABEL in text
    assert report["presentedForm"][0]["title"] == "Draft: Chest CT report"


def test_links_lead_to_the_given_service_without_its_password(reg2rg: Run, files, signed, tmp_path):
    service, chest = "https://me:secret@pacs.example.org/dicom-web/", tmp_path / "chest"
    command = ("export", files[0].folder, "--format", "fhir", "--ct", files[1], "--dicomweb", service, "-o", chest)
    finished = reg2rg(*command)
    assert finished.returncode == 0, finished.stderr
    text = (tmp_path / "chest-draft.json").read_text(encoding="utf-8")
    found = set(addresses(json.loads(text)).values())
    assert "https://pacs.example.org/dicom-web" in found and len(found) > 1
    assert all(re.match(r"https://pacs\.example\.org/dicom-web(/studies/.*/rendered)?$", each) for each in found)
    assert "secret" not in text and "dicomweb.invalid" not in text
    with pytest.raises(InputError, match="is a DICOM node; links need the https:// URL"):
        export_report(signed, "fhir", tmp_path / "chest", files[1], dicomweb="dicom://A@host:104")
    with pytest.raises(InputError, match="text has no links to a DICOMweb service; expected one of: fhir"):
        export_report(signed, "text", tmp_path / "chest", dicomweb=service)


def test_the_same_report_gives_the_same_bundle(files, signed, file, tmp_path):
    again = export_report(signed, "fhir", tmp_path / "chest", files[1])
    assert again.read_bytes() == file.read_bytes()


def test_hostile_text_is_text(files, tmp_path):
    hostile = reviewed_report(files[0], lung=HOSTILE)
    file = export_report(hostile, "fhir", tmp_path / "chest", files[1])
    bundle = json.loads(file.read_text(encoding="utf-8"))
    expected = " ".join(HOSTILE.replace("\x1b", "\ufffd").replace("\x00", "\ufffd").split())
    words, tags = [], set()

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag, attributes):
            tags.add(tag)

        def handle_data(self, data):
            words.extend(data.split())

    Reader().feed(base64.b64decode(report_of(bundle)["presentedForm"][0]["data"]).decode())
    assert expected in " ".join(words) and "script" not in tags
    assert expected in " ".join("".join(narrative(bundle).itertext()).split())
    assert REVIEWED_LABEL in report_of(bundle)["conclusion"]


def test_the_bundle_contains_no_patient_data(file, files):
    header = pydicom.dcmread(next(filter(Path.is_file, files[1].iterdir())), stop_before_pixels=True)
    text = file.read_text(encoding="utf-8")
    names = ("PatientName", "PatientID", "PatientBirthDate", "AccessionNumber", "StudyDate", "StudyDescription")
    assert header.PatientID and header.StudyDate
    for name in (*names, "ReferringPhysicianName", "Manufacturer"):
        assert f'"{header.get(name)}' not in text or not header.get(name)
    (patient,) = resources(json.loads(text), "Patient")
    assert set(patient) == {"resourceType", "id", "active"} and str(files[1]) not in text


def test_a_bundle_needs_the_ct(files, tmp_path):
    with pytest.raises(InputError, match="name it with --ct"):
        export_report(files[0], "fhir", tmp_path / "chest")

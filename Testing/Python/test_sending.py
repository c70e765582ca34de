"""Sending DICOM objects to Orthanc, by C-STORE and STOW-RS, and what happens if something goes wrong."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom
import pydicom.fileset
import pytest
import requests
import SimpleITK as sitk
from command_line import COMMAND, Run, error_line
from dicom_files import write_series
from dicom_reports import complete_header, small_chest, write_report
from local_server import running_server
from orthanc_server import TITLE, Orthanc, running_orthanc
from tiny_chest import tiny_chest

from reg2rg.errors import Cancelled, InputError
from reg2rg.exports.sending.address import parse_address
from reg2rg.pipeline.events import Answered, Sent
from reg2rg.pipeline.request import SendRequest
from reg2rg.pipeline.sending import run_send
from reg2rg.runtime.callbacks import never_cancel

pytest.importorskip("pynetdicom")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def empty(orthanc) -> Orthanc:
    orthanc.delete_all()
    return orthanc


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """Return a folder with a small CT series and a file that is not DICOM."""
    write_series(tmp_path / "series", tiny_chest(), change=complete_header)
    (tmp_path / "series" / "notes.txt").write_text("not DICOM")
    return tmp_path / "series"


def uids(folder: Path) -> set[str]:
    return {str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in folder.rglob("*.dcm")}


def stored(orthanc: Orthanc) -> set[str]:
    """Return the instances that a query by QIDO-RS finds."""
    found = orthanc.get("dicom-web/instances?limit=1000")
    return {instance["00080018"]["Value"][0] for instance in found}


def stored_by_find(orthanc: Orthanc, study: str) -> set[str]:
    """Return the instances of a study that a query by C-FIND finds."""
    from pynetdicom import AE
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find

    entity = AE("REG2RG")
    entity.add_requested_context(Find)
    association = entity.associate("127.0.0.1", orthanc.dicom_port, ae_title=TITLE)
    assert association.is_established
    query = pydicom.Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "IMAGE", study
    query.SeriesInstanceUID = query.SOPInstanceUID = ""
    found = {str(answer.SOPInstanceUID) for _, answer in association.send_c_find(query, Find) if answer is not None}
    association.release()
    return found


ADDRESSES: dict[str, Callable[[Orthanc], str]] = {"C-STORE": lambda o: o.node, "STOW-RS": lambda o: o.dicomweb}


@pytest.mark.parametrize("way", ADDRESSES)
def test_a_series_arrives_unchanged_and_is_found_by_query(reg2rg: Run, empty, series, way):
    finished = reg2rg("send", series, "--to", ADDRESSES[way](empty))
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("10 objects stored by")
    dataset = pydicom.dcmread(next(series.glob("*.dcm")))
    assert stored(empty) == stored_by_find(empty, dataset.StudyInstanceUID) == uids(series)
    names = {each["MainDicomTags"]["SOPInstanceUID"]: each["ID"] for each in empty.get("instances?expand")}
    for file in series.glob("*.dcm"):
        sent = pydicom.dcmread(file)
        assert pydicom.dcmread(BytesIO(empty.get(f"instances/{names[sent.SOPInstanceUID]}/file"))) == sent


@pytest.mark.parametrize("way", ADDRESSES)
def test_the_real_series_arrives_compressed_as_it_is(reg2rg: Run, empty, shared, tmp_path: Path, way):
    folder = shutil.copytree(shared / "data/real/dicom/scout_and_ct_jpegls", tmp_path / "real")
    files = [file for file in folder.rglob("*") if file.is_file()]
    expected = {str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID) for file in files}
    finished = reg2rg("send", folder, "--to", ADDRESSES[way](empty))
    assert finished.returncode == 0, finished.stderr
    assert stored(empty) == expected and len(expected) == 136


def test_echo_tells_whether_an_address_answers_and_sends_nothing(reg2rg: Run, empty):
    for address in (empty.node, empty.dicomweb):
        finished = reg2rg("send", "--echo", "--to", address)
        assert finished.returncode == 0 and finished.stdout == f"{address} answers.\n"
    assert stored(empty) == set()
    assert "could not be reached" in error_line(reg2rg("send", "--echo", "--to", "dicom://ANY@127.0.0.1:1"), 1)
    assert "could not be reached" in error_line(reg2rg("send", "--echo", "--to", "http://127.0.0.1:1/dicom-web"), 1)


def test_what_was_stored_is_not_sent_again_unless_asked_for(reg2rg: Run, empty, series):
    assert reg2rg("send", series, "--to", empty.node).returncode == 0
    finished = reg2rg("send", series, "--to", empty.node)
    assert finished.stdout == f"0 objects stored by {empty.node}; 10 had been stored before.\n"
    assert reg2rg("send", series, "--to", empty.node, "--again").stdout.startswith("10 objects")
    assert reg2rg("send", series, "--to", empty.dicomweb).stdout.startswith("10 objects"), "that is another address"


class Flaky(BaseHTTPRequestHandler):
    """A DICOMweb service that stores some objects, refuses some, and then breaks off."""

    protocol_version = "HTTP/1.1"
    answers: list[str] = []
    received = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = type(self).answers.pop(0) if type(self).answers else "store"
        if answer == "page":
            return self._answer(200, "text/html", b"<p>Please log in.</p>")
        if answer == "break":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return None
        type(self).received += 1
        uid = str(pydicom.dcmread(BytesIO(body.split(b"\r\n\r\n", 1)[1])).SOPInstanceUID)
        tag = "00081198" if answer == "refuse" else "00081199"
        item = {"00081155": {"vr": "UI", "Value": [uid]}}
        if answer == "warn":
            item["00081196"] = {"vr": "US", "Value": [0xB007]}
        content = json.dumps({tag: {"vr": "SQ", "Value": "nonsense" if answer == "nonsense" else [item]}}).encode()
        return self._answer({"refuse": 409, "warn": 202}.get(answer, 200), "application/dicom+json", content)

    def do_GET(self) -> None:
        self._answer(200, "text/html", b"<p>Please log in.</p>")

    def _answer(self, status: int, media_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[type[Flaky]]:
    """Run the service in a thread; its address is the attribute `url`."""
    handler = type("Handler", (Flaky,), {"answers": [], "received": 0})
    with running_server(handler, lambda socket: tls.wrap_socket(socket, server_side=True) if tls else socket) as server:
        handler.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}/dicom-web"
        yield handler


@pytest.fixture
def flaky() -> Iterator[type[Flaky]]:
    with serving() as handler:
        yield handler


def test_a_web_page_is_not_taken_for_a_service_that_stored_something(reg2rg: Run, flaky, series):
    flaky.answers = ["page"] * 10
    message = error_line(reg2rg("send", series, "--to", flaky.url), 1)
    assert "10 of 10 objects are not stored" in message and "did not say what it stored" in message
    assert not (series / "sent.jsonl").exists()
    assert "not as a DICOMweb service" in error_line(reg2rg("send", "--echo", "--to", flaky.url), 1)


def test_a_refused_object_is_counted_and_sent_with_the_next_attempt(reg2rg: Run, flaky, series):
    flaky.answers[:] = ["store", "nonsense", "refuse", "store"]
    error = error_line(reg2rg("send", series, "--to", flaky.url), 1)
    assert "2 of 10 objects are not stored." in error and "Send again to transfer the rest" in error
    flaky.answers[:] = ["refuse"]
    assert "1 of 10 objects is not stored." in error_line(reg2rg("send", series, "--to", flaky.url), 1)
    flaky.received = 0
    finished = reg2rg("send", series, "--to", flaky.url)
    assert finished.returncode == 0 and "1 object stored" in finished.stdout and flaky.received == 1


def test_a_connection_that_breaks_off_is_made_again_for_the_rest(reg2rg: Run, flaky, series):
    flaky.answers[:] = ["store", "store", "break"]
    finished = reg2rg("send", series, "--to", flaky.url)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith("10 objects") and flaky.received == 10


def test_a_transfer_that_fails_for_good_says_how_much_is_stored(reg2rg: Run, flaky, series):
    flaky.answers[:] = ["store"] * 4 + ["break"] * 50
    error = error_line(reg2rg("send", series, "--to", flaky.url), 1)
    assert "6 of 10 objects are not stored." in error
    flaky.answers.clear()
    assert (
        reg2rg("send", series, "--to", flaky.url).stdout
        == f"6 objects stored by {flaky.url}; 4 had been stored before.\n"
    )


def test_a_folder_in_which_nothing_can_be_recorded_is_told_once(reg2rg: Run, flaky, series):
    (series / "sent.jsonl").mkdir()  # root may write to any folder
    finished = reg2rg("send", series, "--to", flaky.url)
    assert finished.returncode == 0 and finished.stdout.startswith("10 objects")
    (told,) = [line for line in finished.stderr.splitlines() if "cannot be recorded" in line]
    assert told == (
        f"What is stored cannot be recorded in {series} (Is a directory); the next transfer sends it again."
    )


def test_a_canceled_transfer_stops_after_an_object_and_can_be_resumed(flaky, series):
    def send(should_cancel: Callable[[], bool]) -> Sent | Answered:
        return run_send(SendRequest(to=flaky.url, folder=series), lambda event: None, should_cancel)

    with pytest.raises(Cancelled):
        send(lambda: flaky.received >= 3)
    assert flaky.received == 3
    assert send(never_cancel) == Sent(flaky.url, count=7, stored_before=3)


@contextmanager
def node(
    answer: Callable[[Any], int], *kinds: str, title: str = "", on_request: Callable[[Any], None] = lambda event: None
) -> Iterator[str]:
    """Run a DICOM node that answers each C-STORE, and yield its address.

    Args:
        answer: takes an event and returns a status.
        kinds: the SOP classes it accepts; CT images if there are none.
        title: the only title it accepts to be called; any if empty.
        on_request: called for each connection that is asked for.
    """
    from pynetdicom import AE, evt

    entity = AE(title or "ANY")
    entity.require_called_aet = bool(title)
    for kind in kinds or ("1.2.840.10008.5.1.4.1.1.2",):
        entity.add_supported_context(kind)
    handlers = [(evt.EVT_C_STORE, answer), (evt.EVT_REQUESTED, on_request)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    try:
        yield f"dicom://ANY@127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def test_an_association_that_is_aborted_is_made_again_for_the_rest(reg2rg: Run, series):
    received: list[str] = []

    def abort_once(event: Any) -> int:
        received.append(str(event.request.AffectedSOPInstanceUID))
        if len(received) == 4:
            event.assoc.abort()
        return 0

    with node(abort_once) as address:
        finished = reg2rg("send", series, "--to", address)
    assert finished.stdout == f"10 objects stored by {address}.\n"
    assert set(received) == uids(series) and len(received) == 11, "the one that was not answered is sent again"


def test_a_connection_that_is_rejected_is_not_made_again(reg2rg: Run, series):
    requests: list[Any] = []
    with node(lambda event: 0, title="OTHER", on_request=requests.append) as address:
        error = error_line(reg2rg("send", series, "--to", address), 1)
    assert "10 of 10 objects are not stored." in error and "rejected the connection" in error
    assert len(requests) == 1


def test_warnings_of_a_receiver_are_shown(reg2rg: Run, flaky, series):
    statuses = itertools.cycle([0xB000, 0xB006])
    with node(lambda event: next(statuses)) as address:
        finished = reg2rg("send", series, "--to", address)
    expected = "The receiver stored 10 objects with a warning (0xB000, 0xB006): it may have changed or left out some"
    assert finished.stdout == f"10 objects stored by {address}.\n" and expected in finished.stderr
    flaky.answers[:] = ["warn", "store"]
    assert "1 object with a warning (0xB007)" in reg2rg("send", series, "--to", flaky.url).stderr


def test_an_address_where_nobody_listens_under_this_title_or_name_is_named(reg2rg: Run):
    with node(lambda event: 0, title="OTHER") as address:
        error = error_line(reg2rg("send", "--echo", "--to", address), 1)
    assert "rejected the connection; are the titles" in error
    unknown = reg2rg("send", "--echo", "--to", "dicom://ANY@no-such-host.invalid:104")
    assert "dicom://ANY@no-such-host.invalid:104 could not be reached (" in error_line(unknown, 1)


@pytest.mark.posix
def test_a_transfer_that_is_interrupted_says_so_and_can_be_resumed(series, tmp_path: Path):
    received: list[str] = []
    pause = threading.Event()

    def answer(event: Any) -> int:
        received.append(str(event.request.AffectedSOPInstanceUID))
        pause.wait(30 if len(received) == 4 else 0)
        return 0

    with node(answer) as address:
        command = [*COMMAND, "send", str(series), "--to", address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while len(received) < 4:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            time.sleep(0.2)
            pause.set()
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 130 and "what was stored until then is recorded" in errors
        assert run_send(SendRequest(to=address, folder=series), lambda event: None).stored_before >= 3
    assert set(received) == uids(series)


def test_a_node_that_does_not_accept_a_kind_of_object_is_named(reg2rg: Run, series):
    (series / "sr.dcm").write_bytes((next(series.glob("*.dcm"))).read_bytes())
    dataset = pydicom.dcmread(series / "sr.dcm")
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3.4"
    dataset.save_as(series / "sr.dcm")
    with node(lambda event: 0, "1.2.840.10008.5.1.4.1.1.88.11") as address:
        error = error_line(reg2rg("send", series, "--to", address), 1)
    assert "10 of 11 objects are not stored." in error and "does not accept CT Image Storage" in error


def certificate(folder: Path) -> tuple[Path, Path]:
    key, file = folder / "key.pem", folder / "certificate.pem"
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", file, "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    return file, key


def test_a_dicom_node_with_tls_is_checked(reg2rg: Run, series, tmp_path: Path):
    file, key = certificate(tmp_path)
    tls = {
        "DicomTlsEnabled": True, "DicomTlsCertificate": str(file), "DicomTlsPrivateKey": str(key),
        "DicomTlsTrustedCertificates": str(file),
    }  # fmt: skip
    (tmp_path / "orthanc").mkdir()
    with running_orthanc(tmp_path / "orthanc", **tls) as orthanc:
        address = f"dicoms://{TITLE}@localhost:{orthanc.dicom_port}"
        own = ("--tls-cert", file, "--tls-key", key)
        finished = reg2rg("send", series, "--to", address, "--tls-ca", file, *own)
        assert finished.returncode == 0, finished.stderr
        assert "not encrypted" not in finished.stderr and stored(orthanc) == uids(series)
        error = error_line(reg2rg("send", "--echo", "--to", address), 1)
        assert "could not be reached" in error and "certificate from an authority that is trusted (--tls-ca)" in error


def test_a_dicomweb_service_with_tls_is_checked(reg2rg: Run, series, tmp_path: Path):
    file, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    with serving(context) as service:  # Debian's Orthanc ends when it is asked for an encrypted page
        finished = reg2rg("send", series, "--to", service.url, "--tls-ca", file)
        assert finished.returncode == 0 and service.received == 10, finished.stderr
        assert "could not be verified" in error_line(reg2rg("send", series, "--again", "--to", service.url), 1)
        assert service.received == 10
    with serving() as service:
        plain = service.url.replace("http:", "https:")
        assert "perhaps it expects http" in error_line(reg2rg("send", "--echo", "--to", plain), 1)


@pytest.mark.parametrize(
    "text", ["", "host:104", "dicom://host:104", "dicom://AET@host", "ftp://host/x", "dicom://A@host:x",
             "dicom://THE_TITLE_IS_TOO_LONG@host:104", "https:///dicom-web"]
)  # fmt: skip
def test_an_invalid_address_is_refused(text):
    with pytest.raises(InputError, match="expected dicom://AET@host:port"):
        parse_address(text)


@pytest.mark.parametrize("title", ["", "THE_TITLE_IS_TOO_LONG", "TITEL_Ä", "A\\B"])
def test_a_title_of_this_program_that_is_not_valid_is_refused(title):
    with pytest.raises(InputError, match="of this program is not valid; expected 1 to 16 ASCII characters"):
        run_send(SendRequest(to="dicom://A@127.0.0.1:1", title=title), lambda event: None)


def test_a_password_in_an_address_is_never_shown(reg2rg: Run, series):
    error = error_line(reg2rg("send", series, "--to", "http://me:secret@127.0.0.1:1/dicom-web"), 1)
    assert "secret" not in error and "10 of 10 objects are not stored" in error


def test_nothing_to_send_is_an_error(reg2rg: Run, tmp_path: Path):
    assert "contains no DICOM files" in error_line(reg2rg("send", tmp_path, "--to", "dicom://A@127.0.0.1:1"), 2)
    assert "nothing to send" in error_line(reg2rg("send", "--to", "dicom://A@127.0.0.1:1"), 2)
    echo = reg2rg("send", tmp_path, "--echo", "--to", "dicom://A@127.0.0.1:1")
    assert "--echo sends nothing; leave out the folder" in error_line(echo, 2)
    for finished in (echo, reg2rg("send", tmp_path / "none", "--to", "dicom://A@127.0.0.1:1")):
        assert "Sending to" not in finished.stderr
    assert "--to" in error_line(reg2rg("send", tmp_path), 2)


def test_the_directory_of_a_disk_is_left_out(reg2rg: Run, empty, series):
    directory = pydicom.fileset.FileSet()
    for file in series.glob("*.dcm"):
        directory.add(file)
    disk = series.parent / "disk"
    directory.write(disk)
    assert (disk / "DICOMDIR").is_file()
    assert reg2rg("send", disk, "--to", empty.node).stdout.startswith("10 objects stored")


def test_a_damaged_file_stops_the_transfer_before_it_begins(reg2rg: Run, empty, series):
    file = sorted(series.glob("*.dcm"))[-1]
    file.write_bytes(file.read_bytes()[:200])
    assert "Nothing was sent" in error_line(reg2rg("send", series, "--to", empty.node), 2)
    assert stored(empty) == set()


def test_a_report_is_exported_and_sent_by_the_commands_on_the_page(
    reg2rg: Run, empty, repository: Path, tmp_path: Path, monkeypatch
):
    chest, ct = small_chest(), tmp_path / "ct.nii.gz"
    sitk.WriteImage(chest.volume, str(ct))
    write_report(tmp_path / "report", ct, chest)
    monkeypatch.chdir(tmp_path)
    given = {
        "REPORT": "report", "CT": "ct.nii.gz", "FOLDER": "sent-draft",
        "dicom://AET@host:port": empty.node, "dicom://ARCHIVE@pacs.example.org:104": empty.node,
        "https://pacs.example.org/dicom-web": empty.dicomweb,
    }  # fmt: skip
    page = (repository / "docs" / "dicom.md").read_text(encoding="utf-8")
    commands = [shlex.split(line, comments=True) for line in re.findall("^reg2rg (.*)$", page, re.MULTILINE)]
    assert [words[0] for words in commands] == ["export", *["send"] * 6]
    for words in commands:
        if any(word.startswith("dicoms:") for word in words):
            continue  # Orthanc has no certificate here; see the tests of TLS
        finished = reg2rg(*(given.get(word, word) for word in words))
        assert finished.returncode == 0, finished.stderr
    modalities = [series["00080060"]["Value"][0] for series in empty.get("dicom-web/series")]
    assert sorted(modalities) == ["CT", "DOC", "SEG", "SEG", "SEG", "SR", "SR"]
    assert len(stored(empty)) >= chest.volume.GetSize()[2] + 5
    again = reg2rg("send", tmp_path / "report", "--ct", ct, "--to", empty.dicomweb)
    assert again.stdout.startswith("0 objects stored")


def test_every_selection_of_a_fhir_bundle_is_found_in_the_archive_and_its_slice_is_shown(
    reg2rg: Run, empty, tmp_path: Path
):
    chest, ct = small_chest(), tmp_path / "ct.nii.gz"
    sitk.WriteImage(chest.volume, str(ct))
    write_report(tmp_path / "report", ct, chest)
    options = ("--ct", ct, "--dicomweb", empty.dicomweb, "-o", tmp_path / "chest")
    assert reg2rg("export", tmp_path / "report", "--format", "fhir", *options).returncode == 0
    assert reg2rg("send", tmp_path / "report", "--ct", ct, "--to", empty.dicomweb).returncode == 0
    bundle = json.loads((tmp_path / "chest-draft.json").read_text(encoding="utf-8"))
    resources = [entry["resource"] for entry in bundle["entry"]]
    selections = [each for each in resources if each["resourceType"] == "ImagingSelection"]
    addresses = {f"Endpoint/{each['id']}": each["address"] for each in resources if each["resourceType"] == "Endpoint"}
    assert selections and {each["instance"][0]["uid"] for each in selections} <= stored(empty)
    for address in {addresses[each["endpoint"][0]["reference"]] for each in selections}:
        answer = requests.get(address, headers={"Accept": "image/jpeg"}, timeout=60)
        assert answer.status_code == 200 and answer.content.startswith(b"\xff\xd8"), address

"""The service that drafts what Orthanc receives: whole loops with a real Orthanc, kills, and trouble on the way."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from pathlib import Path
from unittest.mock import Mock

import pydicom
import pytest
from command_line import COMMAND, Run, error_line
from dicom_files import write_series
from dicom_reports import complete_header
from local_server import running_server
from orthanc_server import Orthanc, running_orthanc
from pydicom.dataset import Dataset
from tiny_chest import tiny_chest

from reg2rg.about import DRAFT_LABEL
from reg2rg.batch.settings import Settings
from reg2rg.drafts.health import HEALTH_FILE, IDLE_SECONDS, check_health
from reg2rg.drafts.inbox import MAXIMUM_WAITING, Inbox
from reg2rg.drafts.orthanc import Orthanc as Source
from reg2rg.drafts.run import run_drafts
from reg2rg.errors import Reg2RGError
from reg2rg.exports.sending.tls import Certificates
from reg2rg.pipeline.request import SendRequest

pytest.importorskip("pynetdicom")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with running_orthanc(tmp_path_factory.mktemp("orthanc"), StableAge=1) as orthanc:
        yield orthanc


@pytest.fixture
def orthanc(server: Orthanc) -> Orthanc:
    """Return an empty Orthanc."""
    server.delete_all()
    urllib.request.urlopen(urllib.request.Request(f"{url_of(server)}/changes", method="DELETE")).close()
    return server


def url_of(orthanc: Orthanc) -> str:
    return f"http://127.0.0.1:{orthanc.http_port}"


@pytest.fixture
def options(tiny_model_folder: Path) -> dict[str, object]:
    return {"model": str(tiny_model_folder), "segmenter": "thresholds", "regions": ("lung",), "device": "cpu"}


def end(seconds: float) -> bool:
    """End the service when it would wait."""
    return seconds > 0


class Service:
    """The service in this process. It ends when it has nothing to do."""

    def __init__(self, output: Path, options: dict[str, object]) -> None:
        self.output = output
        self.notices: list[str] = []
        self._settings = Settings(False, options)

    def run(self, source: str, to: str, wait: Callable[[float], bool] = end) -> None:
        run_drafts(
            source, self.output, self._settings, SendRequest(to=to), new_only=False, jobs=0, wait=wait,
            on_progress=lambda progress: None, on_notice=self.notices.append,
        )  # fmt: skip

    @property
    def drafts(self) -> list[Path]:
        return sorted((self.output / "drafts").glob("cases/*"))

    @property
    def inbox(self) -> list[str]:
        return sorted(path.name for path in (self.output / "inbox").iterdir())


@pytest.fixture
def service(tmp_path: Path, options: dict[str, object]) -> Service:
    return Service(tmp_path / "service", options)


def store(reg2rg: Run, orthanc: Orthanc, folder: Path) -> None:
    """Send series by C-STORE, and wait until Orthanc says that they are complete."""
    finished = reg2rg("send", folder, "--to", orthanc.node, "--again")
    assert finished.returncode == 0, finished.stderr
    while not all(series["IsStable"] for series in orthanc.get("series?expand")):
        time.sleep(0.1)


def objects(orthanc: Orthanc) -> dict[str, list[Dataset]]:
    """Return modality -> what Orthanc has of it besides CT images."""
    found: dict[str, list[Dataset]] = {}
    for series in orthanc.get("series?expand"):
        modality = series["MainDicomTags"]["Modality"]
        if modality != "CT":
            files = (BytesIO(orthanc.get(f"instances/{each}/file")) for each in series["Instances"])
            found.setdefault(modality, []).extend(pydicom.dcmread(file) for file in files)
    return found


# --- the loop --------------------------------------------------------------------------------------------------------


class Gateway(BaseHTTPRequestHandler):
    """Passes requests on to Orthanc, and kills the service at a given request.

    Attributes:
        plan: part of a request line -> at which of these requests to kill the service, once Orthanc has answered it.
        victim: the service.
    """

    protocol_version = "HTTP/1.1"
    orthanc: Orthanc
    plan: dict[str, int]
    victim: subprocess.Popen[str]

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
        for part, count in list(self.plan.items()):
            if part in self.requestline:
                self.plan[part] = count - 1
        victim = self.victim if 0 in self.plan.values() else None
        headers = {name: value for name, value in self.headers.items() if name in ("Accept", "Content-Type")}
        request = urllib.request.Request(f"{url_of(self.orthanc)}{self.path}", body, headers, method=self.command)
        with urllib.request.urlopen(request, timeout=60) as answer:
            content, kind = answer.read(), answer.headers["Content-Type"]
        if victim is not None:
            self.plan.clear()  # first, because the next service may ask for something as soon as this one is gone
            victim.kill()
            victim.wait()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def gateway(orthanc: Orthanc) -> Iterator[type[Gateway]]:
    """Run the gateway in a thread; its address is the attribute `url`."""
    handler = type("Handler", (Gateway,), {"orthanc": orthanc, "plan": {}})
    with running_server(handler) as server:
        server.handle_error = lambda *arguments: None  # the killed service reads no answer
        handler.url = f"http://127.0.0.1:{server.server_port}"
        yield handler


READ_ONLY = """
set -e
mount --bind "$0/data" "$0/data"
mount --bind "$0/tmp" "$0/tmp"
findmnt -rn -o TARGET | grep -v -e ^/proc -e ^/sys | while read place; do
  mount -o remount,bind,ro "$place" 2>/dev/null || :
done
mount -o remount,bind,rw "$0/data"
mount -o remount,bind,rw "$0/tmp"
! touch "$0/is-writable" 2>/dev/null
export HOME=/nowhere TMPDIR="$0/tmp"
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all "$@"
"""
"""Runs a command like a container: without the privileges of root, and only two folders can be written to."""


def confined(container: Path) -> list[str]:
    """Return what runs a command like a container; nothing where this user may not do that.

    Args:
        container: folder with the folders data and tmp, to which the command can write.
    """
    unshare = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    prefix = [*unshare, "sh", "-c", READ_ONLY, str(container)]
    try:
        works = subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    except OSError:
        works = False
    return prefix if works else []


@pytest.mark.slow
@pytest.mark.posix
def test_a_study_comes_back_once_with_drafts_that_refer_to_it_although_the_service_is_killed_in_between(
    reg2rg: Run, orthanc: Orthanc, tiny_model_folder: Path, tmp_path: Path
) -> None:
    write_series(tmp_path / "series", tiny_chest(), change=complete_header)
    store(reg2rg, orthanc, tmp_path / "series")
    images = [pydicom.dcmread(file, stop_before_pixels=True) for file in (tmp_path / "series").glob("*.dcm")]
    data = tmp_path / "data"
    for folder in (data, tmp_path / "tmp"):
        folder.mkdir()
    with gateway(orthanc) as between:
        command = [
            *confined(tmp_path), *COMMAND, "drafts", "--orthanc", between.url, "--to", f"{between.url}/dicom-web",
            "-o", str(data), "--model", str(tiny_model_folder), "--segmenter", "thresholds", "--region", "lung",
            "--device", "cpu", "--jobs", "0",
        ]  # fmt: skip
        for plan in ({"POST": 2}, {}):
            between.plan.update(plan)
            between.victim = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd="/")
            limit = threading.Timer(300, between.victim.kill)
            limit.start()
            lines = []
            for line in between.victim.stderr:
                lines.append(line)
                if line.endswith(": sent\n"):
                    assert reg2rg("drafts", "--health", "-o", data).returncode == 0
                    between.victim.send_signal(signal.SIGTERM)
            limit.cancel()
            assert between.victim.wait() == (-signal.SIGKILL if plan else 0), lines
    assert lines[-2].endswith(": sent\n") and lines[-1].startswith("Stopped.")
    assert [each for each in (data / "inbox").iterdir() if not each.name.startswith(".")] == []
    assert len(list(data.glob("drafts/cases/*/report.json"))) == 1
    found = objects(orthanc)
    assert {modality: len(each) for modality, each in found.items()} == {"SEG": 2, "SR": 2, "DOC": 1}
    study, uids = images[0].StudyInstanceUID, {image.SOPInstanceUID for image in images}
    for dataset in (each for group in found.values() for each in group):
        assert dataset.StudyInstanceUID == study and dataset.PatientID == images[0].PatientID
        assert DRAFT_LABEL.startswith(dataset.SeriesDescription.split(", ", 1)[1])
    for dataset in found["SEG"]:
        referenced = dataset.ReferencedSeriesSequence[0]
        assert referenced.SeriesInstanceUID == images[0].SeriesInstanceUID
        assert {each.ReferencedSOPInstanceUID for each in referenced.ReferencedInstanceSequence} <= uids
    for dataset in found["SR"]:
        assert (dataset.CompletionFlag, dataset.VerificationFlag) == ("PARTIAL", "UNVERIFIED")
        assert images[0].SeriesInstanceUID in dataset.to_json()
    assert any(DRAFT_LABEL in dataset.to_json() for dataset in found["SR"])


def test_only_scans_are_drafted_and_nothing_goes_to_another_address(
    reg2rg: Run, orthanc: Orthanc, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def localizer(dataset: Dataset, index: int) -> None:
        complete_header(dataset, index)
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def without_frame(dataset: Dataset, index: int) -> None:
        complete_header(dataset, index)
        del dataset.FrameOfReferenceUID

    write_series(tmp_path / "all" / "ct", tiny_chest(), change=complete_header)
    write_series(tmp_path / "all" / "scout", tiny_chest(1), change=localizer)
    write_series(tmp_path / "all" / "mr", tiny_chest(2), modality="MR", change=complete_header)
    write_series(tmp_path / "all" / "frameless", tiny_chest(3), change=without_frame)
    store(reg2rg, orthanc, tmp_path / "all")
    addresses = set()
    connect = socket.socket.connect

    def recorded(self: socket.socket, address: tuple[str, int]) -> None:
        addresses.add(address[:2])
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", recorded)
    service.run(url_of(orthanc), "dicom://CLOSED@127.0.0.1:1")
    assert len([notice for notice in service.notices if "could not be reached" in notice]) == 1
    assert len(service.drafts) == len(service.inbox) == 2 and sorted(objects(orthanc)) == ["MR"]
    written = [(draft / "report.json").stat().st_mtime_ns for draft in service.drafts]
    service.run(url_of(orthanc), orthanc.node)
    assert [(draft / "report.json").stat().st_mtime_ns for draft in service.drafts] == written
    assert addresses == {("127.0.0.1", port) for port in (orthanc.http_port, orthanc.dicom_port, 1)}
    assert sorted(objects(orthanc)) == ["DOC", "MR", "SEG", "SR"]
    assert [notice for notice in service.notices if "localizer (1)" in notice]
    assert [notice for notice in service.notices if "cannot be sent: " in notice and "no frame of reference" in notice]
    assert len(service.inbox) == 1, "what cannot be sent stays"
    assert not [name for name in ("Secret", "secret-id") if name in "".join(service.notices)]


@pytest.fixture
def inbox(orthanc: Orthanc, tmp_path: Path) -> Callable[..., Inbox]:
    """Return a function that opens an inbox, as each start of the service does."""

    def open_inbox(*, new_only: bool = False) -> Inbox:
        source = Source(url_of(orthanc), Certificates())
        return Inbox(tmp_path, source, new_only=new_only, on_notice=lambda notice: None)

    return open_inbox


def test_a_series_that_grows_is_received_again(reg2rg: Run, orthanc: Orthanc, inbox, tmp_path: Path) -> None:
    series = tmp_path / "series"
    write_series(series, tiny_chest(), change=complete_header)
    late = next(file for file in series.iterdir() if pydicom.dcmread(file).InstanceNumber == 10)
    late.rename(tmp_path / late.name)
    store(reg2rg, orthanc, series)
    received = inbox()
    received.receive(0)
    ((folder, case),) = received.cases.items()
    assert len(case.source.files) == len(list(folder.iterdir())) == 9
    (tmp_path / late.name).rename(late)
    store(reg2rg, orthanc, series)
    received.receive(MAXIMUM_WAITING)
    assert received.cases == {folder: case}, "enough are waiting"
    received.receive(0)
    assert len(received.cases[folder].source.files) == len(list(folder.iterdir())) == 10


def test_what_is_received_is_complete_and_nothing_is_missed(
    reg2rg: Run, orthanc: Orthanc, inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_series(tmp_path / "series", tiny_chest(), change=complete_header)
    store(reg2rg, orthanc, tmp_path / "series")
    with monkeypatch.context() as patch:
        patch.setattr(Source, "save", Mock(side_effect=[True, True, Reg2RGError("The connection broke off.")]))
        with pytest.raises(Reg2RGError):
            inbox().receive(0)
    assert list((tmp_path / "inbox").iterdir()) == []
    received = inbox()
    received.receive(0)
    (folder,) = received.cases
    received.remove(folder)
    again = inbox()
    again.receive(0)
    assert again.cases == {}, "changes that were read are not read again"
    state = tmp_path / "changes.json"
    state.write_text(json.dumps({"orthanc": url_of(orthanc), "last": 10**6}))
    restarted = inbox()
    restarted.receive(0)
    assert list(restarted.cases) == [folder], "another Orthanc has moved to the address"
    restarted.remove(folder)
    state.unlink()
    later = inbox(new_only=True)
    later.receive(0)
    assert later.cases == {}


# --- trouble ---------------------------------------------------------------------------------------------------------


def test_trouble_is_said_once_and_makes_the_service_unhealthy_until_it_passes(service: Service) -> None:
    seen = []

    def wait(seconds: float) -> bool:
        with pytest.raises(Reg2RGError) as error:
            check_health(service.output)
        seen.append(str(error.value))
        return len(seen) == 2

    with pytest.raises(Reg2RGError, match="No service writes to"):
        check_health(service.output)
    service.run("http://127.0.0.1:1", "dicom://A@127.0.0.1:1", wait)
    assert seen == service.notices * 2
    assert seen[0].startswith("http://127.0.0.1:1 could not be reached") and seen[0].endswith("Trying again.")
    with pytest.raises(Reg2RGError, match="No service writes to"):
        check_health(service.output)


def test_a_full_disk_is_waited_for(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def receive(self: Inbox, waiting: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    waits: list[float] = []
    monkeypatch.setattr(Inbox, "receive", receive)
    service.run("http://127.0.0.1:1", "dicom://A@127.0.0.1:1", lambda seconds: waits.append(seconds) or len(waits) == 3)
    assert service.notices == ["The disk is full. Trying again."] and min(waits) > 0


def test_a_service_that_hangs_or_has_a_damaged_file_is_not_healthy(reg2rg: Run, tmp_path: Path) -> None:
    file = tmp_path / HEALTH_FILE
    file.write_text(json.dumps({"waiting": 0, "trouble": ""}))
    assert reg2rg("drafts", "--health", "-o", tmp_path).stdout == "Healthy: 0 series wait for a draft.\n"
    before = file.stat().st_mtime - IDLE_SECONDS - 5
    os.utime(file, (before, before))
    assert "has not done anything for" in error_line(reg2rg("drafts", "--health", "-o", tmp_path), 1)
    file.write_text(json.dumps({"waiting": 1, "trouble": ""}))
    os.utime(file, (before, before))
    assert reg2rg("drafts", "--health", "-o", tmp_path).stdout == "Healthy: 1 series waits for a draft.\n"
    file.write_text("{")
    assert "is damaged" in error_line(reg2rg("drafts", "--health", "-o", tmp_path), 1)


def test_addresses_that_are_missing_or_not_valid_are_refused(reg2rg: Run, tmp_path: Path) -> None:
    def refused(*arguments: str) -> str:
        return error_line(reg2rg("drafts", "-o", tmp_path / "out", *arguments), 2)

    assert "two addresses" in refused("--orthanc", "http://localhost:8042")
    assert "address of Orthanc" in refused("--orthanc", "dicom://A@h:1", "--to", "dicom://A@h:1")
    assert "expected dicom://AET@host:port" in refused("--orthanc", "http://localhost:8042", "--to", "host:104")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("answer", ["[]", "no JSON", '{"Changes": [{}], "Last": 1, "Done": true}'])
def test_an_address_that_is_not_an_orthanc_is_named_without_its_password(
    service: Service, answer: str, serve: Callable[[str], str]
) -> None:
    url = serve(answer).replace("://", "://me:secret@")
    service.run(url, "dicom://A@127.0.0.1:1")
    (notice,) = service.notices
    assert "does not answer like an Orthanc" in notice and "secret" not in notice


@pytest.fixture
def serve() -> Iterator[Callable[[str], str]]:
    """Return a function that starts a service which gives one answer to all requests, and returns its URL."""

    def start(answer: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answer.encode())

            def log_message(self, *arguments: object) -> None:
                pass

        return f"http://127.0.0.1:{servers.enter_context(running_server(Handler)).server_port}"

    with ExitStack() as servers:
        yield start

"""Many CTs in one command: what is found, what is written, and what survives crashes, full disks and slow transfers."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import multiprocessing
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
import zipfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import SimpleITK as sitk
from command_line import COMMAND, Run, error_line, run_process
from dicom_files import write_series
from rich.console import Console
from s3_server import s3_server
from tiny_chest import tiny_chest

from reg2rg.batch import read_ahead
from reg2rg.batch.run import BatchProgress, Watch, run_batch
from reg2rg.batch.run_case import run_case
from reg2rg.batch.settings import Settings
from reg2rg.batch.source import Case, Source
from reg2rg.cli.batch_progress import show_batch
from reg2rg.errors import InputError
from reg2rg.exports.measurements import MEASUREMENT_FILES
from reg2rg.pipeline.request import ReportRequest
from reg2rg.pipeline.run import run_report
from reg2rg.runtime.folder_lock import locked_folder
from reg2rg.volumes import read_volume_and_series

MEASURE = Settings(measure_only=True, options={"segmenter": "thresholds", "regions": ("lung",)})
OPTIONS = ("--measure-only", "--segmenter", "thresholds", "--region", "lung", "--jobs", "0")


def write_scan(path: Path, brighter: int = 0) -> Path:
    """Write a tiny CT; others have another content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(tiny_chest() + brighter, str(path))
    return path


def ignore(progress: object) -> None:
    """Do nothing."""


def measure(output: Path, *inputs: object, **options: object) -> BatchProgress:
    """Measure scans in this process."""
    options = {"jobs": 0, "on_progress": ignore, "on_notice": ignore, **options}
    return run_batch([str(path) for path in inputs], output, MEASURE, **options)


def index(output: Path) -> dict[str, dict[str, str]]:
    """Return the rows of the index by ID."""
    with (output / "index.csv").open(newline="") as stream:
        return {row["id"]: row for row in csv.DictReader(stream)}


def states(output: Path) -> list[str]:
    return sorted(row["state"] for row in index(output).values())


# --- inputs ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive with two scans, a copy, what is not a scan, and a damaged file; all names are of patients."""
    folder = tmp_path_factory.mktemp("archive")
    image = tiny_chest()

    def image_type(*values: str) -> Callable[[object, int], None]:
        return lambda dataset, index: setattr(dataset, "ImageType", list(values))

    write_scan(folder / "Doe_Jane.nii.gz")
    write_scan(folder / "copies" / "Doe_Jane_again.nii.gz")
    write_series(folder / "Doe_John" / "chest", image + 10)
    write_series(folder / "Doe_John" / "scout", image, change=image_type("ORIGINAL", "PRIMARY", "LOCALIZER"))
    write_series(folder / "Doe_John" / "mpr", image, change=image_type("DERIVED", "SECONDARY", "REFORMATTED"))
    write_series(folder / "Doe_John" / "mr", image, modality="MR")
    (folder / "Doe_Jim.nii.gz").write_bytes(b"Doe^Jim")
    (folder / "letter.txt").write_text("Dear Jane Doe")
    return folder


@pytest.fixture(scope="module")
def measured(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, BatchProgress]:
    """Return the output for the archive."""
    output = tmp_path_factory.mktemp("measured") / "out"
    return output, measure(output, archive)


def test_every_scan_is_done_once_and_what_is_not_a_scan_is_counted_by_reason(measured) -> None:
    output, progress = measured
    assert (progress.finished, progress.failed, progress.before) == (2, 1, 1)
    assert progress.left_out == {"localizer": 1, "reformat": 1, "not CT": 1, "other file": 1}
    assert states(output) == ["failed", "measured", "measured"]
    finished = {row["id"] for row in index(output).values() if row["state"] == "measured"}
    assert {path.name for path in (output / "cases").iterdir()} == finished
    assert not list(output.glob(".*"))


def test_index_and_summary_show_all_cases_without_names_and_ask_for_no_network(measured) -> None:
    output, _ = measured
    page = (output / "summary.html").read_text()
    for text in (page, (output / "index.csv").read_text(), *(file.read_text() for file in output.glob("*/**/*.json"))):
        assert not [name for name in ("Doe", "Jane", "Jim", "Secret", "archive") if name in text]
    assert "not reviewed" in page and "reformat (1)" in page and "The scan cannot be read" in page
    assert page.count("data:image/jpeg;base64,") == 2 and "http" not in page.replace("http-equiv", "")
    assert all(case_id in page for case_id in index(output))
    lung = next(row for row in index(output).values() if row["state"] == "measured")
    assert float(lung["percentile_15/lung/ (HU)"]) < -800
    assert "Doe_Jane.nii.gz" in (output / "sources.csv").read_text()


def test_the_order_of_the_inputs_and_the_names_of_files_change_no_output(
    measured, archive: Path, tmp_path: Path
) -> None:
    output, _ = measured
    moved = shutil.copytree(archive, tmp_path / "moved")
    (moved / "Doe_Jane.nii.gz").rename(moved / "Z.nii.gz")
    inputs = [moved / "Z.nii.gz", moved / "Doe_John", moved / "Doe_Jim.nii.gz"]
    measure(tmp_path / "out", *reversed(inputs))
    assert (tmp_path / "out" / "index.csv").read_bytes() == (output / "index.csv").read_bytes()


def test_a_zip_file_of_a_study_gives_the_cases_of_its_folder(archive: Path, tmp_path: Path) -> None:
    study = archive / "Doe_John"
    write_series(tmp_path / "study" / "later", tiny_chest() + 20)
    shutil.copytree(study, tmp_path / "study", dirs_exist_ok=True)
    (tmp_path / "study" / "letter.txt").write_text("Dear Jane Doe")
    (tmp_path / "zips").mkdir()
    shutil.make_archive(str(tmp_path / "zips" / "Doe_John"), "zip", tmp_path / "study")
    (tmp_path / "zips" / "Doe_Jim.zip").write_bytes(b"Doe^Jim")
    zipfile.ZipFile(tmp_path / "zips" / "empty.zip", "w").close()
    folder = measure(tmp_path / "of folder", tmp_path / "study")
    zipped = measure(tmp_path / "of zip", tmp_path / "zips")
    assert (folder.finished, folder.failed) == (2, 0) and (zipped.finished, zipped.failed) == (2, 1)
    assert folder.left_out == {"localizer": 1, "reformat": 1, "not CT": 1, "other file": 1}
    assert zipped.left_out == {**folder.left_out, "empty ZIP file": 1}
    for case in (tmp_path / "of folder" / "cases").iterdir():
        for file in case.iterdir():
            assert file.read_bytes() == (tmp_path / "of zip" / "cases" / case.name / file.name).read_bytes()
    (failed,) = (row for row in index(tmp_path / "of zip").values() if row["state"] == "failed")
    assert failed["cause"].startswith("The scan cannot be unpacked as a zip file")
    again = measure(tmp_path / "of zip", tmp_path / "study", tmp_path / "zips")
    assert (again.finished, again.failed, again.before) == (0, 1, 4)


def test_a_table_gives_masks_and_ids_and_a_row_that_cannot_be_read_is_one_failure(tmp_path: Path, reg2rg: Run) -> None:
    write_scan(tmp_path / "b.nii.gz")
    air = sitk.ReadImage(str(write_scan(tmp_path / "a.nii.gz", 3))) < -700
    sitk.WriteImage(air, str(tmp_path / "mask.nii.gz"))
    table = tmp_path / "table.csv"
    rows = "path,masks,id\na.nii.gz,mask.nii.gz,case-1\nb.nii.gz,,case-2\nDoe.nii,,case-3\n"
    table.write_text(rows, encoding="utf-8-sig", newline="\r\n")  # as spreadsheet programs write it
    finished = reg2rg("batch", table, "-o", tmp_path / "out", *OPTIONS, "--map", "1=lung")
    assert finished.returncode == 1 and finished.stdout == f"{tmp_path / 'out'}\n"
    assert "2 cases finished, 1 failed." in finished.stderr
    rows = index(tmp_path / "out")
    assert [rows[name]["state"] for name in ("case-1", "case-2", "case-3")] == ["measured", "measured", "failed"]
    assert rows["case-3"]["cause"] == "The scan cannot be found."
    table.write_text(
        f'path,masks,id\n"Doe\n\x01Jane.nii",,case-4\n{"x" * 300}.nii,,case-5\na.nii.gz,{"x" * 300},case-6\na,,a\n'
    )
    hostile = reg2rg("batch", table, "-o", tmp_path / "hostile", *OPTIONS)
    assert hostile.returncode == 1 and "0 cases finished, 4 failed." in hostile.stderr
    causes = {name: row["cause"] for name, row in index(tmp_path / "hostile").items()}
    scan, masks = "The scan cannot be found.", "The masks cannot be found."
    assert causes == {"case-4": scan, "case-5": scan, "case-6": masks, "a": scan}
    table.write_text("path,path,id\nb.nii.gz,c.nii.gz,a\n")
    assert "columns path, path, id" in error_line(reg2rg("batch", table, "-o", tmp_path / "no", *OPTIONS), 2)
    for row, message in [
        ("b.nii.gz,,../x", "has the ID"),
        ("b.nii.gz,,Con", "no name that Windows reserves"),
        ("b.nii.gz,,lpt1.a", "no name that Windows reserves"),
        ("b.nii.gz,,A\nb.nii.gz,,a", "have the same ID"),
        ("b,1.nii.gz,,a", "has more than 3 fields"),
        ('"b.nii.gz,,a', "is not a CSV file"),
    ]:
        table.write_text(f"path,masks,id\n{row}\n")
        assert message in error_line(reg2rg("batch", table, "-o", tmp_path / "no", *OPTIONS), 2)


@pytest.mark.posix
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path, reg2rg: Run) -> None:
    write_scan(tmp_path / "a.nii.gz")
    os.mkfifo(tmp_path / "pipe.nii.gz")
    table = tmp_path / "table.csv"
    table.write_text("path,id\npipe.nii.gz,pipe\na.nii.gz,a\n")
    done = measure(tmp_path / "out", table)
    assert (done.finished, done.failed) == (1, 1)
    assert index(tmp_path / "out")["pipe"]["cause"] == "The scan is neither a file nor a folder."
    refused = reg2rg("batch", tmp_path / "pipe.nii.gz", "-o", tmp_path / "no", *OPTIONS)
    assert "neither a file nor a folder" in error_line(refused, 2)


def test_damaged_and_foreign_records_hide_no_case(tmp_path: Path) -> None:
    table, output = tmp_path / "table.csv", tmp_path / "out"
    for name in "abc":
        write_scan(tmp_path / f"{name}.nii.gz", ord(name))
    table.write_text("path,id\na.nii.gz,a\nb.nii.gz,b\nc.nii.gz,c\n")
    measure(output, table)
    (output / "failed").mkdir()
    (output / "failed" / "a.json").write_bytes(b"")  # as after a crash of the machine
    record = output / "cases" / "b" / "case.json"
    record.write_text(record.read_text().replace('"b"', '"../../b"'))
    table.write_text("path,id\nb.nii.gz,b\nc.nii.gz,c\n")
    done = measure(output, table)
    assert (done.finished, done.before) == (1, 1)
    assert {name: row["state"] for name, row in index(output).items()} == dict.fromkeys("abc", "measured")


# --- reports ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.posix
def test_reports_prepared_by_other_processes_are_those_of_single_runs_even_if_a_process_is_killed(
    tiny_model_folder: Path, tmp_path: Path
) -> None:
    write_scan(tmp_path / "scan.nii.gz")
    table = tmp_path / "table.csv"
    table.write_text("path,id\nscan.nii.gz,a\nscan.nii.gz,b\n")
    options = {"model": str(tiny_model_folder), "segmenter": "thresholds", "regions": ("lung",), "device": "cpu"}
    settings = Settings(measure_only=False, options=options)
    killed = threading.Event()

    def kill_first_process() -> None:
        while not (processes := multiprocessing.active_children()):
            time.sleep(0.05)
        os.kill(processes[0].pid, signal.SIGKILL)
        killed.set()

    threading.Thread(target=kill_first_process, daemon=True).start()
    done = run_batch([str(table)], tmp_path / "out", settings, jobs=1, on_progress=ignore, on_notice=ignore)
    assert killed.is_set() and (done.finished, done.failed) == (2, 0)
    run_report(ReportRequest(volume=tmp_path / "scan.nii.gz", output=tmp_path / "single", **options), ignore)

    scan = Source(tmp_path / "scan.nii.gz", name="c", files=(tmp_path / "scan.nii.gz",)).read()
    run_case(scan, settings, tmp_path / "out" / "cases" / "c")
    for folder in (tmp_path / "out" / "cases").iterdir():
        assert comparable(folder) == comparable(tmp_path / "single")
        for name in ("regions.seg.nrrd", "structures.seg.nrrd", "preview.png"):
            assert (folder / name).read_bytes() == (tmp_path / "single" / name).read_bytes()
    assert (tmp_path / "out" / "cases" / "c" / "case.json").is_file()
    assert states(tmp_path / "out") == ["draft", "draft"]


@pytest.mark.slow
def test_the_next_case_is_prepared_while_a_prepared_one_is_used(tmp_path: Path) -> None:
    scans = [write_scan(tmp_path / f"{number}.nii.gz", number) for number in range(5)]
    asked = []

    def cases() -> Iterator[tuple[Case, Path]]:
        for scan in scans:
            asked.append(scan)
            yield Source(scan, files=(scan,)).read(), tmp_path / "reports" / scan.stem

    work = tmp_path / "work"
    work.mkdir()
    with read_ahead.ReadAhead(MEASURE, 2, work) as engine:
        for used, (_, error) in enumerate(engine.prepare(cases()), start=1):
            assert error is None
            assert len(asked) == min(used + 2, len(scans))  # this one and those that are prepared now
            wait_until(lambda: len(list(work.glob(f"*/{MEASUREMENT_FILES[-1]}"))) == len(asked))
            time.sleep(0.2)  # until the processes have said so
    assert used == len(scans)


@pytest.mark.slow
@pytest.mark.posix
def test_a_process_that_is_killed_while_a_report_is_written_costs_no_case(tmp_path: Path) -> None:
    scans = [write_scan(tmp_path / f"{number}.nii.gz", number) for number in range(4)]
    cases = [(Source(scan, files=(scan,)).read(), tmp_path / "reports" / scan.stem) for scan in scans]
    work = tmp_path / "work"
    work.mkdir()
    prepared = []
    with read_ahead.ReadAhead(MEASURE, 2, work) as engine:
        for job, error in engine.prepare(iter(cases)):
            assert error is None
            if not prepared:  # the report of the first case is written now
                os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
                wait_until(lambda: not multiprocessing.active_children())  # the others end with it
            prepared.append(job.case)
    assert sorted(case.id for case in prepared) == sorted(case.id for case, _ in cases)


def comparable(folder: Path) -> dict[str, object]:
    """Return what a report folder says except for times."""
    report = json.loads((folder / "report.json").read_text())
    return {**report, "provenance": {**report["provenance"], "created": "", "stage_seconds": ""}}


@dataclass(frozen=True)
class ClusterRun:
    """The output of one process, that of a cluster in which a writer was killed, and the cluster's metrics."""

    single: Path
    cluster: Path
    metrics: dict[str, float]


@pytest.fixture(scope="module")
def cluster_run(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ClusterRun:
    """Report on three scans and a damaged file in one process, and then in a cluster."""
    os.environ["RAY_metrics_report_interval_ms"] = "500"  # instead of 10 s; Ray reads it when it is imported
    ray = pytest.importorskip("ray")
    folder = tmp_path_factory.mktemp("cluster")
    for number in range(3):
        write_scan(folder / "in" / f"{number}.nii.gz", number)
    (folder / "in" / "damaged.nii.gz").write_bytes(b"damaged")
    options = {"model": str(tiny_model_folder), "segmenter": "thresholds", "regions": ("lung",), "device": "cpu"}
    killed, metrics = [], {}

    def run(output: str, **engine: object) -> None:
        settings = Settings(measure_only=False, options=options)
        inputs = [str(folder / "in")]
        done = run_batch(inputs, folder / output, settings, jobs=0, on_notice=ignore, **engine)
        assert (done.finished, done.failed) == (3, 1)

    def kill_a_writer_and_read_metrics(progress: BatchProgress) -> None:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it has just ended
                if not killed and process.name().startswith("ray::_Writer"):
                    process.kill()
                    killed.append(process.pid)
        if progress.ended == 4:
            (node,) = ray.nodes()
            address = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
            wait_until(lambda: metrics.update(read_metrics(address)) or metrics.get("cases_total finished") == 3)

    run("single", on_progress=ignore)
    run("cluster", on_progress=kill_a_writer_and_read_metrics, ray="local")
    assert killed
    return ClusterRun(folder / "single", folder / "cluster", metrics)


def read_metrics(address: str) -> dict[str, float]:
    """Return the metrics of batches as "NAME TAG" -> value."""
    with urllib.request.urlopen(address, timeout=10) as response:
        text = response.read().decode()
    lines = re.findall(r"^ray_reg2rg_(\w+)\{(.*)\} (\S+)$", text, re.MULTILINE)
    tag = re.compile(r'\b(?:state|stage|queue)="(\w+)"')
    return {f"{name} {tag.search(labels)[1]}": float(value) for name, labels, value in lines if 'le="' not in labels}


@pytest.mark.slow
@pytest.mark.posix
def test_a_cluster_writes_the_reports_of_one_process_even_if_a_worker_is_killed(cluster_run: ClusterRun) -> None:
    assert not list(cluster_run.cluster.rglob(".*"))
    single, cluster = (
        {file.relative_to(output): file for file in output.glob("*/**/*.*")}
        for output in (cluster_run.single, cluster_run.cluster)
    )
    assert single.keys() == cluster.keys()
    for name, file in single.items():
        if name.name == "report.json":
            assert comparable(file.parent) == comparable(cluster[name].parent)
        elif name.suffix in (".nrrd", ".png", ".jpg") or name.parts[0] == "failed":
            assert file.read_bytes() == cluster[name].read_bytes()


@pytest.mark.slow
@pytest.mark.posix
def test_prometheus_finds_cases_seconds_per_stage_and_queue_lengths_at_a_node(cluster_run: ClusterRun) -> None:
    metrics = cluster_run.metrics
    assert (metrics["cases_total finished"], metrics["cases_total failed"]) == (3, 1)
    assert metrics["stage_seconds_count write"] == 3 and metrics["stage_seconds_count prepare"] >= 4
    assert metrics["stage_seconds_sum write"] > 0 and metrics["stage_seconds_sum prepare"] > 0
    assert metrics["queue_length preparing"] >= 0 and metrics["queue_length prepared"] >= 0


def test_an_address_that_is_not_one_is_an_error_in_one_line(tmp_path: Path, reg2rg: Run) -> None:
    write_scan(tmp_path / "a.nii.gz")
    for address in ("ray://head:1", "head", "head:", "head:65536"):
        finished = reg2rg("batch", tmp_path / "a.nii.gz", "-o", tmp_path / "out", *OPTIONS, "--ray", address)
        assert f"Unknown address {address!r}; expected HOST:PORT, auto or local" in error_line(finished, 2)


def test_a_cluster_that_does_not_answer_is_an_error_in_one_line(tmp_path: Path, reg2rg: Run) -> None:
    write_scan(tmp_path / "a.nii.gz")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    finished = reg2rg("batch", tmp_path / "a.nii.gz", "-o", tmp_path / "out", *OPTIONS, "--ray", address)
    assert f"Nothing answers at {address} (Connection refused)" in error_line(finished, 2)


@pytest.mark.slow
def test_the_commands_on_the_page_run_as_written(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reg2rg: Run
) -> None:
    page = (repository / "docs" / "batch.md").read_text(encoding="utf-8")
    commands = re.findall("^reg2rg (batch .*)$", page, re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reg2rg.batch.read_ahead.default_jobs", lambda: 0)  # starting processes takes long
    monkeypatch.setattr(
        "reg2rg.batch.cluster.Cluster", lambda settings, ray, jobs, work: read_ahead.ReadAhead(settings, 0, work)
    )
    monkeypatch.setattr("reg2rg.cli.batch.wait", lambda seconds: True)  # ends the command that watches
    scan = sitk.ReadImage(str(write_scan(tmp_path / "studies" / "one" / "a.nii.gz")))
    write_series(tmp_path / "archive" / "series", scan)
    sitk.WriteImage(scan < -700, "lung.nii.gz")
    Path("cases.csv").write_text("path,masks,id\nstudies/one/a.nii.gz,lung.nii.gz,a\n")
    Path("inbox").mkdir()
    with s3_server() as store:
        store.put(["studies/one/a.nii.gz", "cases.csv"], ["bucket/studies/one/a.nii.gz", "bucket/cases.csv"])
        store.put(["studies/one/a.nii.gz", "lung.nii.gz"], ["bucket/scans/a.nii.gz", "bucket/lung.nii.gz"])
        for command in commands:
            finished = reg2rg(*shlex.split(command))
            assert finished.returncode == 0, finished.stderr
        assert store.glob("bucket/measured/cases/*/case.json") and store.exists("bucket/measured/summary.html")
    found = {path.parent.parent.parent.name: path for path in tmp_path.glob("*/cases/*/case.json")}
    assert set(found) == {"drafts", "measured", "table-drafts", "cluster-drafts"}
    assert len(commands) == 6
    assert all((tmp_path / output / "summary.html").is_file() for output in (*found, "inbox-drafts"))


def test_progress_shows_speed_time_left_and_failures_as_they_happen() -> None:
    progress = BatchProgress(total=40, before=2, finished=7, failed=1, seconds=80.0, last=("a1", "It is cut off."))
    stream = io.StringIO()
    with show_batch(Console(file=stream, force_terminal=True, width=120)) as view:
        view.on_progress(progress)
    shown = stream.getvalue()
    assert "10 of 40, 1 failed, 360 cases per hour, 0:05:00 left" in shown and "a1: It is cut off." in shown


@pytest.mark.slow
@pytest.mark.posix
def test_after_a_cluster_exit_handlers_of_python_run_but_not_those_of_c_libraries() -> None:
    """Those of Ray sometimes crash. Here, one that always aborts is registered after them, so it would run first."""
    pytest.importorskip("ray")
    program = textwrap.dedent("""
        import atexit, ctypes, sys
        import ray
        from reg2rg.cli.entry import main

        library = ctypes.CDLL(None)
        library.__cxa_atexit(library.abort, None, None)
        atexit.register(print, "exit handler of Python")
        sys.argv = ["reg2rg", "report", "missing.nii.gz", "-o", "out"]
        main()
    """)
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert finished.returncode == 2, finished.stderr
    assert finished.stdout == "exit handler of Python\n"
    assert "missing.nii.gz" in finished.stderr


# --- interruptions ---------------------------------------------------------------------------------------------------


@pytest.mark.posix
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_run_continues_where_it_stopped(tmp_path: Path, sent: signal.Signals) -> None:
    for number in range(3):
        write_scan(tmp_path / "in" / f"{number}.nii.gz", number)
    command = [*COMMAND, "batch", str(tmp_path / "in"), "-o", str(tmp_path / "out"), *OPTIONS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert "finished (1 of 3" in process.stderr.readline()
        process.send_signal(sent)
        assert process.wait(30) == (130 if sent is signal.SIGINT else -sent)
        assert "Traceback" not in process.stderr.read()
    wait_until(lambda: not list((tmp_path / "out").glob(".reg2rg-*")))
    complete = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("cases/*/case.json")}
    assert 1 <= len(complete) < 3
    done = measure(tmp_path / "out", tmp_path / "in")
    assert done.before == len(complete) and done.finished == 3 - len(complete)
    assert all(path.stat().st_mtime_ns == time for path, time in complete.items())
    assert states(tmp_path / "out") == ["measured"] * 3


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_second_run_in_the_same_folder_is_refused_in_one_line(tmp_path: Path) -> None:
    write_scan(tmp_path / "a.nii.gz")
    with locked_folder(tmp_path / "out", "Another batch"):
        finished = run_process("batch", tmp_path / "a.nii.gz", "-o", tmp_path / "out", *OPTIONS, "--watch")
    assert "Another batch uses" in error_line(finished, 2)


def test_an_input_as_output_folder_is_refused(tmp_path: Path) -> None:
    write_scan(tmp_path / "scans" / "a.nii.gz")
    with pytest.raises(InputError, match="an input and the output folder; choose another output folder"):
        measure(tmp_path / "scans", tmp_path / "scans")
    assert [path.name for path in (tmp_path / "scans").iterdir()] == ["a.nii.gz"]


def test_a_folder_with_other_settings_is_refused(measured, archive: Path) -> None:
    other = Settings(measure_only=True, options={"segmenter": "thresholds", "regions": ("heart",)})
    with pytest.raises(InputError, match="other settings .*'lung'.* instead of .*'heart'"):
        run_batch([str(archive)], measured[0], other, jobs=0, on_progress=ignore, on_notice=ignore)


# --- a folder that fills ---------------------------------------------------------------------------------------------


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    return write_scan(tmp_path / "in" / "first.nii.gz").parent


@pytest.fixture
def watch(tmp_path: Path, inbox: Path) -> Callable[..., BatchProgress]:
    """Return a function that watches the inbox with a clock that does not wait, and takes a step from time to time."""

    def run(*steps: Callable[[], object], every: float = 5.0, **options: object) -> BatchProgress:
        now, following, until = 0.0, list(steps), every

        def wait(seconds: float) -> bool:
            nonlocal now, until
            now += seconds
            if now >= until and not following:
                return True
            if now >= until:
                following.pop(0)()
                until = now + (every if following else 10.0)
            return False

        return measure(tmp_path / "out", inbox, watch=Watch(4.0, wait, lambda: now), **options)

    return run


def test_a_file_that_arrives_slowly_is_taken_once_and_only_when_it_is_complete(
    watch, inbox: Path, tmp_path: Path
) -> None:
    content = write_scan(tmp_path / "whole.nii.gz", 5).read_bytes()
    pieces = [content[: len(content) * part // 4] for part in (1, 2, 3, 4)]
    done = watch(*((lambda piece=piece: (inbox / "slow.nii.gz").write_bytes(piece)) for piece in pieces), every=3.0)
    assert (done.finished, done.failed, done.total) == (2, 0, 2)
    again = watch(every=10.0)
    assert (again.finished, again.failed, again.total) == (0, 0, 0)


def test_a_series_that_grows_gets_a_new_report_and_the_old_one_is_marked(
    watch, inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = write_series_without_last_slice(inbox / "series", tmp_path / "later")
    yesterday = time.time() - 86400

    def grow() -> None:
        monkeypatch.setattr(time, "time", lambda: yesterday)  # somebody sets the clock
        os.utime(later, (yesterday, yesterday))
        shutil.move(later, inbox / "series" / later.name)

    done = watch(grow)
    assert (done.finished, done.failed) == (3, 0)
    rows = index(tmp_path / "out")
    assert states(tmp_path / "out") == ["measured", "measured", "superseded"]
    (old,) = [row for row in rows.values() if row["state"] == "superseded"]
    newer = old["cause"].removeprefix("superseded by ")
    assert rows[newer]["state"] == "measured"
    assert f"superseded by {newer}" in (tmp_path / "out" / "summary.html").read_text()
    assert watch().finished == 0 and states(tmp_path / "out") == ["measured", "measured", "superseded"]


def write_series_without_last_slice(folder: Path, elsewhere: Path) -> Path:
    """Write a series, move its last slice elsewhere, and return where it is now."""
    import pydicom

    write_series(folder, tiny_chest() + 20)
    last = max(folder.iterdir(), key=lambda file: pydicom.dcmread(file).InstanceNumber)
    elsewhere.mkdir()
    return Path(shutil.move(last, elsewhere / last.name))


def test_a_scan_that_changes_while_it_is_read_is_read_again(watch, inbox: Path, tmp_path: Path, monkeypatch) -> None:
    changed = write_scan(tmp_path / "changed.nii.gz", 30).read_bytes()

    def change_and_read(path: Path, *arguments: object) -> tuple[sitk.Image, object]:
        if (inbox / "first.nii.gz").read_bytes() != changed:
            (inbox / "first.nii.gz").write_bytes(changed)
        return read_volume_and_series(path, *arguments)

    monkeypatch.setattr("reg2rg.pipeline.run.read_volume_and_series", change_and_read)
    done = watch(every=15.0)
    assert (done.finished, done.failed, done.total) == (1, 0, 1)
    (row,) = index(tmp_path / "out").values()
    assert row["id"] == Source(inbox / "first.nii.gz", files=(inbox / "first.nii.gz",)).read().id


@pytest.mark.parametrize("kind", ["no space", "error"])
def test_a_full_disk_is_waited_for_with_one_line_and_leaves_no_half_folder(
    watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    finish, usage, messages = read_ahead.finish, shutil.disk_usage, []

    def fill(case, settings, folder, output) -> None:
        finish(case, settings, folder, output.with_name("unfinished"))
        shutil.rmtree(output.with_name("unfinished"))
        raise OSError(errno.ENOSPC, "No space left on device")

    def empty() -> None:
        assert not list((tmp_path / "out").glob("cases/*")) and not list((tmp_path / "out").glob("failed/*"))
        monkeypatch.setattr(shutil, "disk_usage", usage)
        monkeypatch.setattr(read_ahead, "finish", finish)

    if kind == "error":
        monkeypatch.setattr(read_ahead, "finish", fill)
    else:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    done = watch(empty, on_notice=messages.append)
    assert messages == ["The disk is full; waiting until there is space."]
    assert (done.finished, done.failed, done.total) == (1, 0, 1)

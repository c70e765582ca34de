"""Many CTs in a store: a local server speaks the protocol of S3."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import SimpleITK as sitk
from command_line import COMMAND, Run, error_line
from dicom_files import write_series
from s3_server import s3_server
from test_batch import MEASURE, OPTIONS, index, measure, write_scan
from tiny_chest import tiny_chest

from reg2rg.batch import cluster, places
from reg2rg.batch.engine import Job
from reg2rg.batch.remote import RemoteFile, folder_at, list_files, upload
from reg2rg.batch.run_case import Outcome, finish, prepare
from reg2rg.batch.source import Source
from reg2rg.errors import InputError
from reg2rg.runtime.third_party import configure_libraries
from reg2rg.volumes import read_volume_and_series

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs")

OUT = RemoteFile("s3://bucket/out")


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with s3_server() as store:
        yield store


@pytest.fixture
def store(server: Any, tmp_path: Path) -> Any:
    """Return the file system of a bucket that contains three scans and what is not one; all names are of patients."""
    scans = tmp_path / "scans"
    write_scan(scans / "Doe_Jane.nii.gz")
    write_scan(scans / "copies" / "Doe_Jane_again.nii.gz")
    write_scan(scans / "Doe_Jim.nii.gz", 1)
    write_series(scans / "Doe_John", tiny_chest() + 10)
    (scans / "Doe_damaged.nii.gz").write_bytes(b"Doe")
    (scans / "letter.txt").write_text("Dear Jane Doe")
    server.put(str(scans), "bucket/in", recursive=True)
    yield server
    server.rm("bucket", recursive=True)
    server.mkdir("bucket")


def test_scans_at_a_url_are_those_of_a_folder_and_resuming_repeats_nothing(store: Any, tmp_path: Path) -> None:
    done = measure(tmp_path / "out", "s3://bucket/in")
    assert (done.finished, done.failed, done.before) == (3, 1, 1)
    assert done.left_out == {"other file": 1}
    local = measure(tmp_path / "local", tmp_path / "scans")
    assert (local.finished, local.failed, local.before) == (3, 1, 1)
    assert without_ids(tmp_path / "out") == without_ids(tmp_path / "local")
    for file in (tmp_path / "out").rglob("*.*"):
        if file.is_file() and file.name != "sources.csv":
            assert b"Doe" not in file.read_bytes()
    again = measure(tmp_path / "out", "s3://bucket/in/*.nii.gz")
    assert (again.finished, again.failed, again.before) == (0, 1, 2)


def without_ids(output: Path) -> list[list[str]]:
    """Return what the index says about cases, without their IDs."""
    return sorted([value for name, value in row.items() if name != "id"] for row in index(output).values())


def test_a_table_names_scans_and_masks_by_url_and_a_missing_object_is_one_failure(
    store: Any, tmp_path: Path, reg2rg: Run
) -> None:
    sitk.WriteImage(tiny_chest() < -700, str(tmp_path / "lung.nii.gz"))
    store.put(str(tmp_path / "lung.nii.gz"), "bucket/in/masks/lung.nii.gz")
    (tmp_path / "table.csv").write_text(
        "path,masks,id\nDoe_Jane.nii.gz,masks,masks\nDoe_John,,series\nDoe.nii.gz,,missing\n"
        "s3://bucket/in/Doe_Jim.nii.gz,masks/none.nii.gz,no-masks\n"
    )
    store.put(str(tmp_path / "table.csv"), "bucket/in/table.csv")
    finished = reg2rg("batch", "s3://bucket/in/table.csv", "-o", tmp_path / "out", *OPTIONS)
    assert finished.returncode == 1 and "2 cases finished, 2 failed." in finished.stderr
    rows = index(tmp_path / "out")
    assert rows["missing"]["cause"] == "The scan cannot be found."
    assert rows["no-masks"]["cause"] == "The masks cannot be found."
    assert rows["masks"]["state"] == rows["series"]["state"] == "measured"


def test_a_scan_that_changes_while_it_is_read_is_a_failure(store: Any, tmp_path: Path, monkeypatch) -> None:
    def change_and_read(path: Path, *arguments: object) -> tuple[sitk.Image, object]:
        store.put(str(tmp_path / "scans" / "Doe_Jim.nii.gz"), "bucket/in/Doe_Jane.nii.gz")
        return read_volume_and_series(path, *arguments)

    monkeypatch.setattr("reg2rg.pipeline.run.read_volume_and_series", change_and_read)
    done = measure(tmp_path / "out", "s3://bucket/in/Doe_Jane.nii.gz")
    assert (done.finished, done.failed) == (0, 1) and done.total == 1
    (row,) = index(tmp_path / "out").values()
    assert row["cause"].startswith("The scan changed while it was read")


def test_a_store_that_cannot_be_used_is_an_error_in_one_line(store: Any, tmp_path: Path, reg2rg: Run) -> None:
    for url, message in [
        ("s3://bucket/none", "s3://bucket/none cannot be found."),
        ("s3://bucket/*.nii", "s3://bucket/*.nii cannot be found."),
        ("nonsense://bucket", "nonsense://bucket cannot be used (ValueError)."),
    ]:
        assert message in error_line(reg2rg("batch", url, "-o", tmp_path / "out", *OPTIONS), 2)
    refused = reg2rg("batch", "s3://bucket/in", "-o", "s3://nowhere/out", *OPTIONS)
    assert "Nothing can be written to s3://nowhere/out: " in error_line(refused, 2)


def test_a_broken_request_that_is_not_waited_for_prints_no_traceback(store: Any, caplog: Any) -> None:
    configure_libraries()
    list_files("s3://bucket/in")
    context = {"message": "Task exception was never retrieved", "exception": ConnectionResetError("closing transport")}
    store.loop.call_exception_handler(context)
    assert caplog.records == []


def test_the_package_that_a_store_needs_is_named_and_the_extra_is_advised_for_s3() -> None:
    fsspec.register_implementation("rare", "rarefs.FileSystem", errtxt="Please install rarefs", clobber=True)
    with pytest.raises(InputError) as refused:
        list_files("rare://bucket/scans")
    assert str(refused.value) == (
        "rare://bucket/scans needs another package (Please install rarefs); for S3: pip install 'reg2rg[remote]'."
    )


@pytest.mark.parametrize("name", ["out[1]", "out?", "o*", "/out1"])
def test_an_output_url_that_may_mean_other_folders_is_refused_and_theirs_stay(
    store: Any, tmp_path: Path, reg2rg: Run, name: str
) -> None:
    store.pipe_file("bucket/out1/.reg2rg-work/0/prepared.json", b"of another batch")
    refused = reg2rg("batch", "s3://bucket/in/Doe_Jane.nii.gz", "-o", f"s3://bucket/{name}", *OPTIONS)
    assert "is not the URL of one folder; expected one without *, ?, [ and empty parts" in error_line(refused, 2)
    assert store.find("bucket/out1") and store.ls("bucket") == ["bucket/in", "bucket/out1"]


def test_an_output_url_is_the_one_that_listings_begin_with() -> None:
    assert folder_at("s3a://bucket/out/") == folder_at("s3://bucket/out") == OUT


def test_an_output_folder_in_a_store_is_that_of_this_machine(store: Any, tmp_path: Path) -> None:
    done = measure(OUT, tmp_path / "scans")
    measure(tmp_path / "local", tmp_path / "scans")
    assert (done.finished, done.failed, done.before) == (3, 1, 1)
    written = content(store)
    expected = {str(path.relative_to(tmp_path / "local")): path for path in (tmp_path / "local").rglob("*.*")}
    assert written.keys() == {name for name, path in expected.items() if path.is_file()}
    for name, found in written.items():
        assert name == "sources.csv" or found == expected[name].read_bytes(), name

    times = {name: store.modified(f"bucket/out/{name}") for name in written}
    (tmp_path / "scans" / "Doe_damaged.nii.gz").unlink()
    write_scan(tmp_path / "scans" / "Doe_damaged.nii.gz", 7)
    again = measure(OUT, tmp_path / "scans")
    assert (again.finished, again.failed, again.before) == (1, 0, 4)
    assert all(store.modified(f"bucket/out/{name}") == times[name] for name in times if name.startswith("cases/"))


@pytest.mark.posix
def test_a_killed_run_continues_in_the_store_and_an_interrupted_upload_is_not_a_report(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [*COMMAND, "batch", "s3://bucket/in", "-o", OUT.url, *OPTIONS]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert "(1 of 5" in process.stderr.readline()
        process.kill()
    complete = {name: store.modified(name) for name in store.glob("bucket/out/cases/*/case.json")}
    assert 1 <= len(complete) < 3 and "index.csv" not in content(store)

    def cut_off(files: list[Path], targets: list[RemoteFile]) -> None:
        if "case.json" in [target.name for target in targets]:
            raise KeyboardInterrupt
        upload(files, targets)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(places, "upload", cut_off)
        measure(OUT, "s3://bucket/in")
    assert {name: store.modified(name) for name in store.glob("bucket/out/cases/*/case.json")} == complete
    assert len(store.glob("bucket/out/cases/*/measurements.json")) == len(complete) + 1
    assert content(store)["index.csv"].count(b"measured") == len(complete)

    record = json.loads(store.cat_file(next(iter(complete))))  # of a case that had failed before it was finished
    failed = f"bucket/out/failed/{record['id']}.json"
    store.pipe_file(failed, json.dumps({**record, "cause": "It is cut off."}).encode())
    done = measure(OUT, "s3://bucket/in")
    assert (done.finished, done.failed, done.before) == (3 - len(complete), 1, 1 + len(complete))
    assert not store.exists(failed)
    assert all(store.modified(name) == time for name, time in complete.items())
    assert content(store)["index.csv"].count(b"measured") == 3


def test_a_worker_of_a_cluster_needs_only_the_store(store: Any, tmp_path: Path) -> None:
    scan = RemoteFile("s3://bucket/in/Doe_Jane.nii.gz")
    job = Job(Source(scan, name="a").read(), OUT / "cases" / "a", OUT / ".reg2rg-work" / "0")
    for step in (prepare, finish):
        outcome, _ = cluster._step(step, str(tmp_path / "elsewhere"), job, MEASURE)
        assert outcome == Outcome()
    measure(tmp_path / "local", tmp_path / "scans" / "Doe_Jane.nii.gz")
    (local,) = (tmp_path / "local" / "cases").iterdir()
    assert {name for name in content(store) if name.startswith("cases/a/")} == {
        f"cases/a/{file.name}" for file in local.iterdir()
    }
    again, _ = cluster._step(prepare, str(tmp_path), replace(job, case=replace(job.case, signature="other")), MEASURE)
    assert again.scan_changed
    store.pipe_file("bucket/out/cases/a/report.json", b"perhaps a signed one")
    refused, _ = cluster._step(prepare, str(tmp_path), job, MEASURE)
    assert "report" in refused.cause and content(store)["cases/a/report.json"] == b"perhaps a signed one"


def content(store: Any) -> dict[str, bytes]:
    """Return the content of the files in the output folder, by name."""
    return {name.removeprefix("bucket/out/"): store.cat_file(name) for name in store.find("bucket/out")}

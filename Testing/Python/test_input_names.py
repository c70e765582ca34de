"""Names of files need not be UTF-8, streams need not show them or exist, and no folder makes reading hang."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import SimpleITK as sitk
from dicom_files import write_series
from test_volumes import assert_same, ct

from reg2rg.errors import InputError
from reg2rg.volumes import dicom_folder, read_volume

NOT_UTF8 = os.fsdecode(b"caf\xe9")

needs_byte_names = pytest.mark.skipif(sys.platform != "linux", reason="names are UTF-8 or UTF-16 on this system")


def reg2rg(*arguments: object, **options) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "reg2rg.cli", *map(str, arguments)]
    return subprocess.run(command, stderr=subprocess.PIPE, **options)


@needs_byte_names
def test_a_dicom_series_with_names_that_are_not_utf8_is_read(tmp_path: Path) -> None:
    image = ct()
    write_series(tmp_path / NOT_UTF8, image)
    first = min((tmp_path / NOT_UTF8).iterdir())
    first.rename(first.with_name(os.fsdecode(b"\xff.dcm")))
    assert_same(read_volume(tmp_path / NOT_UTF8), image)


@needs_byte_names
@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.mhd", "ct.nhdr"])
def test_a_volume_file_in_a_folder_whose_name_is_not_utf8_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    sitk.WriteImage(ct(), str(tmp_path / "folder" / name))
    (tmp_path / "folder").rename(tmp_path / NOT_UTF8)
    assert_same(read_volume(tmp_path / NOT_UTF8 / name), ct())


@needs_byte_names
def test_results_are_written_under_names_that_are_not_utf8_and_printed_as_their_bytes(tmp_path, phantom_files) -> None:
    output = tmp_path / NOT_UTF8 / f"{NOT_UTF8}.seg.nrrd"
    arguments = "segment", phantom_files[0], "-o", output, "--regions", phantom_files[1]
    run = reg2rg(*arguments, stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert run.returncode == 0, run.stderr
    assert run.stdout == os.fsencode(output) + b"\n"
    assert output.is_file()


@pytest.mark.posix
def test_named_pipes_are_neither_read_nor_waited_for(tmp_path: Path) -> None:
    write_series(tmp_path / "series", ct())
    os.mkfifo(tmp_path / "series" / "pipe.dcm")
    assert_same(read_volume(tmp_path / "series"), ct())
    os.mkfifo(tmp_path / "ct.nii.gz")
    with pytest.raises(InputError, match="neither a file nor a folder"):
        read_volume(tmp_path / "ct.nii.gz")
    sitk.WriteImage(ct(), str(tmp_path / "ct.mhd"))
    (tmp_path / "ct.raw").unlink()
    os.mkfifo(tmp_path / "ct.raw")
    with pytest.raises(InputError, match="cannot be read"):
        read_volume(tmp_path / "ct.mhd")


def test_a_folder_with_more_files_than_a_scan_is_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_folder, "MAXIMUM_FILES", 20)
    for number in range(30):
        (tmp_path / str(number)).mkdir()
    with pytest.raises(InputError, match="more than 20 files or folders"):
        read_volume(tmp_path)


@pytest.mark.posix
def test_the_whole_disk_is_refused_within_seconds(tmp_path: Path) -> None:
    run = reg2rg("report", "/", "-o", tmp_path / "report", timeout=60)
    assert run.returncode == 2
    assert b"expected the folder of one scan" in run.stderr

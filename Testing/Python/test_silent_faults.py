"""Inputs that could be read wrong without a word are refused by name, or reported."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_series
from test_scan_geometry import read_with_notices
from test_volumes import assert_same, ct
from tiny_model import save_tiny_model

from reg2rg.checkpoints import ModelFolder
from reg2rg.errors import InputError, Reg2RGError
from reg2rg.volumes import read_volume


def without_rescale(dataset, index: int) -> None:
    if index in (4, 5):
        del dataset.RescaleSlope, dataset.RescaleIntercept


def with_wrong_intercept(dataset, index: int) -> None:
    dataset.RescaleIntercept += 1024 * (index in (4, 5))


def with_too_few_pixels(dataset, index: int) -> None:
    dataset.PixelData = dataset.PixelData[: 100 if index == 4 else None]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_rescale, r"without a rescale slope or intercept \(2 files"),
        (with_wrong_intercept, "HU jump by 102"),
        (with_too_few_pixels, "1 file .* that cannot be read"),
    ],
)
def test_slices_that_would_get_wrong_values_are_refused(tmp_path: Path, change: Callable, message: str) -> None:
    write_series(tmp_path / "ct", ct(), change=change)
    with pytest.raises(InputError, match=message):
        read_volume(tmp_path / "ct")


def test_slices_that_are_wider_apart_than_thick_are_reported(tmp_path: Path) -> None:
    def thin(dataset, index: int) -> None:
        dataset.SliceThickness, dataset.InstanceNumber = 5, 2 * index + 1

    write_series(tmp_path / "ct", ct(), change=thin)
    _, notices = read_with_notices(tmp_path / "ct")
    assert notices == [
        "The slices of ct are 10 mm apart but are 5 mm thick, and their instance numbers go up by 2: slices may be "
        "missing. What lies between them is not in the scan."
    ]


def test_monochrome1_is_read_as_stored_with_a_notice(tmp_path: Path) -> None:
    write_series(
        tmp_path / "ct", ct(), change=lambda data, index: setattr(data, "PhotometricInterpretation", "MONOCHROME1")
    )
    volume, notices = read_with_notices(tmp_path / "ct")
    assert_same(volume, ct())
    assert len(notices) == 1 and "MONOCHROME1" in notices[0]


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_numbers_are_refused_in_every_format(tmp_path: Path, name: str, value: float) -> None:
    image = ct(dtype=np.float32)
    image[3, 3, 3] = float(value)
    sitk.WriteImage(image, str(tmp_path / name))
    with pytest.raises(InputError, match="contains NaN or infinite values"):
        read_volume(tmp_path / name)


def edited_nifti(path: Path, position: int, *values: float) -> Path:
    sitk.WriteImage(ct(), str(path.with_suffix("")))
    data = bytearray(path.with_suffix("").read_bytes())
    struct.pack_into(f"<{len(values)}f", data, position, *values)
    path.write_bytes(gzip.compress(data))
    return path


def test_an_intercept_without_a_slope_is_not_applied(tmp_path: Path) -> None:
    assert_same(read_volume(edited_nifti(tmp_path / "ct.nii.gz", 112, 0.0, 5.0)), ct())


def test_two_voxel_sizes_in_one_header_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"voxels of 8 x 9 x 5 mm \(pixdim\) and of 8 x 9 x 10 mm \(sform\)"):
        read_volume(edited_nifti(tmp_path / "ct.nii.gz", 88, 5.0))


def test_an_archive_larger_than_the_disk_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "ct.zip", "w") as archive:
        archive.writestr("zeros.dcm", bytes(1000))
        archive.infolist()[0].file_size = 10**15
    with pytest.raises(Reg2RGError, match="Unpacking .*ct.zip needs 1000000.5 GB, but only"):
        read_volume(tmp_path / "ct.zip")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def test_a_file_that_is_loaded_must_be_listed(model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "tiny"))
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    (folder / "SHA256SUMS").write_text("".join(line + "\n" for line in lines if "tokenizer" not in line))
    with pytest.raises(InputError, match=r"does not list tokenizer.*reg2rg models sign"):
        ModelFolder.open(folder).load()


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "..", "C:\\secret"])
def test_a_path_in_the_list_of_checksums_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "tiny"))
    with (folder / "SHA256SUMS").open("a") as file:
        file.write(f"{'0' * 64}  {name}\n")
    with pytest.raises(InputError, match="expected names of files in the folder, without a path"):
        ModelFolder.open(folder)


@pytest.mark.posix
def test_a_model_in_a_folder_whose_name_is_not_utf8_is_loaded(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"m\xff")
    shutil.copytree(model, folder)
    opened = ModelFolder.open(folder)
    assert opened.read_shapes() and opened.load().tokenizer is not None


@pytest.mark.parametrize("arguments", [("measure", "ct.nrrd", "-o", ""), ("report", "ct.nrrd", "--output=")])
def test_empty_arguments_are_refused(reg2rg, arguments: tuple[str, ...]) -> None:
    finished = reg2rg(*arguments)
    assert finished.returncode == 2 and "An argument is empty" in finished.stderr


def test_only_the_requested_regions_are_measured(reg2rg, phantom_files, tmp_path: Path) -> None:
    volume, regions = phantom_files
    finished = reg2rg("measure", volume, "--regions", regions, "--region", "Heart", "-o", tmp_path / "out")
    assert finished.returncode == 0, finished.stderr
    assert "Regions from label map: Heart." in finished.stderr
    assert {line.split(",")[0] for line in (tmp_path / "out/measurements.csv").read_text().splitlines()[1:]} == {
        "Heart"
    }


@pytest.mark.posix
def test_ctrl_c_while_the_command_line_is_imported_ends_it_without_a_traceback() -> None:
    code = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'typer': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from reg2rg.cli.entry import main; main()"
    )
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (finished.returncode, finished.stderr) == (130, "reg2rg: Interrupted; nothing was written.\n")

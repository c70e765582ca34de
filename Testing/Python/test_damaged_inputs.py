"""Damaged volumes are refused in one line, however small the damage is; nothing is read as if it were whole."""

from __future__ import annotations

import gzip
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_series
from test_volumes import assert_same, ct

from reg2rg.errors import InputError
from reg2rg.volumes import integrity, read_volume

Damage = Callable[[bytes], bytes]


def flip_in_the_middle(data: bytes) -> bytes:
    changed = bytearray(data)
    changed[len(data) // 2] ^= 0x10
    return bytes(changed)


def flip_at_the_start(data: bytes) -> bytes:
    return data[:20] + bytes(byte ^ 0xFF for byte in data[20:28]) + data[28:]


def cut_in_half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def cut_the_last_bytes(data: bytes) -> bytes:
    return data[:-3]


DAMAGES = [flip_in_the_middle, flip_at_the_start, cut_in_half, cut_the_last_bytes]


def noisy_ct() -> sitk.Image:
    """Return a CT that compresses badly, so that damage in its middle is in the voxels."""
    image = ct()
    noise = np.random.default_rng(0).integers(-9, 9, sitk.GetArrayViewFromImage(image).shape)
    noisy = sitk.GetImageFromArray((sitk.GetArrayViewFromImage(image) + noise).astype(np.int16))
    noisy.CopyInformation(image)
    return noisy


def assert_refused(path: Path, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    with pytest.raises(InputError, match=message) as error:
        read_volume(path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", ""), "libraries print nothing"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "ct.mhd", "ct.nhdr"])
def test_damage_in_compressed_voxels_is_found(tmp_path: Path, name: str, damage: Damage, capfd) -> None:
    sitk.WriteImage(noisy_ct(), str(tmp_path / name), useCompression=True)
    voxels = next((file for file in tmp_path.iterdir() if file.name != name), tmp_path / name)
    data = voxels.read_bytes()
    if name in ("ct.nrrd", "ct.mha"):  # the header of which is not compressed
        end = data.index(b"\n\n") + 2 if name == "ct.nrrd" else data.index(b"LOCAL\n") + 6
        voxels.write_bytes(data[:end] + damage(data[end:]))
    else:
        voxels.write_bytes(damage(data))
    assert_refused(tmp_path / name, "cannot be read; it is damaged", capfd)


def test_compressed_voxels_that_are_too_few_are_refused(tmp_path: Path, capfd) -> None:
    sitk.WriteImage(ct(), str(tmp_path / "ct.mha"), useCompression=True)
    header, voxels = (tmp_path / "ct.mha").read_bytes().split(b"LOCAL\n", 1)
    short = zlib.compress(zlib.decompress(voxels)[:5000])
    header = re.sub(rb"(?<=CompressedDataSize = )\d+", b"%d" % len(short), header)
    (tmp_path / "ct.mha").write_bytes(header + b"LOCAL\n" + short)
    assert_refused(tmp_path / "ct.mha", "it has 5000 of 11520 bytes", capfd)


def test_a_compressed_file_is_decompressed_again_only_if_its_checksum_is_not_that_of_its_voxels(
    tmp_path: Path, monkeypatch
) -> None:
    checked = []
    check = integrity.check_nifti
    monkeypatch.setattr(integrity, "check_nifti", lambda path, header: checked.append(path) or check(path, header))
    path = tmp_path / "ct.nii.gz"
    sitk.WriteImage(ct(), str(path))
    assert_same(read_volume(path), ct())
    assert not checked
    scaled = bytearray(gzip.decompress(path.read_bytes()))
    scaled[112:120] = struct.pack("<2f", 1, -1)  # slope and intercept
    path.write_bytes(gzip.compress(scaled))
    assert_same(read_volume(path), ct() - 1)
    assert checked == [path]


def test_a_changed_voxel_that_itk_reads_without_an_error_is_found(tmp_path: Path, capfd) -> None:
    image, path = ct(slices=400), tmp_path / "ct.nii.gz"
    image.SetSpacing((8.0, 9.0, 1.0))
    sitk.WriteImage(image, str(path))
    stored = gzip.compress(gzip.decompress(path.read_bytes()), compresslevel=0)  # whose bytes are those of the voxels
    path.write_bytes(flip_in_the_middle(stored))
    sitk.ReadImage(str(path))
    assert_refused(path, "CRC check failed", capfd)


def test_gzip_files_of_several_members_are_read(tmp_path: Path) -> None:
    sitk.WriteImage(ct(), str(tmp_path / "ct.nii"))
    data = (tmp_path / "ct.nii").read_bytes()
    (tmp_path / "ct.nii.gz").write_bytes(gzip.compress(data[:1000]) + gzip.compress(data[1000:]))
    assert_same(read_volume(tmp_path / "ct.nii.gz"), ct())


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.mha", "ct.zip"])
def test_empty_files_are_refused(tmp_path: Path, name: str, capfd) -> None:
    (tmp_path / name).touch()
    assert_refused(tmp_path / name, "is empty|cannot be unpacked", capfd)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_damaged_zip_files_are_refused(tmp_path: Path, method: int, damage: Damage, capfd) -> None:
    write_series(tmp_path / "series", noisy_ct())
    with zipfile.ZipFile(tmp_path / "scan.zip", "w", method) as archive:
        for file in (tmp_path / "series").iterdir():
            archive.write(file, file.name)
        offset = archive.infolist()[6].header_offset
    data = (tmp_path / "scan.zip").read_bytes()
    part = slice(offset + 60, offset + 400)  # within the seventh file: the directory at the end stays whole
    damaged = damage(data) if damage in (cut_in_half, cut_the_last_bytes) else None
    (tmp_path / "scan.zip").write_bytes(damaged or data[: part.start] + damage(data[part]) + data[part.stop :])
    assert_refused(tmp_path / "scan.zip", "cannot be unpacked as a zip file", capfd)


SLICE_DAMAGES = {
    "empty": lambda data: b"",
    "cut in the file header": lambda data: data[:200],
    "cut in the header": lambda data: data[:420],
    "cut before the pixels": lambda data: data[: data.index(b"\xe0\x7f\x10\x00")],
    "cut in the pixels": lambda data: data[:-20],
    "not DICOM": lambda data: b"<html>404</html>",
    "zeros": lambda data: bytes(len(data)),
}


@pytest.mark.parametrize("damage", SLICE_DAMAGES)
@pytest.mark.parametrize("damaged", ["one", "every other", "upper half"])
def test_a_series_with_slices_that_cannot_be_read_is_refused(tmp_path: Path, damage: str, damaged: str, capfd) -> None:
    write_series(tmp_path / "series", ct(16))
    files = sorted((tmp_path / "series").iterdir())
    chosen = {"one": files[-1:], "every other": files[::2], "upper half": files[8:]}[damaged]
    for file in chosen:
        file.write_bytes(SLICE_DAMAGES[damage](file.read_bytes()))
    assert_refused(tmp_path / "series", "cannot be read", capfd)


def test_files_that_are_not_slices_and_damage_in_other_series_do_not_matter(tmp_path: Path) -> None:
    write_series(tmp_path / "a", ct(14))
    write_series(tmp_path / "b", ct(9))
    for name in ("DICOMDIR", "readme.txt", "thumbnail.jpg", ".DS_Store"):
        (tmp_path / "a" / name).write_bytes(b"not a slice")
    min((tmp_path / "b").iterdir()).write_bytes(b"")
    assert_same(read_volume(tmp_path), ct(14))


FILES = {
    "01-gz-damaged/one_byte.mha": "incorrect data check",
    "01-gz-damaged/one_byte.nii.gz": "CRC check failed",
    "01-gz-damaged/one_byte.nrrd": "CRC check failed",
    "02-zlib-error/first_block.nii.gz": "while decompressing",
    "02-zlib-error/damaged.zip": "cannot be unpacked",
    "04-empty-or-cut-slices-skipped/every_other_empty": "16 files .* cannot be read",
    "04-empty-or-cut-slices-skipped/last_cut_in_header": r"1 file \(IM0031.dcm\) that cannot be read",
    "04-empty-or-cut-slices-skipped/upper_half_empty": "16 files .* cannot be read",
    "21-classic-multi-frame/mf.dcm": "without a position for each frame",
    "23-not-a-number/nan_position": "IM0004.dcm",
    "23-not-a-number/nan_sform.nii.gz": "not invertible",
    "23-not-a-number/two_values": "not valid",
    "23-not-a-number/zero_slice_spacing.nii.gz": "voxel size is",
}


@pytest.mark.parametrize("file", FILES)
def test_damaged_files_of_public_bug_reports_are_refused(shared: Path, file: str, capfd) -> None:
    assert_refused(shared / "data/inputs" / file, FILES[file], capfd)

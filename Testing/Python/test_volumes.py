"""CT volumes are read with their values in HU and their geometry; anything else is rejected with a one-line reason."""

from __future__ import annotations

import gzip
import math
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_enhanced, write_series

from reg2rg.errors import InputError
from reg2rg.volumes import read_volume
from reg2rg.volumes.acquisition import UNKNOWN_AGENT, AcquisitionTags
from reg2rg.volumes.geometry import lps_corner, lps_view, oriented
from reg2rg.volumes.voxel_hash import voxel_sha256


def ct(slices: int = 12, dtype: type = np.int16) -> sitk.Image:
    """Return a small chest-like volume of air, lung, tissue and bone, anisotropic and away from the origin."""
    z, y, x = np.indices((slices, 20, 24))
    hu = np.where((x - 12) ** 2 + (y - 10) ** 2 < 80, 5 * x, -1000)
    hu[:, 7:13, 6:11], hu[:, 9:11, 14:16] = -850, 700
    image = sitk.GetImageFromArray((hu + z).astype(dtype))
    image.SetSpacing((8.0, 9.0, 10.0))
    image.SetOrigin((-10.0, 20.0, -300.0))
    return image


def make_oblique(image: sitk.Image, degrees: float = 12.0) -> sitk.Image:
    """Rotate the axes of an image around the patient's left-right axis."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    image.SetDirection((1, 0, 0, 0, c, -s, 0, s, c))
    return image


def assert_same(read: sitk.Image, written: sitk.Image) -> None:
    for getter in ("GetSpacing", "GetOrigin", "GetDirection"):
        np.testing.assert_allclose(getattr(read, getter)(), getattr(written, getter)(), atol=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(read), sitk.GetArrayFromImage(written))


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz", "ct.nrrd", "ct.nhdr", "ct.mha", "ct.mhd"])
def test_volume_files_keep_their_voxels_and_geometry(tmp_path: Path, name: str) -> None:
    for image in (ct(), make_oblique(ct())):
        sitk.WriteImage(image, str(tmp_path / name))
        read = read_volume(tmp_path / name)
        assert_same(read, image)
        assert read.GetPixelID() == sitk.sitkInt16


def test_a_compressed_file_is_read_although_one_of_the_same_name_is_beside_it(tmp_path: Path) -> None:
    other = ct() + 3
    sitk.WriteImage(ct(), str(tmp_path / "ct.nii.gz"))
    sitk.WriteImage(other, str(tmp_path / "ct.nii"))
    assert_same(read_volume(tmp_path / "ct.nii.gz"), ct())
    assert_same(read_volume(tmp_path / "ct.nii"), other)


@pytest.mark.parametrize("name", ["ct.nrrd", "ct.nhdr", "ct.mha", "ct.mhd"])
def test_compressed_volume_files_keep_their_voxels(tmp_path: Path, name: str) -> None:
    image = sitk.AdditiveGaussianNoise(ct(), 5.0, 0.0, 1)  # so that the data are larger than the header
    sitk.WriteImage(image, str(tmp_path / name), useCompression=True)
    assert_same(read_volume(tmp_path / name), image)


def test_a_left_handed_volume_keeps_its_direction(tmp_path: Path) -> None:
    image = ct()
    image.SetDirection((1, 0, 0, 0, -1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "ct.nii.gz"))
    assert_same(read_volume(tmp_path / "ct.nii.gz"), image)


def test_fractional_values_stay_float_and_whole_numbers_become_int16(tmp_path: Path) -> None:
    sitk.WriteImage(ct(dtype=np.float32) + 0.25, str(tmp_path / "fractions.nrrd"))
    sitk.WriteImage(ct(dtype=np.float64), str(tmp_path / "whole.nrrd"))
    assert read_volume(tmp_path / "fractions.nrrd").GetPixelID() == sitk.sitkFloat32
    assert read_volume(tmp_path / "whole.nrrd").GetPixelID() == sitk.sitkInt16


def test_the_hash_of_a_volume_is_that_of_its_voxels_whatever_the_file(tmp_path: Path) -> None:
    sitk.WriteImage(ct(), str(tmp_path / "ct.nrrd"))
    sitk.WriteImage(sitk.DICOMOrient(ct(dtype=np.float32), "RAS"), str(tmp_path / "other.nii.gz"))
    expected = voxel_sha256(ct())
    assert voxel_sha256(read_volume(tmp_path / "ct.nrrd")) == expected
    assert voxel_sha256(read_volume(tmp_path / "other.nii.gz")) == expected
    changed = ct()
    changed[3, 4, 5] += 1
    assert voxel_sha256(changed) != expected


@pytest.mark.parametrize("axes", ["LPS", "LAS", "RSA", "PIR"])
def test_a_view_with_lps_axes_equals_a_part_of_the_image_that_was_turned(axes: str) -> None:
    image, box = sitk.DICOMOrient(make_oblique(ct()), axes), (slice(1, 9), slice(2, 12), slice(3, 11))
    turned = oriented(image[box[::-1]], "LPS")
    np.testing.assert_array_equal(lps_view(image, box), sitk.GetArrayFromImage(turned))
    assert_same(lps_corner(image, box), turned[:1, :1, :1])


@pytest.mark.parametrize("padding", [-2000, -3024, -1030])
def test_padding_and_values_below_air_become_minus_1024(tmp_path: Path, padding: int) -> None:
    image = ct()
    image[0:3, 0:3, 0:3] = padding
    sitk.WriteImage(image, str(tmp_path / "ct.mha"))
    assert sitk.GetArrayFromImage(read_volume(tmp_path / "ct.mha")).min() == -1024


@pytest.mark.parametrize("slope", [1.0, 0.5])
def test_a_dicom_series_is_sorted_and_rescaled_slice_by_slice(tmp_path: Path, slope: float) -> None:
    image = make_oblique(ct())
    write_series(tmp_path, image, slope=slope)
    assert_same(read_volume(tmp_path), image)


def test_the_largest_ct_series_is_read_unless_another_is_requested(tmp_path: Path) -> None:
    large, small = ct(14), ct(9)
    write_series(tmp_path / "a", small, number=3)
    write_series(tmp_path / "b", large, number=4)
    write_series(tmp_path / "c", ct(20), number=5, modality="PT")
    (tmp_path / "notes.txt").write_text("not DICOM")
    assert_same(read_volume(tmp_path), large)
    assert_same(read_volume(tmp_path, series="3"), small)
    with pytest.raises(InputError, match="no series 8; expected a number or UID of one of: 5 .*4 .*3 "):
        read_volume(tmp_path, series="8")


def test_a_zipped_dicom_series_is_read_and_cannot_write_outside_its_folder(tmp_path: Path) -> None:
    image = ct()
    write_series(tmp_path / "series", image)
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        archive.writestr("../../outside.txt", "no")
        for file in (tmp_path / "series").iterdir():
            archive.write(file, f"deep/folder/{file.name}")
    assert_same(read_volume(tmp_path / "scan.zip"), image)
    assert not (tmp_path.parent / "outside.txt").exists() and not (tmp_path.parent.parent / "outside.txt").exists()


def test_an_enhanced_multi_frame_file_is_read(tmp_path: Path) -> None:
    image = make_oblique(ct())
    write_enhanced(tmp_path / "enhanced.dcm", image)
    assert_same(read_volume(tmp_path / "enhanced.dcm"), image)
    assert_same(read_volume(tmp_path), image)


def describe_acquisition(dataset, index: int) -> None:
    dataset.ConvolutionKernel, dataset.KVP = ["B31f", "3"], 120
    dataset.ContrastBolusAgent = "Omnipaque 350 for Jane Doe"
    dataset.PatientName, dataset.PatientID = "Doe^Jane", "12345"


def test_of_a_header_only_the_acquisition_is_passed_on(tmp_path: Path) -> None:
    write_series(tmp_path, ct(), change=describe_acquisition)
    volume = read_volume(tmp_path)
    tags = AcquisitionTags.of(volume)
    assert (tags.kernel, tags.tube_voltage_kv, tags.slice_thickness_mm) == ("B31f", 120, volume.GetSpacing()[2])
    assert tags.contrast_agent == "Omnipaque 350"
    assert len(volume.GetMetaDataKeys()) == 4


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        *(("Jane Doe 100 ml", UNKNOWN_AGENT), ("100CC ISOVUE 370", "ISOVUE 370"), ("iopamidol", "iopamidol")),
        *(("NONE", ""), ("", ""), ("Visipaque\n" + "x" * 50, "Visipaque")),
    ],
)
def test_free_text_about_contrast_medium_is_reduced_to_a_known_agent(text: str, agent: str) -> None:
    image = ct()
    image.SetMetaData("0018|0010", text)
    assert AcquisitionTags.of(image).contrast_agent == agent


def test_the_acquisition_in_an_enhanced_header_is_found(tmp_path: Path) -> None:
    write_enhanced(tmp_path / "enhanced.dcm", ct(), kernel="LUNG")
    tags = AcquisitionTags.of(read_volume(tmp_path))
    assert tags.kernel == "LUNG" and tags.sharp_kernel and tags.slice_thickness_mm is not None
    assert tags.contrast_agent == "" and tags.tube_voltage_kv is None


@pytest.mark.parametrize(
    ("name", "sharp"),
    [
        *(("B31f", False), ("Br40d", False), ("I70f", True), ("B60s", True), ("STANDARD", False), ("BONEPLUS", True)),
        *(("B", False), ("L", True), ("FC08", False), ("FC51", True), ("ANONYMIZED", None), ("", None)),
    ],
)
def test_kernels_of_several_vendors_are_known_as_sharp_or_soft(name: str, sharp: bool | None) -> None:
    assert AcquisitionTags(kernel=name).sharp_kernel is sharp


def _write_image(path: Path, image: sitk.Image) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def _with_nan() -> sitk.Image:
    image = ct(dtype=np.float32)
    image[3, 3, 3] = float("nan")
    return image


def _write_truncated(path: Path) -> Path:
    _write_image(path, ct(40))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def _write_corrupt_gzip(path: Path) -> Path:
    path.write_bytes(gzip.compress(b"not an image at all" * 50))
    return path


def _make_empty_folder(path: Path) -> Path:
    path.mkdir()
    return path


def _write_incomplete_series(path: Path) -> Path:
    write_series(path, ct(), leave_out=5)
    return path


def _write_mr_series(path: Path) -> Path:
    write_series(path, ct(), modality="MR")
    return path


def _write_text(path: Path) -> Path:
    path.write_text("hello")
    return path


REJECTED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "absent": (lambda p: p / "no.nii.gz", "does not exist"),
    "2D": (lambda p: _write_image(p / "a.nrrd", ct()[:, :, 3]), "2-D image"),
    "4D": (lambda p: _write_image(p / "a.nii.gz", sitk.JoinSeries([ct(), ct()])), "4-D image"),
    "color": (lambda p: _write_image(p / "a.nrrd", sitk.Compose(ct(), ct(), ct())), "color or vector"),
    "MR values": (lambda p: _write_image(p / "a.nrrd", ct() + 1024), "contains no lung"),
    "label map": (lambda p: _write_image(p / "a.nrrd", ct() > 0), "contains no lung"),
    "NaN": (lambda p: _write_image(p / "a.nrrd", _with_nan()), "NaN"),
    "constant": (lambda p: _write_image(p / "a.nrrd", ct() * 0 - 1000), "same value"),
    "7 slices": (lambda p: _write_image(p / "a.nrrd", ct(7)), "at least 8 slices"),
    "truncated NIfTI": (lambda p: _write_truncated(p / "a.nii.gz"), "cannot be read"),
    "truncated plain NIfTI": (lambda p: _write_truncated(p / "a.nii"), "cannot be read"),
    "truncated NRRD": (lambda p: _write_truncated(p / "a.nrrd"), "cannot be read"),
    "truncated MetaImage": (lambda p: _write_truncated(p / "a.mha"), "cannot be read"),
    "not NIfTI": (lambda p: _write_corrupt_gzip(p / "a.nii.gz"), "cannot be read"),
    "broken zip": (lambda p: _write_text(p / "a.zip"), "cannot be unpacked"),
    "unknown format": (lambda p: _write_text(p / "a.txt"), "unsupported format"),
    "empty folder": (lambda p: _make_empty_folder(p / "folder"), "contains no DICOM"),
    "MR series": (lambda p: _write_mr_series(p / "folder"), "contains images of modality MR"),
    "missing slice": (lambda p: _write_incomplete_series(p / "folder"), "slices are missing"),
}


@pytest.mark.parametrize("case", REJECTED)
def test_anything_but_a_ct_is_rejected_with_a_one_line_message(
    tmp_path: Path, case: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, message = REJECTED[case]
    path = make(tmp_path)
    capfd.readouterr()
    with pytest.raises(InputError, match=message) as error:
        read_volume(path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", ""), "libraries print nothing"


@pytest.mark.parametrize("name", ["chest_ct_01", "chest_ct_02", "heart_crop_contrast_ct"])
def test_real_cts_are_read(shared: Path, name: str) -> None:
    volume = read_volume(shared / f"data/ct/{name}.nii.gz")
    hu = sitk.GetArrayViewFromImage(volume)
    assert hu.min() >= -1024 and hu.max() > 200 and volume.GetDimension() == 3

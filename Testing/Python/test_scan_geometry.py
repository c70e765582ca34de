"""Every slice is where it was scanned: on one fitted grid, straightened or evened out with a notice, or refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_enhanced, write_series
from test_volumes import assert_same, ct, make_oblique

from reg2rg.errors import InputError
from reg2rg.volumes import read_volume


def read_with_notices(path: Path, series: str | None = None) -> tuple[sitk.Image, list[str]]:
    notices: list[str] = []
    return read_volume(path, series, notices.append), notices


def smooth_ct(slices: int = 24) -> sitk.Image:
    """Return a CT of wide, smooth structures, whose values at any place are known; air outside, lung inside."""
    z, y, x = np.indices((slices, 40, 48)).astype(float)
    image = sitk.GetImageFromArray(np.rint(hu_at(8.0 * x - 190, 9.0 * y - 170, 5.0 * z)).astype(np.int16))
    image.SetSpacing((8.0, 9.0, 5.0))
    image.SetOrigin((-190.0, -170.0, 0.0))
    return image


def hu_at(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the HU at places of the patient: an ellipse of tissue, and two lungs that get narrower upward."""
    body = 1 / (1 + np.exp((np.hypot(x / 150, y / 120) - 1) * 25))
    lungs = sum(1 / (1 + np.exp((np.hypot((x - side * 70) / 45, y / 65) - 1 + z / 400) * 12)) for side in (-1, 1))
    return -1000 + body * (1040 + 0.3 * x) - lungs * 800


def sheared(degrees: float) -> sitk.Image:
    """Return the same patient scanned with a tilted gantry: slices are shifted against each other."""
    shift = math.tan(math.radians(degrees))
    z, y, x = np.indices((24, 40, 48)).astype(float)
    values = hu_at(8.0 * x - 190, 9.0 * y - 170 + 5.0 * z * shift, 5.0 * z)
    image = sitk.GetImageFromArray(np.rint(values).astype(np.int16))
    length = math.hypot(1, shift)
    image.SetSpacing((8.0, 9.0, 5.0 * length))
    image.SetOrigin((-190.0, -170.0, 0.0))
    image.SetDirection((1, 0, 0, 0, 1, shift / length, 0, 0, 1 / length))
    return image


def assert_places_are_right(volume: sitk.Image, tolerance: float = 40) -> None:
    """Compare the values of a volume with those of the patient at the same places."""
    hu = sitk.GetArrayFromImage(volume)
    index = np.stack(np.indices(hu.shape)[::-1]).reshape(3, -1).astype(float)
    matrix = np.reshape(volume.GetDirection(), (3, 3)) * volume.GetSpacing()
    places = matrix @ index + np.array(volume.GetOrigin())[:, None]
    covered = hu.ravel() > -1020
    difference = (hu.ravel() - hu_at(*places))[covered]
    assert np.abs(difference).mean() < tolerance / 4 and np.quantile(np.abs(difference), 0.99) < 4 * tolerance


def write_nifti(path: Path, image: sitk.Image, *, qform: bool) -> None:
    """Write a NIfTI file whose affine matrix (sform) may be sheared, which SimpleITK does not write."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    file = nibabel.Nifti1Image(sitk.GetArrayFromImage(image).T, None)
    file.header.set_sform(np.diag([-1, -1, 1, 1]) @ affine, 1)
    file.header.set_qform(np.diag([-1, -1, 1, 1]) @ affine, int(qform), strip_shears=True)
    nibabel.save(file, path)


TILTED: dict[str, Callable[[Path, sitk.Image], object]] = {
    "series": write_series,
    "enhanced.dcm": write_enhanced,
    "ct.nrrd": lambda path, image: sitk.WriteImage(image, str(path)),
    "ct.mha": lambda path, image: sitk.WriteImage(image, str(path)),
    "ct.nii.gz": lambda path, image: write_nifti(path, image, qform=True),
    "sform only.nii.gz": lambda path, image: write_nifti(path, image, qform=False),
}


@pytest.mark.parametrize("degrees", [3.0, -20.0])
@pytest.mark.parametrize("name", TILTED)
def test_a_tilted_gantry_is_straightened_with_a_notice_whatever_the_format(tmp_path, name: str, degrees: float) -> None:
    TILTED[name](tmp_path / name, sheared(degrees))
    volume, notices = read_with_notices(tmp_path / name)
    assert_places_are_right(volume)
    direction = np.reshape(volume.GetDirection(), (3, 3))
    np.testing.assert_allclose(direction.T @ direction, np.eye(3), atol=1e-6)
    (notice,) = notices
    assert f"shifted against each other by {abs(degrees):.1f} degrees" in notice


@pytest.mark.parametrize("name", TILTED)
def test_a_tilt_of_less_than_half_a_voxel_changes_nothing(tmp_path: Path, name: str) -> None:
    TILTED[name](tmp_path / name, sheared(0.5))
    volume, notices = read_with_notices(tmp_path / name)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(sheared(0.5)))
    assert notices == []


def place_slices(positions: np.ndarray) -> Callable[[object, int], None]:
    def change(dataset, index: int) -> None:
        dataset.ImagePositionPatient = [-190.0, -170.0, float(positions[index])]

    return change


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_uneven_gaps_are_evened_out_with_a_notice(tmp_path: Path, shift: float) -> None:
    positions = np.concatenate([np.arange(12) * 4.0, 44.0 + np.arange(1, 13) * 5.0])
    z, y, x = np.indices((24, 40, 48)).astype(float)
    z = positions[z.astype(int)]
    image = sitk.GetImageFromArray(np.rint(hu_at(8 * x - 190, 9 * y - 170 + shift * z, z)).astype(np.int16))
    image.SetSpacing((8.0, 9.0, 5.0))

    def change(dataset, index: int) -> None:
        dataset.ImagePositionPatient = [-190.0, -170.0 + shift * positions[index], positions[index]]

    write_series(tmp_path, image, change=change)
    volume, notices = read_with_notices(tmp_path)
    assert_places_are_right(volume)
    assert "gaps of 4.00 to 5.00 mm" in notices[0] and len(notices) == 1 + bool(shift)


@pytest.mark.parametrize("gap", [0.35, 0.625, 1.25, 3.27, 10 / 3])
@pytest.mark.parametrize("digits", [1, 2, 5])
def test_rounded_positions_are_those_of_an_even_grid(tmp_path: Path, gap: float, digits: int) -> None:
    image = ct(40)
    image.SetSpacing((18.0, 20.0, gap))
    write_series(tmp_path, image, change=place_slices(np.round(np.arange(40) * gap, digits)))
    volume, notices = read_with_notices(tmp_path)
    assert notices == []
    np.testing.assert_allclose(volume.GetSpacing(), (18.0, 20.0, gap), atol=max(3 * 10.0**-digits / 40, 1e-5))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(image))


def test_rounded_pixel_spacing_and_orientation_belong_to_one_series(tmp_path: Path) -> None:
    image = make_oblique(ct())
    image.SetSpacing((6.015624, 6.015624, 10.0))

    def change(dataset, index: int) -> None:
        if index % 2:
            dataset.PixelSpacing = [6.01562, 6.0156]
            dataset.ImageOrientationPatient = [round(value, 4) for value in dataset.ImageOrientationPatient]

    write_series(tmp_path, image, change=change)
    assert read_volume(tmp_path).GetSize() == image.GetSize()


@pytest.mark.parametrize("copies", [1, 12])
def test_copies_of_files_are_read_once(tmp_path: Path, copies: int) -> None:
    write_series(tmp_path, ct())
    for file in sorted(tmp_path.iterdir())[:copies]:
        (tmp_path / f"copy of {file.name}").write_bytes(file.read_bytes())
    volume, notices = read_with_notices(tmp_path)
    assert_same(volume, ct())
    (notice,) = notices
    assert notice.endswith(f"of series 1: copy of another file ({copies}).")


def test_slices_with_the_same_instance_uid_at_different_places_are_all_read(tmp_path: Path) -> None:
    write_series(tmp_path, ct(), change=lambda dataset, index: setattr(dataset, "SOPInstanceUID", "1.2.3"))
    assert_same(read_volume(tmp_path), ct())


@pytest.mark.parametrize("own_rescale", [False, True])
def test_each_frame_of_an_enhanced_ct_has_its_own_rescale(tmp_path: Path, own_rescale: bool) -> None:
    even = sitk.GetImageFromArray((sitk.GetArrayFromImage(ct()) // 2 * 2).astype(np.int16))
    even.CopyInformation(ct())
    write_enhanced(tmp_path / "ct.dcm", even, own_rescale=own_rescale)
    assert_same(read_volume(tmp_path / "ct.dcm"), even)


def test_frames_without_position_are_named(tmp_path: Path) -> None:
    def change(dataset, index: int) -> None:
        dataset.NumberOfFrames = 3
        dataset.PixelData = 3 * dataset.PixelData

    write_series(tmp_path, ct(), change=change)
    with pytest.raises(InputError, match="multi-frame image without a position for each frame"):
        read_volume(tmp_path)


def _without(keyword: str) -> Callable[[object, int], None]:
    return lambda dataset, index: delattr(dataset, keyword)


def _with(keyword: str, value: object, every: int = 1) -> Callable[[object, int], None]:
    return lambda dataset, index: setattr(dataset, keyword, value) if index % every == 0 else None


REFUSED: dict[str, tuple[Callable[[object, int], None], str]] = {
    "no position": (_without("ImagePositionPatient"), "not valid"),
    "no geometry": (lambda d, i: [_without(k)(d, i) for k in ("ImagePositionPatient", "ImageOrientationPatient")], ""),
    "no spacing": (_without("PixelSpacing"), "not valid"),
    "zero spacing": (_with("PixelSpacing", [0, 6]), "not valid"),
    "negative spacing": (_with("PixelSpacing", [-6, 6]), "not valid"),
    "infinite position": (_with("ImagePositionPatient", [0, "inf", 0], 5), "not valid"),
    "position NaN": (_with("ImagePositionPatient", [0, 0, "nan"], 5), "not valid"),
    "two values": (_with("ImagePositionPatient", [0, 0], 5), "not valid"),
    "parallel axes": (_with("ImageOrientationPatient", [1, 0, 0, 1, 0, 0]), "not valid"),
    "long axes": (_with("ImageOrientationPatient", [2, 0, 0, 0, 2, 0]), "not valid"),
    "slope NaN": (_with("RescaleSlope", "nan"), "not valid"),
    "one place": (_with("ImagePositionPatient", [0, 0, 0]), "several scans"),
    "sideways": (lambda d, i: setattr(d, "ImagePositionPatient", [20 * (i % 3), 0, 10 * i]), "shifted sideways"),
    "no rescale": (lambda d, i: [_without(k)(d, i) for k in ("RescaleSlope", "RescaleIntercept")], "not a chest CT"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_series_without_a_valid_grid_are_refused_in_one_line(tmp_path: Path, case: str, capfd) -> None:
    change, message = REFUSED[case]
    write_series(tmp_path, ct(), change=change)
    capfd.readouterr()
    with pytest.raises(InputError, match=message) as error:
        read_volume(tmp_path)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


ORIENTATION_UNKNOWN: dict[str, Callable[[Path], None]] = {
    "ct.nii.gz": lambda path: nibabel.save(nibabel.Nifti1Image(sitk.GetArrayFromImage(ct()).T, None), path),
    "ct.nrrd": lambda path: nrrd.write(str(path), sitk.GetArrayFromImage(ct()).T, {"spacings": ct().GetSpacing()}),
    "ct.mha": lambda path: _drop_lines(path, b"TransformMatrix"),
}


def _drop_lines(path: Path, *starts: bytes) -> None:
    sitk.WriteImage(ct(), str(path))
    path.write_bytes(b"\n".join(line for line in path.read_bytes().split(b"\n") if not line.startswith(starts)))


@pytest.mark.parametrize("name", ORIENTATION_UNKNOWN)
def test_a_notice_says_that_the_sides_are_not_known(tmp_path: Path, name: str, monkeypatch) -> None:
    image = ct()
    ORIENTATION_UNKNOWN[name](tmp_path / name)
    if name == "ct.nii.gz":
        file = nibabel.load(tmp_path / name)
        file.header.set_zooms(image.GetSpacing())
        file.header["qform_code"] = file.header["sform_code"] = 0
        nibabel.Nifti1Image(np.asanyarray(file.dataobj), None, file.header).to_filename(tmp_path / name)
    volume, notices = read_with_notices(tmp_path / name)
    assert volume.GetSize() == image.GetSize()
    (notice,) = notices
    assert "does not say which way its axes point" in notice


SQUARE = (64, 64, 32)
FILES = {
    "03-enhanced-per-frame-rescale/own.dcm": (SQUARE, ""),
    "05-uneven-geometry-accepted/gap_5_then_6": ((32, 32, 70), "gaps of 5.00 to 6.00 mm"),
    "05-uneven-geometry-accepted/rounded_0.35": ((32, 32, 64), ""),
    "05-uneven-geometry-accepted/rounded_0.625": ((32, 32, 64), ""),
    "05-uneven-geometry-accepted/tilt_5.5": ((32, 35, 64), "5.5 degrees"),
    "12-other-images-in-the-series/dose_page": (SQUARE, "secondary capture (1)"),
    "12-other-images-in-the-series/localizer": (SQUARE, "localizer (1)"),
    "12-other-images-in-the-series/rotating_view": (SQUARE, ""),
    "14-pixel-spacing-rounded/rounded": (SQUARE, ""),
    "17-orientation-unknown/codes_0.nii.gz": (SQUARE, "which way its axes point"),
    "17-orientation-unknown/codes_1.nii.gz": (SQUARE, ""),
    "18-several-series/two_patients": (SQUARE, "1.2.826.0.1.3680043.8.498.19948133829007820952840048767425123619"),
}


@pytest.mark.parametrize("file", FILES)
def test_scans_of_public_bug_reports_are_read(shared: Path, file: str) -> None:
    size, told = FILES[file]
    volume, notices = read_with_notices(shared / "data/inputs" / file)
    assert volume.GetSize() == size and len(notices) == bool(told) and told in " ".join(notices)
    if file.endswith("own.dcm"):
        assert_same(volume, read_volume((shared / "data/inputs" / file).with_name("same.dcm")))


def test_directions_close_to_the_smallest_number_can_be_inverted(tmp_path: Path) -> None:
    image = ct()
    image.SetDirection((1, 5e-324, 0, -5e-324, 1, 0, 0, 0, 1))
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    volume = read_volume(tmp_path / "ct.nrrd")
    assert np.isfinite(volume.TransformPhysicalPointToContinuousIndex(volume.GetOrigin())).all()

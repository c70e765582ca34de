"""In a DICOM folder, the CT is found among other images; what was chosen and what was left out is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk
from dicom_files import write_series
from pydicom import dcmread
from pydicom.uid import SecondaryCaptureImageStorage, generate_uid
from test_scan_geometry import read_with_notices
from test_volumes import assert_same, ct, make_oblique

from reg2rg.errors import InputError
from reg2rg.volumes import read_volume


def add_image(folder: Path, change: Callable, count: int = 1) -> None:
    """Add changed copies of a slice to its series."""
    source = dcmread(min(folder.glob("*.dcm")))
    for number in range(count):
        source.SOPInstanceUID = generate_uid()
        change(source)
        source.save_as(folder / f"other{number}.dcm")


def make_localizer(dataset) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def make_upright(dataset) -> None:
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]


def make_dose_page(dataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage


def make_text_page(dataset) -> None:
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient"):
        if keyword in dataset:
            delattr(dataset, keyword)


def make_colored(dataset) -> None:
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.PixelData = 3 * dataset.PixelData


def make_small(dataset) -> None:
    dataset.Rows = 10
    dataset.PixelData = bytes(2 * 10 * dataset.Columns)


def make_projection(dataset) -> None:
    dataset.ImageType = ["DERIVED", "SECONDARY", "MIP"]


OTHERS = {
    make_localizer: "localizer",
    make_upright: "slice of another orientation or size",
    make_dose_page: "secondary capture",
    make_text_page: "image without position and orientation",
    make_colored: "color image",
    make_small: "slice of another orientation or size",
    make_projection: "projection",
}


@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("change", OTHERS)
def test_images_that_are_not_slices_are_left_out_and_named(tmp_path: Path, change: Callable, count: int) -> None:
    write_series(tmp_path, ct())
    add_image(tmp_path, change, count)
    volume, notices = read_with_notices(tmp_path)
    assert_same(volume, ct())
    (notice,) = notices
    assert notice.startswith(f"Left out {count} of the ") and notice.endswith(f"series 1: {OTHERS[change]} ({count}).")


def test_a_rotating_view_with_more_images_than_the_ct_is_not_chosen(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", ct(), number=2)

    def rotate(dataset, index: int) -> None:
        image = make_oblique(ct(), 5.0 * index)
        dataset.ImageOrientationPatient = [image.GetDirection()[i] for i in (0, 3, 6, 1, 4, 7)]

    write_series(tmp_path / "view", ct(30), number=3, change=rotate)
    assert_same(read_volume(tmp_path), ct())
    with pytest.raises(InputError):
        read_volume(tmp_path, series="3")


def test_a_series_of_other_images_only_says_what_they_are(tmp_path: Path) -> None:
    write_series(tmp_path, ct(), change=lambda dataset, index: make_localizer(dataset))
    with pytest.raises(InputError, match=r"no slices that can be stacked, but localizer \(12\)"):
        read_volume(tmp_path)


def describe(text: str) -> Callable:
    return lambda dataset, index: setattr(dataset, "SeriesDescription", text)


def test_series_with_the_same_number_are_listed_and_selected_by_uid(tmp_path: Path) -> None:
    lung = write_series(tmp_path / "a", ct(14), number=2, change=describe("Lung\x1b[31m\n1.0"))
    soft = write_series(tmp_path / "b", ct(12), number=2, change=describe("Soft"))
    with pytest.raises(InputError, match="2 series with the number 2") as error:
        read_volume(tmp_path, series="2")
    assert lung in str(error.value) and '"Soft" (CT, 12 slices' in str(error.value) and soft in str(error.value)
    assert "\n" not in str(error.value) and "\x1b" not in str(error.value)
    assert_same(read_volume(tmp_path, series=soft), ct(12))


def test_a_notice_says_which_of_several_series_was_read(tmp_path: Path) -> None:
    lung = write_series(tmp_path / "a", ct(14), number=2, change=describe("Lung"))
    soft = write_series(tmp_path / "b", ct(12), number=3, change=describe("Soft"))
    volume, (notice,) = read_with_notices(tmp_path)
    assert_same(volume, ct(14))
    assert f'Read series 2 "Lung" (CT, 14 slices, UID {lung})' in notice and soft in notice and "--series" in notice
    assert read_with_notices(tmp_path, "3")[1] == []


def test_a_real_series_is_read_among_a_scout(shared: Path) -> None:
    volume = read_volume(shared / "data/real/dicom/scout_and_ct_jpegls")
    assert volume.GetSize() == (512, 512, 135) and isinstance(volume, sitk.Image)

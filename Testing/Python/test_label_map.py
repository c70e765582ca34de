"""Regions are read from label maps and Slicer segmentations, matched by name and in physical space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.segmentation import choose_segmenter
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.segmentation.masks import RegionMasks


@pytest.fixture
def volume() -> sitk.Image:
    image = sitk.Image(20, 16, 12, sitk.sitkInt16) - 1000
    image.SetSpacing((1.5, 1.5, 2.0))
    image.SetOrigin((5, 6, 7))
    return image


def label_image(volume: sitk.Image, *boxes: tuple[int, slice]) -> sitk.Image:
    """Return a label map on the grid of a volume, with one box of rows per label value."""
    array = np.zeros(volume.GetSize()[::-1], np.uint8)
    for value, rows in boxes:
        array[2:8, rows, 3:9] = value
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(volume)
    return image


def test_a_mapping_turns_label_values_into_regions(tmp_path: Path, volume: sitk.Image) -> None:
    path = tmp_path / "labels.nii.gz"
    sitk.WriteImage(label_image(volume, (1, slice(0, 4)), (2, slice(4, 8)), (3, slice(8, 12))), str(path))
    masks = LabelMapSegmenter(path, {"1": "lung", "2": "lung", "3": "heart"}).segment(volume)
    assert masks.present == ("heart", "lung")
    assert masks.array("lung").sum() == 2 * masks.array("heart").sum() == 6 * 8 * 6
    assert not masks.approximate


def test_a_label_map_on_another_grid_is_matched_in_physical_space(tmp_path: Path, volume: sitk.Image) -> None:
    path = tmp_path / "labels.nrrd"
    stored = sitk.DICOMOrient(label_image(volume, (1, slice(0, 5))), "RAI")
    sitk.WriteImage(stored, str(path))
    masks = LabelMapSegmenter(path, {"1": "bone"}).segment(volume)
    expected = sitk.GetArrayFromImage(label_image(volume, (1, slice(0, 5)))) > 0
    np.testing.assert_array_equal(masks.array("bone"), expected)


def test_segments_are_matched_by_the_names_of_regions_and_structures(tmp_path: Path, volume: sitk.Image) -> None:
    path = tmp_path / "regions.seg.nrrd"
    image = label_image(volume, (1, slice(0, 4)), (2, slice(4, 8)), (3, slice(8, 12)))
    for number, name in enumerate(["lung_upper_lobe_left", "Heart", "Something else"]):
        image.SetMetaData(f"Segment{number}_Name", name)
        image.SetMetaData(f"Segment{number}_LabelValue", str(number + 1))
        image.SetMetaData(f"Segment{number}_Layer", "0")
    sitk.WriteImage(image, str(path))
    assert LabelMapSegmenter(path).segment(volume).present == ("heart", "lung")
    assert LabelMapSegmenter(path, {"Something else": "abdomen"}).segment(volume).present == ("abdomen",)


def test_approximate_regions_stay_approximate_when_read_back(tmp_path: Path, volume: sitk.Image) -> None:
    heart, lung = np.zeros((2, 12, 16, 20), bool)
    heart[2:8, 2:6, 3:9], lung[2:8, 8:12, 3:9] = True, True
    arrays = {"heart": heart, "lung": lung}
    masks = RegionMasks.from_arrays(arrays, volume, segmenter="test", approximate=frozenset({"heart"}))
    write_regions(masks, tmp_path / "regions.seg.nrrd")
    assert LabelMapSegmenter(tmp_path / "regions.seg.nrrd").segment(volume).approximate == {"heart"}


def test_unusable_files_are_rejected_with_a_one_line_message(tmp_path: Path, volume: sitk.Image) -> None:
    path = tmp_path / "labels.nrrd"
    sitk.WriteImage(label_image(volume, (7, slice(0, 4))), str(path))
    far = sitk.Image(volume)
    far.SetOrigin((5000, 0, 0))
    cases = [
        (LabelMapSegmenter(path), volume, r"no label that matches a region \(its labels: 7\)"),
        (LabelMapSegmenter(path, {"7": "lung"}), far, "do not overlap"),
        (LabelMapSegmenter(tmp_path / "absent.nrrd"), volume, "does not exist"),
    ]
    for segmenter, target, message in cases:
        with pytest.raises(InputError, match=message) as error:
            segmenter.segment(target)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="Unknown region 'spleen'"):
        LabelMapSegmenter(path, {"7": "spleen"})


def test_the_chosen_segmenter_comes_with_a_reason(tmp_path: Path) -> None:
    automatic, reason = choose_segmenter("auto", totalseg_weights=tmp_path)
    assert automatic.name == "thresholds" and "not installed" in reason
    given, reason = choose_segmenter("auto", regions_file=tmp_path / "a.nrrd")
    assert given.name == "label map" and "given" in reason
    assert choose_segmenter("totalsegmentator")[0].name == "totalsegmentator"
    with pytest.raises(
        InputError, match="Unknown segmenter 'magic'; expected one of: auto, totalsegmentator, thresholds"
    ):
        choose_segmenter("magic")


def test_labels_of_any_integer_type_are_distinguished(volume: sitk.Image, tmp_path: Path) -> None:
    for kind, labels in ((sitk.sitkUInt8, (1, 255)), (sitk.sitkInt16, (7, 3000)), (sitk.sitkUInt32, (2, 70_000))):
        array = np.zeros(volume.GetSize()[::-1], np.int64)
        array[0:2], array[4:6] = labels
        array[7:9] = labels[0] + 1
        if kind == sitk.sitkInt16:
            array[10:12] = -labels[0]
        image = sitk.Cast(sitk.GetImageFromArray(array), kind)
        image.CopyInformation(volume)
        sitk.WriteImage(image, str(tmp_path / "labels.nrrd"))
        mapping = {str(labels[0]): "heart", str(labels[1]): "lung"}
        masks = LabelMapSegmenter(tmp_path / "labels.nrrd", mapping).segment(volume)
        assert masks.boxes["heart"][0] == slice(0, 2) and masks.boxes["lung"][0] == slice(4, 6), kind
        assert masks.array("heart").sum() == masks.array("lung").sum() == 2 * array[0].size, kind


def test_a_label_map_on_a_coarser_grid_covers_the_same_place(tmp_path: Path) -> None:
    """The images are so large that memory freed too early would be overwritten."""
    volume = sitk.Image(160, 160, 160, sitk.sitkInt16)
    coarse = sitk.Image(80, 80, 80, sitk.sitkUInt8)
    coarse.SetSpacing((2.0, 2.0, 2.0))
    coarse.SetOrigin((0.5, 0.5, 0.5))
    coarse[20:40, 10:30, 30:50] = 3
    sitk.WriteImage(coarse, str(tmp_path / "coarse.nrrd"))
    masks = LabelMapSegmenter(tmp_path / "coarse.nrrd", {"3": "heart"}).segment(volume)
    assert masks.boxes == {"heart": (slice(60, 100), slice(20, 60), slice(40, 80))}
    assert masks.array("heart").sum() == 40**3

"""Regions are read from label maps and Slicer segmentations, matched by name and in physical space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_series
from region_files import write_dicom_seg, write_seg_nrrd

from reg2rg.errors import InputError
from reg2rg.exports.segmentation_nrrd import write_regions
from reg2rg.segmentation import choose_segmenter
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.volumes import read_volume
from reg2rg.volumes.geometry import image_like


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


def test_a_mapping_adds_to_the_names_that_are_known(tmp_path: Path, volume: sitk.Image) -> None:
    path = tmp_path / "regions.seg.nrrd"
    image = label_image(volume, (1, slice(0, 4)), (2, slice(4, 8)), (99, slice(8, 12)))
    fields = [{"Name": "lung", "LabelValue": "1"}, {"Name": "Heart", "LabelValue": "2"},
              {"Name": "Something else", "LabelValue": "99", "ID": "Segment_7"}]  # fmt: skip
    write_seg_nrrd(path, image, fields)
    for label in ("Something else", "something ELSE", "99", "Segment_7"):
        masks = LabelMapSegmenter(path, {label: "abdomen"}).segment(volume)
        assert masks.present == ("abdomen", "heart", "lung"), label
    assert LabelMapSegmenter(path, {"Heart": "Mediastinum"}).segment(volume).present == ("lung", "mediastinum")


def test_a_mapping_of_a_label_that_is_not_there_is_refused(tmp_path: Path, volume: sitk.Image) -> None:
    path = tmp_path / "labels.nrrd"
    sitk.WriteImage(label_image(volume, (1, slice(0, 4)), (2, slice(4, 8))), str(path))
    with pytest.raises(InputError, match=r"names '22', but .* has no such label \(its labels: 1, 2\)"):
        LabelMapSegmenter(path, {"1": "lung", "22": "heart"}).segment(volume)


HEART_AND_LUNG = ({"ID": "Segment_1", "Name": "lung"}, {"ID": "Segment_2", "Name": "heart"})


@pytest.mark.parametrize(
    "fields",
    [
        ({}, {}),
        ({"LabelValue": "1"}, {"LabelValue": "1"}),
        ({"Layer": "0"}, {"Layer": "1"}),
        ({"LabelValue": "1.0", "Layer": "0.0"}, {"LabelValue": " 1", "Layer": "1"}),
    ],
)
def test_missing_fields_of_a_slicer_segmentation_mean_label_one_in_a_layer_of_its_own(
    tmp_path: Path, volume: sitk.Image, fields: tuple[dict[str, str], ...]
) -> None:
    layers = [label_image(volume, (1, slice(0, 8))), label_image(volume, (1, slice(6, 10)))]
    path = tmp_path / "regions.seg.nrrd"
    write_seg_nrrd(
        path, sitk.Compose(layers), [known | given for known, given in zip(HEART_AND_LUNG, fields, strict=True)]
    )
    masks = LabelMapSegmenter(path).segment(volume)
    assert (masks.array("lung").sum(), masks.array("heart").sum()) == (6 * 8 * 6, 6 * 4 * 6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([{"Name": "lung", "LabelValue": "one"}], "Segment0_LabelValue 'one'; expected a whole number"),
        ([{"Name": "lung", "LabelValue": "1.5"}], "Segment0_LabelValue '1.5'; expected a whole number"),
        ([{"Name": "lung", "LabelValue": "inf"}], "Segment0_LabelValue 'inf'; expected a whole number"),
        ([{"Name": "lung", "Layer": "2"}], "into layer 2, but has 1 layers"),
        ([{"Name": "lung"}, {"Name": "heart"}], "'lung' and 'heart' the same label value 1 in layer 0"),
    ],
)
def test_a_slicer_segmentation_whose_fields_contradict_its_voxels_is_refused(
    tmp_path: Path, volume: sitk.Image, fields: list[dict[str, str]], message: str
) -> None:
    write_seg_nrrd(tmp_path / "a.seg.nrrd", label_image(volume, (1, slice(0, 8))), fields)
    with pytest.raises(InputError, match=message):
        LabelMapSegmenter(tmp_path / "a.seg.nrrd").segment(volume)


def test_segments_without_a_telling_name_are_matched_by_their_terminology(tmp_path: Path, volume: sitk.Image) -> None:
    def terminology(kind: str, modifier: str = "^^") -> str:
        parts = ("Segmentation category and type", "SCT^123037004^Anatomical Structure", kind, modifier, "", "^^", "^^")
        return f"Segmentation.Status:inprogress|TerminologyEntry:{'~'.join(parts)}|"

    kinds = [("SCT^39607008^Lung", "SCT^24028007^Right"), ("SCT^1^Esophagus", "^^"), ("SCT^4147007^Mass", "^^")]
    fields = [
        {"Name": f"Segment_{number}", "LabelValue": str(number), "Tags": terminology(*kind)}
        for number, kind in enumerate(kinds, 1)
    ]
    image = label_image(volume, *((number, slice(4 * number - 4, 4 * number)) for number in (1, 2, 3)))
    write_seg_nrrd(tmp_path / "a.seg.nrrd", image, fields)
    assert LabelMapSegmenter(tmp_path / "a.seg.nrrd").segment(volume).present == ("esophagus", "lung")


def test_a_folder_of_masks_is_read_by_file_names_and_parts_are_united(tmp_path: Path, volume: sitk.Image) -> None:
    folder = tmp_path / "segmentations"
    folder.mkdir()
    rows = {"lung_upper_lobe_left": 0, "lung_lower_lobe_right": 4, "vertebrae_T5": 8, "rib_left_3": 12, "liver": 14}
    for name, start in rows.items():
        sitk.WriteImage(label_image(volume, (255, slice(start, start + 2))), str(folder / f"{name}.nii.gz"))
    sitk.WriteImage(label_image(volume, (1, slice(6, 7))), str(folder / "pump.nrrd"))
    (folder / "statistics.json").write_text("{}")
    masks = LabelMapSegmenter(folder).segment(volume)
    assert masks.present == ("abdomen", "bone", "lung")
    assert masks.array("lung").sum() == masks.array("bone").sum() == 2 * masks.array("abdomen").sum() == 2 * 6 * 2 * 6
    assert "heart" in LabelMapSegmenter(folder, {"pump": "heart"}).segment(volume).present
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no masks and no DICOM segmentations"):
        LabelMapSegmenter(tmp_path / "empty").segment(volume)


@pytest.mark.parametrize("kind", [sitk.sitkFloat32, sitk.sitkFloat64, sitk.sitkInt64, sitk.sitkUInt64])
def test_label_maps_of_other_types_are_read_if_their_values_are_whole_numbers(
    tmp_path: Path, volume: sitk.Image, kind: int
) -> None:
    image = sitk.Cast(label_image(volume, (1, slice(0, 4)), (2, slice(4, 8))), kind)
    sitk.WriteImage(image, str(tmp_path / "labels.nrrd"))
    masks = LabelMapSegmenter(tmp_path / "labels.nrrd", {"1": "lung", "2": "heart"}).segment(volume)
    assert masks.array("lung").sum() == masks.array("heart").sum() == 6 * 4 * 6


@pytest.mark.parametrize("value", [0.5, 1.25, float("nan"), float("inf")])
def test_a_map_of_probabilities_is_refused(tmp_path: Path, volume: sitk.Image, value: float) -> None:
    image = sitk.Cast(label_image(volume, (1, slice(0, 4))), sitk.sitkFloat32)
    image[3, 4, 5] = value
    sitk.WriteImage(image, str(tmp_path / "labels.nrrd"))
    with pytest.raises(InputError, match="not whole numbers|no such label|no label"):
        LabelMapSegmenter(tmp_path / "labels.nrrd", {"2": "lung"}).segment(volume)


def test_a_label_map_that_lost_its_geometry_is_refused(tmp_path: Path, volume: sitk.Image) -> None:
    image = label_image(volume, (1, slice(0, 8)))
    image.SetOrigin((0, 0, 0))
    image.SetSpacing((0.2, 0.2, 0.2))
    sitk.WriteImage(image, str(tmp_path / "labels.nrrd"))
    with pytest.raises(InputError, match=r"has the size of the volume \(20 x 16 x 12 voxels\), but lies elsewhere"):
        LabelMapSegmenter(tmp_path / "labels.nrrd", {"1": "lung"}).segment(volume)


def test_labels_mostly_outside_the_volume_and_lungs_that_are_not_air_are_told(
    tmp_path: Path, volume: sitk.Image
) -> None:
    image = sitk.Image(20, 16, 30, sitk.sitkUInt8)
    image.SetSpacing(volume.GetSpacing())
    image.SetOrigin(volume.GetOrigin())
    image[:, :, 8:] = 1
    sitk.WriteImage(image, str(tmp_path / "labels.nrrd"))
    segmenter = LabelMapSegmenter(tmp_path / "labels.nrrd", {"1": "lung"})
    assert [notice.split(" of the labels")[0] for notice in segmenter.segment(volume).notices] == ["82%"]
    assert "Only 0% of the lungs" in segmenter.segment(volume + 1030).notices[1]


def test_lungs_that_miss_much_of_the_lung_and_tissue_that_is_air_are_told(tmp_path: Path) -> None:
    array = np.full((16, 64, 64), 40, np.int16)
    array[:, 8:56, 8:56] = -800
    volume = sitk.GetImageFromArray(array)
    for name, columns, expected in (
        ("all", slice(8, 56), []),
        ("part", slice(8, 24), ["lung"]),
        ("heart", slice(8, 56), ["heart"]),
    ):
        labels = np.zeros(array.shape, np.uint8)
        labels[:, 8:56, columns] = 1
        image = image_like(labels, volume)
        sitk.WriteImage(image, str(tmp_path / f"{name}.nrrd"))
        region = "heart" if name == "heart" else "lung"
        notices = LabelMapSegmenter(tmp_path / f"{name}.nrrd", {"1": region}).segment(volume).notices
        words = {"lung": "contain 30% of what looks like lung", "heart": "Heart in"}
        assert len(notices) == len(expected) and all(words[each] in notices[0] for each in expected), name


def test_a_dicom_segmentation_is_read_segment_by_segment(tmp_path: Path, volume: sitk.Image) -> None:
    write_dicom_seg(tmp_path / "seg.dcm", volume, {"Lung": label_image(volume, (1, slice(0, 8))),
                                                   "Tumor": label_image(volume, (1, slice(0, 2))),
                                                   "Herz": label_image(volume, (1, slice(6, 10)))})  # fmt: skip
    masks = LabelMapSegmenter(tmp_path / "seg.dcm", {"Herz": "heart"}).segment(volume)
    expected = sitk.GetArrayFromImage(label_image(volume, (1, slice(0, 8)))) > 0
    np.testing.assert_array_equal(masks.array("lung"), expected)
    assert masks.array("heart").sum() == 6 * 4 * 6 and masks.present == ("heart", "lung")


def test_another_dicom_file_is_refused_as_regions(tmp_path: Path, volume: sitk.Image) -> None:
    write_series(tmp_path / "ct", volume)
    for path, message in ((next((tmp_path / "ct").iterdir()), "not a segmentation"), (tmp_path / "ct", "no masks")):
        with pytest.raises(InputError, match=message):
            LabelMapSegmenter(path).segment(volume)


@pytest.mark.parametrize(
    ("folder", "file", "mapping", "expected"),
    [
        ("07-seg-nrrd-fields", "complete.seg.nrrd", {}, {"heart": 912, "lung": 20503}),
        ("07-seg-nrrd-fields", "no_layer.seg.nrrd", {}, {"heart": 912, "lung": 20503}),
        ("07-seg-nrrd-fields", "old_no_value_no_layer.seg.nrrd", {}, {"heart": 912, "lung": 20503}),
        ("07-seg-nrrd-fields", "value_1.0.seg.nrrd", {}, {"heart": 912, "lung": 20503}),
        ("09-folder-of-masks", "segmentations", {}, {"heart": 912, "lung": 20503}),
        ("10-label-map-without-geometry", "affine_none.nii.gz", {"1": "lung"}, "lies elsewhere"),
        ("11-dicom-seg-as-regions", "seg.dcm", {}, {"heart": 7731, "lung": 164362}),
    ],
)
def test_files_that_were_once_read_wrong_are_read_right_or_refused(
    shared: Path, folder: str, file: str, mapping: dict[str, str], expected: dict[str, int] | str
) -> None:
    volume = read_volume(shared / "data/inputs" / folder / "ct.nii.gz")
    segmenter = LabelMapSegmenter(shared / "data/inputs" / folder / file, mapping)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            segmenter.segment(volume)
    else:
        masks = segmenter.segment(volume)
        assert {name: masks.array(name).sum() for name in masks.present} == expected and not masks.notices


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
    far = far[:, :, 1:]  # of another size: one of the same size is refused for another reason
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

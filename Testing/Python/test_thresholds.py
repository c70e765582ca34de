"""The threshold segmenter finds the regions that thresholds can find, and names those it cannot find."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.phantom import PhantomCase, make_phantom
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.morphology import components
from reg2rg.segmentation.thresholds import ThresholdSegmenter, split_lungs
from reg2rg.segmentation.thresholds.working_grid import to_volume_grid, to_working_grid
from reg2rg.volumes import read_volume
from reg2rg.volumes.geometry import image_like


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice coefficient of two boolean masks."""
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def phantom() -> PhantomCase:
    return make_phantom(1)


@pytest.fixture(scope="module")
def found(phantom: PhantomCase) -> RegionMasks:
    return ThresholdSegmenter().segment(phantom.volume)


@pytest.mark.parametrize(
    ("region", "minimum"),
    [("lung", 0.95), ("trachea and bronchie", 0.7), ("bone", 0.7), ("heart", 0.7), ("mediastinum", 0.65)],
)
def test_regions_of_a_phantom_are_found(phantom: PhantomCase, found: RegionMasks, region: str, minimum: float) -> None:
    assert dice(found.array(region), phantom.masks.array(region)) > minimum


def test_the_abdomen_is_below_and_the_pleura_around_the_lungs(found: RegionMasks) -> None:
    z = {name: np.nonzero(found.array(name))[0].mean() for name in ("abdomen", "lung")}
    assert z["abdomen"] < z["lung"]
    assert not (found.array("abdomen") & found.array("lung")).any()
    assert (found.array("pleura") & found.array("lung")).any()


def test_regions_that_cannot_be_found_are_listed_with_a_reason_and_the_others_are_approximate(
    found: RegionMasks,
) -> None:
    assert {"breast", "thyroid", "esophagus"} <= set(found.missing)
    assert all("thresholds" in found.missing[name] for name in ("breast", "thyroid", "esophagus"))
    assert found.approximate == set(found.present)


def test_a_volume_with_the_wrong_end_up_is_told(phantom: PhantomCase, found: RegionMasks) -> None:
    turned = image_like(sitk.GetArrayFromImage(phantom.volume)[::-1].copy(), phantom.volume)
    assert any("upside down" in notice for notice in ThresholdSegmenter().segment(turned).notices)
    assert not found.notices


@pytest.mark.slow
def test_orientation_of_the_volume_does_not_matter(phantom: PhantomCase, found: RegionMasks) -> None:
    for orientation in ("RAS", "SPL", "AIR"):
        turned = ThresholdSegmenter().segment(sitk.DICOMOrient(phantom.volume, orientation))
        back = RegionMasks(sitk.DICOMOrient(turned.bits, "LPS"), "thresholds", missing=turned.missing)
        assert turned.present == found.present
        for name in found.present:
            assert dice(back.array(name), found.array(name)) > 0.93, (orientation, name)


def noise(mean: float, sd: float, shape: tuple[int, int, int] = (40, 50, 60)) -> sitk.Image:
    values = np.random.default_rng(0).normal(mean, sd, shape)
    image = sitk.GetImageFromArray(values.round().astype(np.int16))
    image.SetSpacing((4.0, 4.0, 5.0))
    return image


@pytest.mark.parametrize(("mean", "sd"), [(-1000, 5), (-1000, 0), (-3024, 0)])
def test_a_volume_without_a_body_is_rejected(mean: float, sd: float) -> None:
    with pytest.raises(InputError, match="No body"):
        ThresholdSegmenter().segment(noise(mean, sd))


@pytest.mark.parametrize(("mean", "sd"), [(0, 0), (0, 300), (-700, 0), (-700, 100), (-300, 1000), (3000, 0)])
def test_a_volume_that_shows_no_chest_has_no_lungs_and_every_missing_region_has_a_reason(
    mean: float, sd: float
) -> None:
    try:
        masks = ThresholdSegmenter().segment(noise(mean, sd))
    except InputError as error:
        assert "No body" in str(error)
        return
    assert not {"lung", "heart", "mediastinum", "abdomen", "pleura"} & set(masks.present)
    assert all(masks.missing.values())


@pytest.mark.parametrize("size", [(1, 1, 1), (3, 200, 200), (64, 64, 1), (2, 2, 400)])
def test_a_volume_of_any_size_ends_without_a_crash(size: tuple[int, int, int]) -> None:
    try:
        masks = ThresholdSegmenter().segment(noise(40, 20, size[::-1]))
    except InputError:
        return
    assert "lung" not in masks.present


def test_the_working_grid_and_back_equal_a_linear_resampling(phantom: PhantomCase) -> None:
    for orientation in ("LPS", "AIR"):
        volume = sitk.DICOMOrient(phantom.volume, orientation)
        working = to_working_grid(volume)
        mask = sitk.GetArrayFromImage(working) > -400
        resampler = sitk.ResampleImageFilter()
        resampler.SetReferenceImage(volume)
        resampler.SetInterpolator(sitk.sitkLinear)
        resampler.UseNearestNeighborExtrapolatorOn()
        expected = sitk.GetArrayFromImage(resampler.Execute(image_like(mask.astype(np.float32), working))) > 0.5
        returned = np.zeros(expected.shape, bool)
        for place, inside in to_volume_grid(mask, working, volume, range(len(expected))):
            returned[place] = inside
        assert (returned == expected).mean() > 0.999


def test_more_components_than_two_bytes_can_count_are_all_found() -> None:
    mask = np.zeros((90, 90, 90), bool)
    mask[::2, ::2, ::2] = True
    labels, sizes = components(mask)
    assert sizes.tolist() == [1] * 45**3
    assert labels.max() == 45**3


def test_foam_under_the_body_is_not_lung(phantom: PhantomCase, found: RegionMasks) -> None:
    """The body touches both sides of the image, so that the foam is cut off from the room air above the body."""
    x, y, _ = found.boxes["bone"][2], found.boxes["bone"][1], found.boxes["bone"][0]
    volume = phantom.volume[x.start : x.stop, :, :]
    hu = sitk.GetArrayFromImage(volume)
    body = (hu > -300).any(axis=(0, 2))
    back = int(np.flatnonzero(body)[-1])
    foam = np.random.default_rng(0).normal(-915, 30, hu.shape)
    rows = np.arange(hu.shape[1])[None, :, None]
    below = (hu < -350) & (rows > y.stop - 4) | (rows > back)
    lung = ThresholdSegmenter().segment(image_like(np.where(below, foam, hu).astype(np.int16), volume)).array("lung")
    assert dice(lung, found.array("lung")[:, :, x.start : x.stop]) > 0.97


def test_a_tumor_at_the_chest_wall_belongs_to_the_lung(phantom: PhantomCase, found: RegionMasks) -> None:
    """Balls of 36 mm on the side wall of the right lung and on the back wall of the left one."""
    hu = sitk.GetArrayFromImage(phantom.volume)
    lung = phantom.masks.array("lung")
    z = (found.boxes["lung"][0].start + 2 * found.boxes["lung"][0].stop) // 3
    spacing = np.array(phantom.volume.GetSpacing()[::-1])
    rows, columns = np.nonzero(lung[z])
    middle = (columns.min() + columns.max()) // 2
    side = (z, int(np.median(rows[columns < columns.min() + 3])), columns.min())
    column = (middle + columns.max()) // 2
    back = (z, rows[columns == column].max(), column)
    tumors = np.zeros_like(lung)
    for center in (side, back):
        offsets = (np.indices(hu.shape) - np.reshape(center, (3, 1, 1, 1))) * spacing[:, None, None, None]
        tumors |= lung & ((offsets**2).sum(axis=0) < 18**2)
    with_tumors = image_like(np.where(tumors, 40, hu).astype(np.int16), phantom.volume)
    covered = ThresholdSegmenter().segment(with_tumors).array("lung")
    assert covered[tumors].mean() > 0.8
    assert dice(covered, lung) > 0.96


def test_contrast_medium_makes_no_bone_and_hides_none(phantom: PhantomCase, found: RegionMasks) -> None:
    """Heart and abdominal organs as bright as in the arterial phase, vertebrae denser than that."""
    hu = sitk.GetArrayFromImage(phantom.volume)
    heart, bone = phantom.masks.array("heart"), phantom.masks.array("bone")
    organs = (heart | phantom.masks.array("abdomen")) & (hu > 0)
    bright = np.where(organs, 330, np.where(bone & (hu > 100), np.maximum(hu, 420), hu))
    masks = ThresholdSegmenter().segment(image_like(bright.astype(np.int16), phantom.volume))
    assert (masks.array("bone") & organs).sum() < 0.03 * organs.sum()
    assert dice(masks.array("bone"), bone) > dice(found.array("bone"), bone) - 0.05


def test_thick_slices_change_little(phantom: PhantomCase) -> None:
    spacing = (*phantom.volume.GetSpacing()[:2], 8.0)
    size = [*phantom.volume.GetSize()[:2], int(phantom.volume.GetSize()[2] * phantom.volume.GetSpacing()[2] / 8)]
    grid = sitk.Image(size, sitk.sitkUInt8)
    grid.SetSpacing(spacing)
    grid.SetOrigin(phantom.volume.GetOrigin())
    thick = sitk.Resample(phantom.volume, grid, sitk.Transform(), sitk.sitkLinear, -1000)
    truth = sitk.GetArrayFromImage(sitk.Resample(phantom.masks.image("lung"), grid)) > 0
    masks = ThresholdSegmenter().segment(thick)
    assert dice(masks.array("lung"), truth) > 0.95
    assert {"bone", "mediastinum", "pleura"} <= set(masks.present)


def test_a_scan_of_the_upper_chest_has_no_heart_and_no_abdomen(phantom: PhantomCase) -> None:
    slices = phantom.volume.GetSize()[2]
    masks = ThresholdSegmenter().segment(phantom.volume[:, :, int(0.55 * slices) :])
    assert "lung" in masks.present
    for region in ("heart", "abdomen"):
        assert "ends above the bases of the lungs" in masks.missing[region]


def test_a_scan_of_the_lower_chest_has_no_heart_because_its_top_is_unknown(phantom: PhantomCase) -> None:
    slices = phantom.volume.GetSize()[2]
    masks = ThresholdSegmenter().segment(phantom.volume[:, :, : int(0.5 * slices)])
    assert {"lung", "abdomen"} <= set(masks.present)
    assert "division of the trachea" in masks.missing["heart"]


def test_a_volume_without_lungs_still_yields_its_other_regions(phantom: PhantomCase) -> None:
    abdomen = phantom.volume[:, :, :18]
    masks = ThresholdSegmenter().segment(abdomen)
    assert "lung" in masks.missing and "bone" in masks.present


@pytest.mark.slow
@pytest.mark.parametrize("case", ["chest_ct_01", "chest_ct_02"])
def test_lungs_of_real_cts_reach_a_dice_of_095_and_are_split_into_left_and_right(shared: Path, case: str) -> None:
    volume = read_volume(shared / f"data/ct/{case}.nii.gz")
    reference = sitk.GetArrayFromImage(sitk.ReadImage(str(shared / f"data/ct/{case}_lungs_reference.nii.gz"))) > 200
    masks = ThresholdSegmenter().segment(volume)
    assert dice(masks.array("lung"), reference) >= 0.95
    left, right = (sitk.GetArrayFromImage(side) > 0 for side in split_lungs(volume))
    assert not (left & right).any()
    x_axis = volume.GetDirection()[0]  # positive if columns run to the patient's left
    assert (np.nonzero(left)[2].mean() - np.nonzero(right)[2].mean()) * x_axis > 20
    assert 0.3 < left.sum() / right.sum() < 3


@pytest.mark.slow
def test_stomach_gas_is_not_lung(shared: Path) -> None:
    """This scan has a bubble of 400 ml below a thin left diaphragm."""
    volume = read_volume(shared / "data/ct/chest_ct_02.nii.gz")
    hu = sitk.GetArrayFromImage(sitk.Median(sitk.Cast(volume, sitk.sitkFloat32), [1, 1, 1]))
    reference = sitk.GetArrayFromImage(sitk.ReadImage(str(shared / "data/ct/chest_ct_02_lungs_reference.nii.gz"))) > 200
    lung = ThresholdSegmenter().segment(volume).array("lung")
    bubble = lung & ~reference & (hu < -940)
    assert bubble.sum() * np.prod(volume.GetSpacing()) / 1000 < 30


def test_contrast_medium_is_not_bone(shared: Path) -> None:
    volume = read_volume(shared / "data/ct/heart_crop_contrast_ct.nii.gz")
    masks = ThresholdSegmenter().segment(volume)
    blood = sitk.GetArrayFromImage(volume) > 250
    heart = masks.array("heart")
    assert (blood & heart).sum() > 0.3 * heart.sum(), "the scan has contrast medium in the heart"
    assert not (masks.array("bone") & heart).any()
    assert (masks.array("bone") & blood).sum() < 0.4 * blood.sum()


def test_table_and_foam_of_a_real_ct_are_not_lung_and_it_has_no_heart(shared: Path) -> None:
    """The scan ends at the aortic arch. Its lungs have about 1,260 ml; with the foam they had 4,270 ml."""
    volume = read_volume(shared / "data/real/18.nii.gz")
    masks = ThresholdSegmenter().segment(volume)
    assert 1150 < masks.array("lung").sum() * np.prod(volume.GetSpacing()) / 1000 < 1400
    assert "ends above the bases of the lungs" in masks.missing["heart"]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "share"), [("01", 0.99), ("02", 0.9)])
def test_nodules_that_radiologists_marked_lie_in_the_lungs(shared: Path, case: str, share: float) -> None:
    volume = read_volume(shared / f"data/real/{case}.nii.gz")
    labels = sitk.ReadImage(str(shared / f"data/real/labels/{case}_nodules_nreaders.nii.gz"))
    nodule = sitk.GetArrayFromImage(labels) >= 2
    assert ThresholdSegmenter().segment(volume).array("lung")[nodule].mean() > share


@pytest.mark.slow
def test_half_of_a_mass_that_touches_the_aorta_lies_in_the_lung(shared: Path) -> None:
    """The boxes that radiologists drew have corners outside of the mass, so that the whole mass is less than 1."""
    volume = read_volume(shared / "data/real/08.nii.gz")
    boxes = np.zeros(volume.GetSize()[::-1], bool)
    with (shared / "data/real/labels/boxes.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["file"] == "08":
                corners = ([float(row[f"{axis}_LPS"]) for axis in (f"x{i}", f"y{i}", "z")] for i in (0, 1))
                first, last = (volume.TransformPhysicalPointToIndex(corner) for corner in corners)
                (x0, x1), (y0, y1) = (sorted((first[i], last[i])) for i in (0, 1))
                boxes[first[2], y0 : y1 + 1, x0 : x1 + 1] = True
    assert ThresholdSegmenter().segment(volume).array("lung")[boxes].mean() > 0.45

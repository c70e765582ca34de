"""The threshold segmenter finds the regions that thresholds can find, and names those it cannot find."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from reg2rg.errors import InputError
from reg2rg.phantom import PhantomCase, make_phantom
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.thresholds import ThresholdSegmenter, split_lungs
from reg2rg.volumes import read_volume


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


def test_orientation_of_the_volume_does_not_matter(phantom: PhantomCase, found: RegionMasks) -> None:
    for orientation in ("RAS", "SPL", "AIR"):
        turned = ThresholdSegmenter().segment(sitk.DICOMOrient(phantom.volume, orientation))
        back = RegionMasks(sitk.DICOMOrient(turned.bits, "LPS"), "thresholds", missing=turned.missing)
        assert turned.present == found.present
        for name in found.present:
            assert dice(back.array(name), found.array(name)) > 0.93, (orientation, name)


def test_a_volume_without_a_body_is_rejected() -> None:
    air = sitk.Cast(sitk.AdditiveGaussianNoise(sitk.Image(40, 40, 40, sitk.sitkFloat32) - 1000, 5), sitk.sitkInt16)
    with pytest.raises(InputError, match="No body"):
        ThresholdSegmenter().segment(air)


def test_a_volume_without_lungs_still_yields_its_other_regions(phantom: PhantomCase) -> None:
    abdomen = phantom.volume[:, :, :18]
    masks = ThresholdSegmenter().segment(abdomen)
    assert "lung" in masks.missing and "bone" in masks.present


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

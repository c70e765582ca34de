"""The TotalSegmentator segmenter runs the real package; only its weights are small and random."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch

pytest.importorskip("totalsegmentator", reason="TotalSegmentator is not installed")

from tiny_nnunet import write_weights

from reg2rg.errors import InputError
from reg2rg.phantom import make_phantom
from reg2rg.segmentation.totalsegmentator import TotalSegmentatorSegmenter, weights_available


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    write_weights(folder, "total", mode="fast", spacing=3.0)
    return folder


@pytest.fixture(scope="module")
def volume() -> sitk.Image:
    """A phantom at 6 mm, stored left-handed: its second axis runs backwards."""
    shrunk = sitk.BinShrink(make_phantom(0).volume, [2, 2, 2])
    return sitk.Flip(sitk.Cast(shrunk, sitk.sitkInt16), [False, True, False])


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("TOTALSEG", "nnUNet"))}


@pytest.fixture(scope="module")
def segmented(volume: sitk.Image, weights: Path):
    told: list[tuple[float, str]] = []
    before = _settings()
    masks = TotalSegmentatorSegmenter(fast=True, totalseg_weights=weights).segment(
        volume, lambda *step: told.append(step)
    )
    assert _settings() == before, "the user's own settings are as they were"
    return masks, told


def test_masks_lie_on_the_grid_of_the_volume(segmented, volume):
    masks, _ = segmented
    assert masks.bits.GetSize() == volume.GetSize()
    np.testing.assert_allclose(masks.bits.GetDirection(), volume.GetDirection())
    np.testing.assert_allclose(masks.bits.GetOrigin(), volume.GetOrigin())
    assert masks.segmenter == "totalsegmentator" and masks.present


def test_the_same_anatomy_is_found_however_the_volume_is_stored(segmented, volume, weights):
    turned = sitk.DICOMOrient(volume, "PIR")
    again = TotalSegmentatorSegmenter(fast=True, totalseg_weights=weights).segment(turned)
    stored = sitk.DICOMOrientImageFilter_GetOrientationFromDirectionCosines(volume.GetDirection())
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(again.bits, stored))
    agreement = (back == sitk.GetArrayFromImage(segmented[0].bits)).mean()
    assert agreement > 0.95


def test_regions_without_weights_are_missing_with_the_reason(segmented):
    masks, _ = segmented
    assert "breasts" in masks.missing["breast"] and "weights" in masks.missing["breast"]


def test_only_the_wanted_regions_are_looked_for_and_in_their_box_alone(volume, weights, tmp_path, monkeypatch):
    from totalsegmentator import nnunet

    shutil.copytree(weights, tmp_path, dirs_exist_ok=True)
    write_weights(tmp_path, "total", mode="fastest", spacing=6.0)
    asked, real = [], nnunet.nnUNet_predict_image

    def noted(*arguments, **options):
        asked.append((arguments[2], options.get("crop")))
        return real(*arguments, **options)

    monkeypatch.setattr(nnunet, "nnUNet_predict_image", noted)
    masks = TotalSegmentatorSegmenter(fast=True, totalseg_weights=tmp_path, regions=["heart", "lung"]).segment(volume)
    assert set(masks.present) <= {"heart", "lung"}
    assert masks.missing["bone"] == "it was not asked for"
    assert [model for model, _ in asked] == [298, 297]
    assert asked[1][1] is not None, "the second model looks at the box that the first has found"


def test_progress_names_the_task(segmented):
    assert any("total" in words for _, words in segmented[1])


def test_absent_weights_are_named_and_nothing_is_fetched(volume, tmp_path):
    assert not weights_available(tmp_path)
    with pytest.raises(InputError, match="Dataset297.*not in") as error:
        TotalSegmentatorSegmenter(fast=True, totalseg_weights=tmp_path).segment(volume)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_an_unknown_device_is_refused():
    with pytest.raises(InputError, match="'tpu' is no device"):
        TotalSegmentatorSegmenter(device="tpu")

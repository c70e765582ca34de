"""The TotalSegmentator segmenter runs the real package, with small random weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
import torch

pytest.importorskip("totalsegmentator", reason="TotalSegmentator is not installed")

from tiny_nnunet import write_weights

from reg2rg.errors import InputError
from reg2rg.phantom import make_phantom
from reg2rg.segmentation.masks import RegionMasks
from reg2rg.segmentation.totalsegmentator import TotalSegmentatorSegmenter, weights_available

pytestmark = pytest.mark.slow

Segmented = tuple[RegionMasks, list[tuple[float, str]]]
"""Masks, and the progress reported while they were made."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    write_weights(folder, "total", mode="fast", spacing=3.0)
    return folder


@pytest.fixture(scope="module")
def volume() -> sitk.Image:
    """Make the middle of a phantom at 6 mm, whose voxel axes are left-handed because the second one is flipped."""
    shrunk = sitk.Cast(sitk.BinShrink(make_phantom(0).volume, [2, 2, 2]), sitk.sitkInt16)
    quarter = [size // 4 for size in shrunk.GetSize()]
    return sitk.Flip(sitk.Crop(shrunk, quarter, quarter), [False, True, False])


def _settings() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("TOTALSEG", "nnUNet"))}


@pytest.fixture(scope="module")
def segmented(volume: sitk.Image, weights: Path) -> Segmented:
    steps: list[tuple[float, str]] = []
    before = _settings()
    segmenter = TotalSegmentatorSegmenter(fast=True, totalseg_weights=weights)
    masks = segmenter.segment(volume, lambda *step: steps.append(step))
    assert _settings() == before, "the user's own settings are unchanged"
    return masks, steps


def test_masks_are_on_the_grid_of_the_volume(segmented: Segmented, volume: sitk.Image) -> None:
    masks, _ = segmented
    assert masks.bits.GetSize() == volume.GetSize()
    np.testing.assert_allclose(masks.bits.GetDirection(), volume.GetDirection())
    np.testing.assert_allclose(masks.bits.GetOrigin(), volume.GetOrigin())
    assert masks.segmenter == "totalsegmentator" and masks.present


def test_orientation_of_the_volume_does_not_matter(segmented: Segmented, volume: sitk.Image, weights: Path) -> None:
    turned = sitk.DICOMOrient(volume, "PIR")
    again = TotalSegmentatorSegmenter(fast=True, totalseg_weights=weights).segment(turned)
    orientation = sitk.DICOMOrientImageFilter_GetOrientationFromDirectionCosines(volume.GetDirection())
    back = sitk.GetArrayFromImage(sitk.DICOMOrient(again.bits, orientation))
    agreement = (back == sitk.GetArrayFromImage(segmented[0].bits)).mean()
    assert agreement > 0.95


def test_regions_without_weights_are_missing_with_the_reason(segmented: Segmented) -> None:
    masks, _ = segmented
    assert "breasts" in masks.missing["breast"] and "weights" in masks.missing["breast"]


def test_only_requested_regions_are_segmented_and_only_within_their_bounding_box(
    volume: sitk.Image, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from totalsegmentator import nnunet

    shutil.copytree(weights, tmp_path, dirs_exist_ok=True)
    write_weights(tmp_path, "total", mode="fastest", spacing=6.0)
    calls, predict = [], nnunet.nnUNet_predict_image

    def recorded(*arguments: Any, **options: Any) -> Any:
        calls.append((arguments[2], options.get("crop")))
        return predict(*arguments, **options)

    monkeypatch.setattr(nnunet, "nnUNet_predict_image", recorded)
    masks = TotalSegmentatorSegmenter(fast=True, totalseg_weights=tmp_path, regions=["heart", "lung"]).segment(volume)
    assert set(masks.present) <= {"heart", "lung"}
    assert masks.missing["bone"] == "not requested"
    assert [model for model, _ in calls] == [298, 297]
    assert calls[1][1] is not None, "the second model is restricted to the bounding box that the first one found"


def test_progress_messages_name_the_task(segmented: Segmented) -> None:
    assert any("total" in message for _, message in segmented[1])


def test_missing_weights_are_named_and_nothing_is_downloaded(volume: sitk.Image, tmp_path: Path) -> None:
    assert not weights_available(tmp_path)
    with pytest.raises(InputError, match="Dataset297.*not in") as error:
        TotalSegmentatorSegmenter(fast=True, totalseg_weights=tmp_path).segment(volume)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_an_unknown_device_is_rejected() -> None:
    with pytest.raises(InputError, match="Unknown device 'tpu'; expected one of: cpu, mps, cuda"):
        TotalSegmentatorSegmenter(device="tpu")

"""Preprocessing yields the published tensors, whatever the orientation of the scan."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from monai.transforms import CropForeground, Resize

from reg2rg.errors import InputError
from reg2rg.models.config import PreprocessingConfig, Size
from reg2rg.phantom import PhantomCase, make_phantom
from reg2rg.preprocessing import ModelInputs, hu_to_unit, prepare, unit_to_hu
from reg2rg.segmentation.masks import RegionMasks

SIZE = (64, 64, 16)
CONFIG = PreprocessingConfig(image_size=SIZE, texture_size=SIZE, mask_size=SIZE)


@pytest.fixture(scope="module")
def phantom() -> PhantomCase:
    return make_phantom(2)


@pytest.fixture(scope="module")
def inputs(phantom: PhantomCase) -> ModelInputs:
    return prepare(phantom.volume, phantom.masks, CONFIG)


def published(
    volume: sitk.Image, masks: RegionMasks, size: Size
) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Preprocess as the published code does, with MONAI, on float volumes with axes in RAS order.

    Returns:
        The whole volume, the textures and the geometries, as in ModelInputs.
    """

    def ras(image: sitk.Image) -> torch.Tensor:
        return torch.from_numpy(sitk.GetArrayFromImage(sitk.DICOMOrient(image, "RAS")).T.astype(np.float32))[None]

    def unit(hu: torch.Tensor) -> torch.Tensor:
        return (hu.clamp(-1000, 200) + 400) / 600

    crop = CropForeground(select_fn=lambda x: x > -1000, margin=0)
    resize = Resize(size, mode="area")
    image = ras(volume)
    textures, geometry = {}, {}
    body = crop.compute_bounding_box(image)
    for name in masks.present:
        mask = ras(masks.image(name))
        region = image * mask
        region[mask == 0] = -1024
        textures[name] = unit(resize(crop(region)))[0]
        geometry[name] = resize(crop.crop_pad(mask, *body))[0]
    return unit(resize(crop(image)))[0], textures, geometry


def assert_equal_to_published(volume: sitk.Image, masks: RegionMasks, size: Size) -> None:
    """Compare all tensors bit for bit."""
    ours = prepare(volume, masks, PreprocessingConfig(size, size, size))
    image, textures, geometry = published(volume, masks, size)
    assert tuple(ours.textures) == masks.present
    assert torch.equal(ours.image, torch.as_tensor(image))
    for name in masks.present:
        assert torch.equal(ours.textures[name], torch.as_tensor(textures[name])), name
        assert torch.equal(ours.masks[name], torch.as_tensor(geometry[name])), name


@pytest.mark.parametrize("size", [SIZE, (200, 40, 101)], ids=["smaller", "larger and smaller"])
def test_image_textures_and_masks_are_identical_to_the_published_ones(phantom: PhantomCase, size: Size) -> None:
    assert_equal_to_published(phantom.volume, phantom.masks, size)


@pytest.mark.parametrize("pixel_type", [sitk.sitkInt16, sitk.sitkFloat32], ids=["int16", "float32"])
def test_large_values_and_masks_in_air_give_the_published_tensors(pixel_type: int) -> None:
    rng = np.random.default_rng(0)
    hu = rng.integers(-1024, 2**15, (30, 40, 50))
    hu[:, :12] = hu[:, 25:30, :10] = -1024
    volume = sitk.Cast(sitk.GetImageFromArray(hu), pixel_type)
    arrays = {name: np.zeros(hu.shape, bool) for name in ("heart", "lung")}
    arrays["heart"][5:25, 8:30, 10:33] = rng.random((20, 22, 23)) < 0.5
    arrays["lung"][3, 2:30, 7:9] = True
    masks = RegionMasks.from_arrays(arrays, volume, segmenter="test")
    assert_equal_to_published(volume, masks, SIZE)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "ASL", "IRP"])
def test_tensors_are_identical_for_any_orientation_of_the_scan(
    phantom: PhantomCase, inputs: ModelInputs, orientation: str
) -> None:
    bits = sitk.DICOMOrient(phantom.masks.bits, orientation)
    masks = RegionMasks(bits, "test", missing=phantom.masks.missing)
    turned = prepare(sitk.DICOMOrient(phantom.volume, orientation), masks, CONFIG)
    assert torch.equal(turned.image, inputs.image)
    for name in inputs.textures:
        assert torch.equal(turned.textures[name], inputs.textures[name])
        assert torch.equal(turned.masks[name], inputs.masks[name])


def test_axes_run_to_the_right_the_front_and_the_head(phantom: PhantomCase) -> None:
    liver = prepare(phantom.volume, phantom.masks, CONFIG).masks["abdomen"]
    spine = prepare(phantom.volume, phantom.masks, CONFIG).masks["bone"]
    heart = prepare(phantom.volume, phantom.masks, CONFIG).masks["heart"]
    x, y, z = (torch.arange(n) + 0.5 for n in SIZE)
    assert (liver.sum((0, 1)) * z).sum() / liver.sum() < SIZE[2] / 2, "the abdomen is below"
    assert (spine.sum((0, 2)) * y).sum() / spine.sum() < SIZE[1] / 2, "the spine is behind"
    assert (heart.sum((1, 2)) * x).sum() / heart.sum() < SIZE[0] / 2, "the heart is on the left"


def test_values_are_in_range_and_the_inputs_are_not_modified(phantom: PhantomCase, inputs: ModelInputs) -> None:
    before = sitk.Hash(phantom.volume), sitk.Hash(phantom.masks.bits)
    for tensor in (inputs.image, *inputs.textures.values()):
        assert tensor.dtype == torch.float32 and tensor.min() >= -1 and tensor.max() <= 1
    for mask in inputs.masks.values():
        assert 0 <= mask.min() and mask.max() <= 1 and len(mask.unique()) > 2
    assert (sitk.Hash(phantom.volume), sitk.Hash(phantom.masks.bits)) == before


def test_inside_only_keeps_the_edge_of_a_region_as_bright_as_its_inside() -> None:
    volume = sitk.GetImageFromArray(np.full((30, 30, 30), -900, np.int16))
    volume[5:26, 5:26, 5:26] = 100
    ball = np.zeros((30, 30, 30), bool)
    z, y, x = np.indices(ball.shape)
    ball[(z - 15) ** 2 + (y - 15) ** 2 + (x - 15) ** 2 < 90] = True
    masks = RegionMasks.from_arrays({"heart": ball}, volume, segmenter="test")
    sizes = {"image_size": (8, 8, 8), "texture_size": (8, 8, 8), "mask_size": (8, 8, 8)}
    plain = prepare(volume, masks, PreprocessingConfig(**sizes)).textures["heart"]
    inside = prepare(volume, masks, PreprocessingConfig(**sizes, inside_only=True)).textures["heart"]
    expected = (100 + 400) / 600
    assert torch.all((inside == -1) | torch.isclose(inside, torch.tensor(expected), atol=1e-5))
    assert ((plain > -0.99) & (plain < expected - 0.05)).any(), "plain area averages mix in the background"


def test_a_margin_shows_the_surroundings_of_a_region_up_to_its_distance() -> None:
    volume = sitk.GetImageFromArray(np.full((40, 40, 40), 0, np.int16))
    layer = np.zeros((40, 40, 40), bool)
    layer[:, :4], layer[:, 36:] = True, True
    masks = RegionMasks.from_arrays({"pleura": layer}, volume, segmenter="test")
    sizes = {"image_size": (8, 8, 8), "texture_size": (10, 10, 10), "mask_size": (8, 8, 8)}
    config = PreprocessingConfig(**sizes, inside_only=True, margins_mm={"pleura": 8.0})
    shown = prepare(volume, masks, config).textures["pleura"][5, :, 5] > -1
    assert shown.tolist() == [True, True, True, False, False, False, False, True, True, True]
    without = prepare(volume, masks, PreprocessingConfig(**sizes, inside_only=True)).textures["pleura"]
    assert (without[5, :, 5] > -1).sum() == 2


def test_unusable_regions_are_skipped_with_a_reason() -> None:
    volume = sitk.GetImageFromArray(np.full((20, 20, 20), -1024, np.int16))
    volume[0:10, 0:20, 0:20] = 0
    air, tissue = np.zeros((20, 20, 20), bool), np.zeros((20, 20, 20), bool)
    air[:, :, 15:], tissue[:, :, :5] = True, True
    arrays = {"lung": air, "heart": tissue, "bone": np.zeros_like(air)}
    masks = RegionMasks.from_arrays(arrays, volume, segmenter="test")
    ours = prepare(volume, masks, CONFIG)
    assert tuple(ours.textures) == ("heart",)
    assert "-1000 HU" in ours.skipped["lung"] and "not found" in ours.skipped["bone"]
    assert tuple(prepare(volume, masks, CONFIG, ["heart"]).textures) == ("heart",)
    with pytest.raises(InputError, match="No region can be described"):
        prepare(volume, masks, CONFIG, ["lung"])
    with pytest.raises(InputError, match="above -1000 HU"):
        prepare(volume * 0 - 1024, masks, CONFIG)


def test_a_crop_cuts_other_arrays_where_the_texture_was_cut(phantom: PhantomCase, inputs: ModelInputs) -> None:
    masked = sitk.GetArrayFromImage(phantom.masks.image("heart")).astype(bool)
    crop = inputs.crops["heart"].cut(masked)
    assert crop.sum() == masked.sum() and all(crop.any(axis=tuple({0, 1, 2} - {a})).all() for a in range(3))


def test_hu_map_to_the_unit_range_and_back() -> None:
    hu = np.array([-2000.0, -1000.0, -400.0, 200.0, 3000.0])
    for values in (hu, torch.from_numpy(hu)):
        unit = hu_to_unit(values, CONFIG)
        assert unit.tolist() == [-1, -1, 0, 1, 1]
        assert unit_to_hu(unit, CONFIG).tolist() == [-1000, -1000, -400, 200, 200]

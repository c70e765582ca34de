"""Values are judged by their distribution: a chest has lung in a body of fat and muscle, whatever its extremes are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from reg2rg.errors import InputError
from reg2rg.phantom import make_phantom
from reg2rg.volumes import checks, read_volume

Change = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def chest() -> sitk.Image:
    return make_phantom(104).volume


def write(folder: Path, hu: np.ndarray, like: sitk.Image) -> Path:
    image = sitk.GetImageFromArray(hu)
    image.CopyInformation(like)
    sitk.WriteImage(image, str(folder / "ct.nrrd"))
    return folder / "ct.nrrd"


def noise(hu: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1000, 1000, hu.shape).astype(np.float32)


def bell_noise(hu: np.ndarray) -> np.ndarray:
    return np.random.default_rng(0).normal(-300, 500, hu.shape).astype(np.float32)


def smooth_noise(hu: np.ndarray) -> np.ndarray:
    field = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=hu.shape), 4)
    return (400 * field / field.std()).astype(np.float32)


def without_lungs(hu: np.ndarray) -> np.ndarray:
    labels, _ = ndimage.label(hu > -400)
    body = labels == 1 + np.bincount(labels.ravel())[1:].argmax()
    filled = np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(piece, iterations=5)) for piece in body])
    return np.where(filled & (hu < -200), 40 + hu % 50, hu).astype(hu.dtype)


REFUSED: dict[str, Change] = {
    "no rescale intercept": lambda hu: hu + 1024,
    "no rescale intercept, unsigned": lambda hu: (hu.clip(-1024) + 1024).astype(np.uint16),
    "negative values wrapped around": lambda hu: hu.astype(np.uint16),
    "rescale intercept applied twice": lambda hu: hu - 1024,
    "rescale slope of 2": lambda hu: 2 * hu,
    "rescale slope of 1/2": lambda hu: hu // 2,
    "scaled to 0 to 1": lambda hu: ((hu + 1024) / 4000).astype(np.float32),
    "scaled to a byte": lambda hu: ((hu + 1024) / 16).clip(0, 255).astype(np.uint8),
    "inverted": lambda hu: -hu,
    "like MR": lambda hu: np.abs(hu) // 2,
    "noise": noise,
    "bell-shaped noise": bell_noise,
    "smooth noise": smooth_noise,
    "body without lungs": without_lungs,
    "lungs only": lambda hu: np.where((hu < -600) & (hu > -980), hu, -1024).astype(hu.dtype),
    "lungs on a background of 0": lambda hu: np.where((hu < -600) & (hu > -980), hu, 0).astype(hu.dtype),
    "label map": lambda hu: (hu > -300).astype(np.uint8),
    "air": lambda hu: (-1000 + np.random.default_rng(0).normal(0, 10, hu.shape)).astype(np.int16),
    "water": lambda hu: np.random.default_rng(0).normal(0, 10, hu.shape).astype(np.int16),
}


@pytest.mark.parametrize("case", REFUSED)
def test_values_that_are_not_those_of_a_chest_in_hu_are_refused(tmp_path: Path, chest: sitk.Image, case: str) -> None:
    hu = sitk.GetArrayFromImage(chest).astype(np.int16)
    with pytest.raises(InputError, match="is not a chest CT in HU"):
        read_volume(write(tmp_path, REFUSED[case](hu), chest))


def with_metal(hu: np.ndarray) -> np.ndarray:
    changed = hu.astype(np.float32)
    changed[40, 60, 60:62] = 65535
    return changed


def with_noise(hu: np.ndarray) -> np.ndarray:
    return (hu + np.random.default_rng(0).normal(0, 60, hu.shape)).astype(np.int16)


def with_round_field_of_view(hu: np.ndarray) -> np.ndarray:
    y, x = np.indices(hu.shape[1:]) - np.array(hu.shape[1:])[:, None, None] / 2
    return np.where(np.hypot(y, x) < hu.shape[1] / 2, hu, -3024).astype(np.int16)


ACCEPTED: dict[str, Change] = {
    "as it is": lambda hu: hu,
    "two voxels of metal": with_metal,
    "much noise": with_noise,
    "round field of view": with_round_field_of_view,
    "cropped to the chest": lambda hu: hu[:, 24:-24, 24:-24],
    "lower half": lambda hu: hu[: len(hu) // 2],
    "every fourth voxel": lambda hu: hu[::2, ::4, ::4],
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_chests_with_artifacts_noise_or_parts_missing_are_read(tmp_path: Path, chest: sitk.Image, case: str) -> None:
    hu = sitk.GetArrayFromImage(chest).astype(np.int16)
    image = sitk.GetImageFromArray(ACCEPTED[case](hu))
    image.SetSpacing([s * n / m for s, n, m in zip(chest.GetSpacing(), chest.GetSize(), image.GetSize(), strict=True)])
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    read = sitk.GetArrayFromImage(read_volume(tmp_path / "ct.nrrd"))
    assert read.min() >= checks.LOWEST_HU and read.max() <= checks.HIGHEST_HU


@pytest.mark.parametrize("spacing", [(3, 3, 30), (0.003, 0.003, 0.004), (300, 300, 400), (0.01, 3, 3)])
def test_sizes_that_are_not_those_of_a_chest_in_mm_are_refused(tmp_path: Path, chest: sitk.Image, spacing) -> None:
    image = sitk.Image(chest)
    image.SetSpacing(spacing)
    sitk.WriteImage(image, str(tmp_path / "ct.nrrd"))
    with pytest.raises(InputError, match="expected (the size of a chest|at most 20 mm)"):
        read_volume(tmp_path / "ct.nrrd")


def test_volumes_too_large_to_be_processed_are_refused(tmp_path: Path, chest: sitk.Image, monkeypatch) -> None:
    monkeypatch.setattr(checks, "MAXIMUM_VOXELS", chest.GetNumberOfPixels() - 1)
    sitk.WriteImage(chest, str(tmp_path / "ct.nrrd"))
    with pytest.raises(InputError, match="thicker slices"):
        read_volume(tmp_path / "ct.nrrd")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["01", "02", "07", "08", "09", "16", "17", "18"])
def test_real_scans_of_many_kinds_are_read(shared: Path, name: str) -> None:
    read_volume(shared / f"data/real/{name}.nii.gz")


@pytest.mark.parametrize("seed", range(0, 60, 12))
def test_phantoms_are_read(tmp_path: Path, seed: int) -> None:
    sitk.WriteImage(make_phantom(seed).volume, str(tmp_path / "ct.nrrd"))
    read_volume(tmp_path / "ct.nrrd")

"""The benchmark of feature distances tells volumes apart that differ, and explains by what."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from tiny_model import tiny_model

from reg2rg.checkpoints import ModelFolder
from reg2rg.phantom import PhantomConfig, make_phantom


@pytest.fixture
def benchmark(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the benchmark, Testing/Benchmarks/feature_distance.py."""
    monkeypatch.syspath_prepend(repository / "Testing" / "Benchmarks")
    import feature_distance

    return feature_distance


def test_the_frechet_distance_of_normal_samples_is_the_known_one(benchmark) -> None:
    first = torch.randn(20_000, 3, generator=torch.Generator().manual_seed(0))
    assert benchmark.frechet(first, first) == pytest.approx(0, abs=1e-6)
    shifted = 2 * first + torch.tensor([3.0, 0.0, 0.0])
    assert benchmark.frechet(first, shifted) == pytest.approx((9 + 3 * (2 - 1) ** 2) / 3, rel=0.05)


def test_noise_and_texture_of_an_image_are_measured(benchmark) -> None:
    rng = np.random.default_rng(0)
    inside = np.ones((24, 24, 24), bool)
    noisy, striped = rng.normal(0, 20, inside.shape), np.zeros(inside.shape)
    striped[:12] = 500
    of_noise, of_stripes = (benchmark.region_statistics("heart", hu, inside, (1, 1, 1)) for hu in (noisy, striped))
    assert of_noise["texture: median spread over 3 voxels, HU"] == pytest.approx(20, rel=0.1)
    assert of_stripes["noise: least spread over 3 voxels, HU"] == 0
    assert of_noise["correlation length, mm"] < 1 < of_stripes["correlation length, mm"]
    assert of_stripes["edges: steepest 5%, HU/mm"] == 250


def test_layers_are_those_of_the_embedded_model(benchmark, repository: Path) -> None:
    model = ModelFolder.open(repository / "Resources/Models/phantom").load("cpu")
    with torch.inference_mode():
        found = benchmark.layers(model, torch.zeros(16, 24, 32))
    shapes = {"stem, 1/2": (24, 8, 12, 16), "stem, 1/4": (64, 4, 6, 8), "tokens": (192, 2, 3, 4)}
    assert {layer: tuple(values.shape) for layer, values in found.items()} == shapes


def test_a_volume_is_measured_in_each_region_and_as_a_whole(benchmark) -> None:
    case = make_phantom(0, PhantomConfig(size=(48, 48, 40)))
    sample = benchmark.measure(
        tiny_model(trained=False), case.volume, case.masks, benchmark.body_statistics(case.volume)
    )
    assert {region for region, _ in sample.features} == {*case.masks.present, "body"}
    assert {tuple(values.shape) for values in sample.features.values()} == {(benchmark.PLACES, 24)}
    statistics = sample.statistics
    assert statistics["lung", "HU, 50th percentile"] < -700 < 20 < statistics["heart", "HU, 50th percentile"]
    assert 250 < statistics["body", "median width, mm"] < 400 and 10 < statistics["body", "fat, % of tissue"] < 60
    assert statistics["body", "table, ml per cm"] > 1


def test_the_tables_show_which_region_differs(benchmark) -> None:
    rng = torch.Generator().manual_seed(0)

    def sample(shift: float) -> object:
        features = {(region, "tokens"): torch.randn(200, 6, generator=rng) for region in ("heart", "lung")}
        features["lung", "tokens"] += shift
        return benchmark.Sample(features, {("lung", "HU"): 100 * shift + float(torch.randn(1, generator=rng))})

    phantoms, real = [sample(0) for _ in range(12)], [sample(2) for _ in range(4)]
    heart, lung, _ = benchmark.distance_table(phantoms, real).rows
    assert lung[5] > 20 > 2 > heart[5], "relative to phantoms among themselves"
    assert lung[6] > lung[7] and heart[6] < heart[7], "beyond the limit for phantoms"
    ((_, _, ours, _, theirs, _, difference),) = benchmark.statistics_table(phantoms, real).rows
    assert theirs - ours == pytest.approx(200, abs=2) and difference > 50

"""Windows around findings: what a stage of vision may look at instead of whole regions."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from reg2rg.models.config import ModelConfig
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.patches import finding_windows, window
from reg2rg.training.samples import RegionSample, TrainingCase

SIZE = (16, 16, 16)


@pytest.fixture(scope="module")
def case(smoke_config: ModelConfig) -> TrainingCase:
    """An enriched phantom with several findings."""
    case = PhantomSource(("3+",), ()).make("3+", smoke_config)
    assert sum(len(shown(sample)) for sample in case.regions) >= 4
    return case


def shown(sample: RegionSample) -> set[int]:
    """Labels in the cells of a sample."""
    return {int(label) - 1 for label in np.unique(sample.cells) if label}


def asserted(sample: RegionSample) -> set[int]:
    return set(np.flatnonzero(sample.labels == 1).tolist())


def test_every_finding_has_a_window_that_shows_and_asserts_it(case: TrainingCase):
    windows = finding_windows([case], SIZE, random.Random(0))
    for sample in case.regions:
        own = [w for w in windows if w.region == sample.region]
        assert shown(sample) <= set().union(*(asserted(w) for w in own), set())
    for w in windows:
        assert asserted(w) == shown(w)


def test_a_window_is_a_part_of_its_region_cells_under_voxels(case: TrainingCase):
    for number, w in enumerate(finding_windows([case], SIZE, random.Random(1))):
        (sample,) = (sample for sample in case.regions if sample.region == w.region)
        assert all(
            n == min(size, whole) for n, size, whole in zip(w.texture.shape, SIZE, sample.texture.shape, strict=True)
        )
        assert places(sample.texture, w.texture) & {
            tuple(2 * at for at in place) for place in places(sample.cells, w.cells)
        }, f"window {number}"


def places(whole: np.ndarray, part: np.ndarray) -> set[tuple[int, ...]]:
    """Where a part lies in the whole, all places where it might."""
    views = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
    return set(map(tuple, np.argwhere((views == part).all(axis=(3, 4, 5)))))


def test_a_window_says_nothing_of_side_level_and_size(case: TrainingCase):
    for w in finding_windows([case], SIZE, random.Random(2)):
        assert (w.sides == -1).all() and (w.levels == -1).all() and np.isnan(w.sizes).all()


def test_windows_without_a_finding_are_among_them_and_assert_nothing(case: TrainingCase):
    windows = [w for seed in range(8) for w in finding_windows([case], SIZE, random.Random(seed))]
    empty = [w for w in windows if not shown(w)]
    assert empty and not any(asserted(w) for w in empty)


def test_any_cell_can_be_asked_for_at_the_edges_too(case: TrainingCase):
    sample = case.regions[0]
    for cell in ((0, 0, 0), tuple(n - 1 for n in sample.cells.shape)):
        cut = window(sample, cell, SIZE, random.Random(0))
        assert cut.texture.shape == tuple(min(n, size) for n, size in zip(sample.texture.shape, SIZE, strict=True))


def test_regions_without_finding_masks_have_no_windows(case: TrainingCase):
    bare = dataclasses.replace(case, regions=tuple(dataclasses.replace(s, cells=None) for s in case.regions))
    assert finding_windows([bare], SIZE, random.Random(0)) == []

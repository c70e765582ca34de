"""Patches around findings, which a vision stage can train on instead of whole regions."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from reg2rg.models.config import ModelConfig
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.patches import extract_patch, finding_patches
from reg2rg.training.samples import RegionSample, TrainingCase

SIZE = (16, 16, 16)


@pytest.fixture(scope="module")
def case(smoke_config: ModelConfig) -> TrainingCase:
    """Return an enriched phantom with several findings."""
    case = PhantomSource(("3+",), ()).make("3+", smoke_config)
    assert sum(len(shown(sample)) for sample in case.regions) >= 4
    return case


def shown(sample: RegionSample) -> set[int]:
    """Return the labels in the cells of a sample."""
    return {int(label) - 1 for label in np.unique(sample.cells) if label}


def asserted(sample: RegionSample) -> set[int]:
    return set(np.flatnonzero(sample.labels == 1).tolist())


def test_every_finding_has_a_patch_that_shows_and_asserts_it(case: TrainingCase):
    patches = finding_patches([case], SIZE, random.Random(0))
    for sample in case.regions:
        own = [patch for patch in patches if patch.region == sample.region]
        assert shown(sample) <= set().union(*(asserted(patch) for patch in own), set())
    for patch in patches:
        assert asserted(patch) == shown(patch)


def test_a_patch_is_a_part_of_its_region_with_the_matching_cells(case: TrainingCase):
    for number, patch in enumerate(finding_patches([case], SIZE, random.Random(1))):
        (sample,) = (sample for sample in case.regions if sample.region == patch.region)
        assert patch.texture.shape == tuple(np.minimum(SIZE, sample.texture.shape))
        cell_offsets = {tuple(2 * i for i in offset) for offset in offsets(sample.cells, patch.cells)}
        assert offsets(sample.texture, patch.texture) & cell_offsets, f"patch {number}"


def offsets(whole: np.ndarray, part: np.ndarray) -> set[tuple[int, ...]]:
    """Return all offsets at which the whole equals the part."""
    views = np.lib.stride_tricks.sliding_window_view(whole, part.shape)
    return set(map(tuple, np.argwhere((views == part).all(axis=(3, 4, 5)))))


def test_side_level_and_size_are_unknown_in_a_patch(case: TrainingCase):
    for patch in finding_patches([case], SIZE, random.Random(2)):
        assert (patch.sides == -1).all() and (patch.levels == -1).all() and np.isnan(patch.sizes).all()


def test_some_patches_show_no_finding_and_assert_none(case: TrainingCase):
    patches = [patch for seed in range(8) for patch in finding_patches([case], SIZE, random.Random(seed))]
    empty = [patch for patch in patches if not shown(patch)]
    assert empty and not any(asserted(patch) for patch in empty)


def test_a_patch_can_be_extracted_at_the_edges(case: TrainingCase):
    sample = case.regions[0]
    for cell in ((0, 0, 0), tuple(n - 1 for n in sample.cells.shape)):
        patch = extract_patch(sample, cell, SIZE, random.Random(0))
        assert patch.texture.shape == tuple(min(n, size) for n, size in zip(sample.texture.shape, SIZE, strict=True))


def test_regions_without_finding_masks_have_no_patches(case: TrainingCase):
    without_masks = tuple(dataclasses.replace(sample, cells=None) for sample in case.regions)
    case = dataclasses.replace(case, regions=without_masks)
    assert finding_patches([case], SIZE, random.Random(0)) == []

"""The embedded model is whole, small, honest about itself, and sees something on phantoms it was not trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reg2rg import DRAFT_LABEL
from reg2rg.generation import Writer
from reg2rg.models import find_model
from reg2rg.models.checkpoints import load_model, verify_model
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.preprocessing import prepare
from reg2rg.resources import sample_case
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.training.phantom_model import TEST_SEEDS
from reg2rg.training.quality import Quality, measure_quality
from reg2rg.volumes import read_volume

SEEDS = range(9_600_000, 9_600_012)


@pytest.fixture(scope="module")
def folder() -> Path:
    return find_model("phantom")


@pytest.fixture(scope="module")
def model(folder: Path) -> Reg2RG:
    return load_model(folder)


@pytest.fixture(scope="module")
def quality(model: Reg2RG) -> Quality:
    assert not set(SEEDS) & set(TEST_SEEDS)
    return measure_quality(model, SEEDS)


def test_its_files_are_whole_and_take_at_most_20_mb(folder: Path):
    verify_model(folder)
    assert sum(file.stat().st_size for file in folder.iterdir()) < 20e6


def test_its_card_says_what_it_is_not(folder: Path):
    card = (folder / "MODEL_CARD.md").read_text()
    assert "trained on synthetic phantoms only" in card and DRAFT_LABEL in card
    assert "region recognised" in card and "finding F1" in card


def test_it_recognises_the_regions(quality: Quality):
    assert quality.total.recognised >= 0.95 * quality.total.sections


def test_it_finds_what_always_saying_normal_would_not(quality: Quality):
    assert quality.total.f1 > 0.4
    assert quality.total.distinct_texts > 30


def test_it_writes_about_the_sample_case(model: Reg2RG):
    ct, regions = sample_case()
    volume = read_volume(ct)
    inputs = prepare(volume, LabelMapSegmenter(regions).segment(volume), model.config.preprocessing)
    sections = Writer(model).write(inputs)
    assert len(sections) == 10 and all(section.complete and section.text for section in sections)
    assert all(section.recognised == section.region for section in sections)


def test_it_writes_the_same_every_time(model: Reg2RG):
    ct, regions = sample_case()
    volume = read_volume(ct)
    inputs = prepare(volume, LabelMapSegmenter(regions).segment(volume), model.config.preprocessing, ["heart", "lung"])
    first = Writer(model).write(inputs)
    torch.manual_seed(123)
    assert [section.text for section in Writer(model).write(inputs)] == [section.text for section in first]

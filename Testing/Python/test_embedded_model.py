"""The embedded model: its files, its model card, and its reports on phantoms that it was not trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reg2rg import DRAFT_LABEL
from reg2rg.benchmark import BenchmarkResults
from reg2rg.benchmark.agreement import check_agreement
from reg2rg.benchmark.collect import TEST_SEEDS, held_out_phantom, load_generator
from reg2rg.benchmark.examine import examine_phantom
from reg2rg.benchmark.model_card import read_stored_metrics
from reg2rg.checkpoints import ModelFolder
from reg2rg.evaluation import to_markdown
from reg2rg.hub import find_model
from reg2rg.inference import ReportGenerator
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.preprocessing import prepare
from reg2rg.runtime.resources import sample_case
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.volumes import read_volume

SEEDS = range(9_600_000, 9_600_016)
"""Seeds of phantoms that the metrics in the model card do not include."""


@pytest.fixture(scope="module")
def folder() -> Path:
    return find_model("phantom")


@pytest.fixture(scope="module")
def model(folder: Path) -> Reg2RG:
    return ModelFolder.open(folder).load()


@pytest.fixture(scope="module")
def results(folder: Path) -> BenchmarkResults:
    assert not set(SEEDS) & set(TEST_SEEDS)
    generator, settings = load_generator(folder)
    return BenchmarkResults(tuple(examine_phantom(generator, settings, held_out_phantom(seed)) for seed in SEEDS))


def test_the_files_are_intact_and_take_at_most_30_mb(folder: Path):
    ModelFolder.open(folder).verify()
    assert sum(file.stat().st_size for file in folder.iterdir()) <= 30e6


def test_the_model_card_states_its_limits_and_was_measured_on_these_weights(folder: Path):
    card = (folder / "MODEL_CARD.md").read_text()
    assert "findings that this model was trained on are synthetic" in card and DRAFT_LABEL in card
    stored = read_stored_metrics(folder)
    assert stored["cases"] >= 200
    for table in ("Findings", "Findings by size", "Pointing", "Template collapse", "Real CTs", "Before and after"):
        assert f"## {table}\n" in card


@pytest.mark.slow
def test_results_on_other_phantoms_agree_with_the_model_card(folder: Path, results: BenchmarkResults):
    table, agrees = check_agreement(read_stored_metrics(folder), results.to_json_dict())
    assert agrees, to_markdown(table)


def test_every_section_of_the_sample_case_is_complete_and_grounded(model: Reg2RG):
    ct, regions = sample_case()
    volume = read_volume(ct)
    inputs = prepare(volume, LabelMapSegmenter(regions).segment(volume), model.config.preprocessing)
    sections = ReportGenerator(model).generate(inputs)
    assert len(sections) == 10 and all(section.complete and section.text for section in sections)
    assert all(section.recognized == section.region for section in sections)


def test_generation_is_deterministic(model: Reg2RG):
    ct, regions = sample_case()
    volume = read_volume(ct)
    inputs = prepare(volume, LabelMapSegmenter(regions).segment(volume), model.config.preprocessing, ["heart", "lung"])
    first = ReportGenerator(model).generate(inputs)
    torch.manual_seed(123)
    assert [section.text for section in ReportGenerator(model).generate(inputs)] == [section.text for section in first]

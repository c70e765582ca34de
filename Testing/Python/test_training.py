"""The training code learns, from cases that say what they show; held-out phantoms stay held out."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from tiny_model import tiny_model

from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.phantom import FINDINGS, make_phantom, sample
from reg2rg.phantom.kinds import Finding
from reg2rg.regions import REGION_NAMES
from reg2rg.training import cases as cases_module
from reg2rg.training.cases import LEVELS, SIDES, prepare_case
from reg2rg.training.phantom_model import TEST_SEEDS
from reg2rg.training.presets import phantom_config
from reg2rg.training.quality import Counts, Quality, measure_quality
from reg2rg.training.recipe import Recipe, new_heads, train_text, train_vision
from reg2rg.training.texts import IGNORED, collate_texts, packed_text
from reg2rg.training.tokenizers import train_tokenizer


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return phantom_config(1000)


def test_a_case_says_of_each_region_what_was_planted_in_it(config):
    phantom, case = make_phantom(3), prepare_case(3, config)
    assert [REGION_NAMES[s.region] for s in case.regions] == list(phantom.masks.present)
    for region in case.regions:
        planted = [f for f in phantom.findings if f.region == REGION_NAMES[region.region]]
        assert {FINDINGS[i] for i in np.flatnonzero(region.findings)} == {f.label for f in planted}
        assert set(region.tokens) - {0} <= {1 + FINDINGS.index(f.label) for f in planted}
        assert bool(planted) == bool((region.tokens > 0).any())
        assert region.text == phantom.sections[REGION_NAMES[region.region]]


@pytest.mark.parametrize(("side", "half"), [("right", slice(4, 8)), ("left", slice(0, 4))])
def test_labels_of_tokens_lie_where_the_finding_is(config, monkeypatch, side, half):
    finding = Finding("Pleural effusion", "pleura", side, None, 60.0)
    monkeypatch.setattr(cases_module, "make_phantom", lambda seed: make_phantom(seed, findings=[finding]))
    (pleura,) = (r for r in prepare_case(0, config).regions if REGION_NAMES[r.region] == "pleura")
    grid = (pleura.tokens > 0).reshape(8, 6, 6)  # right-left axis first, growing to the right
    assert grid[half].sum() > 0.9 * grid.sum() > 0
    assert (SIDES[pleura.side], LEVELS[pleura.level]) == (side, None)


SECTIONS = [("lung", "The lungs are clear."), ("heart", "No nodule is seen.")]


def learned_texts(model: Reg2RG, sections) -> list[str]:
    """What is learned in each text: the words after its last token that is not."""
    packed = packed_text(model, sections)
    texts, words = [], []
    for label in [*packed.labels, IGNORED]:
        if label != IGNORED:
            words.append(label)
        elif words:
            texts.append(model.tokenizer.decode(words))
            words = []
    return texts


@pytest.mark.parametrize("parallel", [False, True])
def test_only_the_report_is_learned_not_the_prompt(parallel):
    model = tiny_model(slots=2, taught=False)
    model.config = dataclasses.replace(model.config, parallel=parallel)
    end = model.tokenizer.eos_token
    if parallel:
        assert [t.split() for t in learned_texts(model, SECTIONS)] == [
            f"lung: {SECTIONS[0][1]} {end}".split(), f"heart: {SECTIONS[1][1]} {end}".split()
        ]  # fmt: skip
    else:
        (text,) = learned_texts(model, SECTIONS)
        whole = f"The region 0 is lung: {SECTIONS[0][1]} The region 1 is heart: {SECTIONS[1][1]} {end}"
        assert text.split() == whole.split()


def test_texts_are_taught_as_they_are_written():
    """The logits that teach a section are those that writing it gives: alone behind its prompt, whatever is beside."""
    model = tiny_model(slots=2, taught=False)
    model.config = dataclasses.replace(model.config, parallel=True)
    features = PromptFeatures(torch.randn(2, 32), torch.randn(2, 3, 32))
    texts = collate_texts([packed_text(model, SECTIONS), packed_text(model, SECTIONS[:1])])
    with torch.inference_mode():
        taught = model(texts.ids, [features, features], texts.attention_mask, None, texts.positions).logits
        packed = packed_text(model, SECTIONS)
        for slot in range(2):
            own = [i for i, bits in enumerate(packed.texts) if bits & (1 << slot)]
            alone = model(torch.tensor([packed.ids])[:, own], [features]).logits[0]
            torch.testing.assert_close(taught[0, own], alone, rtol=1e-4, atol=1e-4)


def test_both_stages_learn():
    config = phantom_config(0)
    cases = [prepare_case(seed, config) for seed in range(2)]
    tokenizer = train_tokenizer([f"The region 0 is {r.text}" for case in cases for r in case.regions], 400)
    torch.manual_seed(0)
    model = Reg2RG(phantom_config(len(tokenizer)))
    model.tokenizer = tokenizer
    heads, told = new_heads(model), []
    recipe = Recipe(vision_steps=6, text_steps=12, batch_cases=1, warmup_steps=1)
    frozen = None
    for stage in (train_vision, train_text):
        before = _losses(model, heads, cases, stage)
        stage(model, heads, cases, recipe, told.append)
        assert _losses(model, heads, cases, stage) < 0.9 * before, stage.__name__
        now = model.embedding_layer.vision_encoder.state_dict()["to_patch_embedding.1.weight"].clone()
        assert frozen is None or torch.equal(frozen, now), "the second stage leaves the vision transformer as it is"
        frozen = now
    assert any("vision step 6/6" in line for line in told)


def _losses(model, heads, cases, stage) -> float:
    """The first loss that a stage reports, without training."""
    told: list[str] = []
    recipe = Recipe(vision_steps=1, text_steps=1, batch_cases=2, vision_rate=0.0, text_rate=0.0, warmup_steps=1)
    stage(model, heads, cases, recipe, told.append)
    losses = told[0].split(": ")[1].split(" (")[0].split(", ")
    return sum(float(part.split()[1]) for part in losses)


def test_test_phantoms_and_the_sample_are_never_trained_on():
    training = range(2000)
    assert not set(training) & set(TEST_SEEDS)
    assert sample.SEED not in training and sample.SEED not in TEST_SEEDS


def test_quality_of_a_model_that_always_writes_the_same_is_what_it_should_be():
    model = tiny_model()
    quality = measure_quality(model, range(9_700_000, 9_700_002))
    sections = quality.total.sections
    assert quality.total.recognised == 2, "it calls every region the lung; there are two cases"
    assert quality.total.f1 == 0.0 and quality.total.false_negative > 0
    assert sections >= 18 and quality.total.distinct_texts == 1
    assert f"| sections | {sections} |" in quality.table()


def test_scores_are_computed_from_counts():
    counts = Counts(true_positive=6, false_positive=2, false_negative=4)
    assert (counts.precision, counts.recall, counts.f1) == (0.75, 0.6, 12 / 18)
    assert Counts().f1 == 0.0
    assert "| Lung nodule | 10 | 0.75 | 0.60 | 0.67 |" in Quality(counts, {"Lung nodule": counts}).table()

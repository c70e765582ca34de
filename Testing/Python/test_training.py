"""What a stage trains, on what, and what is fitted behind it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_model import tiny_config, tiny_model
from torch.testing import assert_close

from reg2rg.errors import InputError
from reg2rg.labeler import ALL_LABELS
from reg2rg.models.config import LoraSettings, ModelConfig
from reg2rg.models.ood_detector import UNFITTED_DISTANCE
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.training import feature_cache as kept_module
from reg2rg.training import losses
from reg2rg.training import module as learner_module
from reg2rg.training.calibration import calibrate, fit_temperature
from reg2rg.training.case_cache import CaseStore
from reg2rg.training.collation import IGNORED, collate_texts, packed_text
from reg2rg.training.config import ModelSource, PhantomData, Stage, TrainingConfig, read_config
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.feature_cache import KeptStore
from reg2rg.training.initialization import fresh_model, switched, take_weights
from reg2rg.training.losses import (
    PREDICTED_CUES,
    TRUE_CUES,
    exchanged,
    kept_vision,
    mixed_cues,
    text_losses,
    true_cues,
)
from reg2rg.training.module import Learner, shuffled, trained_parameters
from reg2rg.training.run import make_tokenizer
from reg2rg.training.samples import TrainingCase

SECTIONS = [("lung", "The lungs are clear."), ("heart", "No nodule is seen.")]
VISION, TEXT = Stage("vision", steps=1), Stage("text", steps=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Models this small gain nothing from a second thread, and lose much where others want the core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def training(repository: Path) -> TrainingConfig:
    """The smoke training, prepared in this process."""
    return dataclasses.replace(read_config(repository / "Resources/Training/smoke.yaml"), workers=0)


@pytest.fixture(scope="module")
def store(smoke_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> CaseStore:
    """Two training cases and a validation case."""
    return CaseStore(PhantomSource.of(PhantomData("phantoms", 2, 1)), smoke_config, tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="module")
def tokenizer(store: CaseStore, training: TrainingConfig):
    return make_tokenizer(store, training)


@pytest.fixture
def model(smoke_config: ModelConfig, tokenizer) -> Reg2RG:
    return fresh_model(smoke_config, ModelSource(architecture={}), tokenizer, seed=0).eval()


def add_lora(config: ModelConfig) -> ModelConfig:
    return dataclasses.replace(config, language=dataclasses.replace(config.language, lora=LoraSettings(rank=2)))


def step(learner: Learner, cases: list[int]) -> float:
    """One step of gradient descent; the loss before it."""
    learner.train()
    loss = sum(learner(torch.tensor(cases)).values())
    loss.backward()
    with torch.no_grad():
        for parameter in learner.trained().values():
            if parameter.grad is not None:
                parameter -= 0.05 * parameter.grad
                parameter.grad = None
    return loss.item()


def parts(names: set[str]) -> set[str]:
    """The parts of the model that parameters belong to."""
    return {"lora" if ".lora_" in name else ".".join(name.split(".")[:2]) for name in names}


PUBLISHED = {"lora"} | {
    f"embedding_layer.{part}"
    for part in ("image_token_weight", "region_token_weight", "perceiver", "fc", "mask_encoder", "mask_fc")
}


def test_the_published_recipe_trains_what_the_published_one_trained():
    config = dataclasses.replace(tiny_config(100, 2), language=add_lora(tiny_config(100, 2)).language)
    trained = trained_parameters(Reg2RG(config), TEXT)
    assert parts(set(trained)) == PUBLISHED
    assert {name.split(".")[-4] for name in trained if ".lora_" in name} == {"q_proj", "v_proj"}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (VISION, {"embedding_layer.vision_encoder", "embedding_layer.finding_head"}),
        (TEXT, PUBLISHED | {"embedding_layer.cue_encoder"}),
        (
            dataclasses.replace(TEXT, frozen=False),
            PUBLISHED | {f"embedding_layer.{part}" for part in ("cues", "vision_encoder", "finding_head")},
        ),
    ],
)
def test_a_step_changes_what_its_stage_trains_and_nothing_else(
    stage: Stage, expected: set[str], smoke_config: ModelConfig, tokenizer, store: CaseStore, tmp_path: Path
):
    model = fresh_model(add_lora(smoke_config), ModelSource(architecture={}), tokenizer, seed=0)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    kept = KeptStore(model, store, tmp_path) if stage.kind == "text" and stage.frozen else None
    learner = Learner(model, stage, store, kept)
    for _ in range(3):  # LoRA's one half is zero, and so is the gradient of the other, before the first
        step(learner, [0])
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(before[name], parameter)}
    assert parts(changed) == expected


def test_a_language_model_without_lora_is_trained_whole(model: Reg2RG):
    trained = trained_parameters(model, TEXT)
    language = {name for name, _ in model.named_parameters() if name.startswith("lang_model.")}
    assert language <= set(trained)


def test_text_adds_the_losses_of_vision_only_where_it_teaches_vision(model: Reg2RG, store: CaseStore):
    case = torch.tensor([0])
    assert set(Learner(model, TEXT, store, None)(case)) == {"text"}
    thawed = Learner(model, dataclasses.replace(TEXT, frozen=False), store, None)
    assert set(thawed(case)) == {"text", "labels", "sides", "levels", "sizes", "map"}


def test_only_the_losses_that_a_stage_names_count(model: Reg2RG, store: CaseStore):
    learner = Learner(model, dataclasses.replace(VISION, losses=("map",)), store, None)
    assert set(learner(torch.tensor([0, 1]))) == {"map"}
    learner = Learner(model, dataclasses.replace(VISION, losses=("text",)), store, None)
    with pytest.raises(InputError, match="name text; these cases have labels"):
        learner(torch.tensor([0]))


def test_a_stage_may_learn_from_windows_of_its_regions(model: Reg2RG, store: CaseStore):
    learner = Learner(model, Stage("vision", steps=1, window=(16, 16, 16)), store, None)
    before = {name: value.detach().clone() for name, value in learner.trained().items()}
    step(learner, [0, 1])
    assert any(not torch.equal(before[name], value) for name, value in learner.trained().items())
    with pytest.raises(InputError, match="multiples of the patches"):
        Learner(model, Stage("vision", steps=1, window=(16, 16, 12)), store, None)


def test_regions_are_shuffled_with_all_that_belongs_to_them(model: Reg2RG, store: CaseStore):
    case = store[0]
    with torch.no_grad():
        kept = kept_vision(model, case)
    torch.manual_seed(1)
    mixed, seen = shuffled(case, kept)
    order = [sample.region for sample in mixed.regions]
    assert sorted(order) == sorted(sample.region for sample in case.regions) and order != sorted(order)
    for place, sample in enumerate(mixed.regions):
        index = case.regions.index(sample)
        assert seen.tokens[place] is kept.tokens[index]
        assert torch.equal(seen.cues.probability[place], kept.cues.probability[index])


def test_regions_come_in_another_order_in_each_step_of_training_and_in_their_own_else(
    model: Reg2RG, store: CaseStore, monkeypatch: pytest.MonkeyPatch
):
    orders: list[list[int]] = []

    def watched(model: Reg2RG, cases: list[TrainingCase], kept: list):
        orders.append([sample.region for sample in cases[0].regions])
        return text_losses(model, cases, kept)

    monkeypatch.setattr(learner_module, "text_losses", watched)
    learner = Learner(model, TEXT, store, None).train()
    with torch.no_grad():
        for _ in range(2):
            learner(torch.tensor([0]))
        learner.eval()(torch.tensor([0]))
    first, second, own = orders
    assert own == [sample.region for sample in store[0].regions] and len({*map(tuple, orders)}) == 3


def test_true_cues_say_what_the_text_says(model: Reg2RG, store: CaseStore):
    samples = store[0].regions
    with torch.no_grad():
        seen = kept_vision(model, store[0]).cues
    cues = true_cues(samples, seen)
    there = torch.from_numpy(np.stack([sample.labels for sample in samples])) == 1
    assert there.any() and torch.equal(cues.probability == 1, there) and not cues.probability[~there].any()
    for name, told in (("side", "sides"), ("level", "levels"), ("size_mm", "sizes")):
        expected = torch.from_numpy(np.stack([getattr(sample, told) for sample in samples]))
        known = there & ((expected > 0) if expected.dtype.is_floating_point else (expected >= 0))
        assert known.any() and torch.equal(getattr(cues, name)[known], expected[known])
    assert cues.priority[there].min() > cues.priority[~there].max(), "what is there is told before what is not"


def test_cues_from_output_a_text_are_true_or_predicted_or_silent(
    model: Reg2RG, store: CaseStore, monkeypatch: pytest.MonkeyPatch
):
    case, encoder = store[0], model.embedding_layer.cue_encoder
    with torch.no_grad():
        kept = kept_vision(model, case)
        seen, samples = kept.cues.select(slice(3)), case.regions[:3]
        mixed = mixed_cues(model, samples, seen, torch.tensor([0.1, TRUE_CUES + 0.1, TRUE_CUES + PREDICTED_CUES + 0.1]))
        assert_close(mixed[0], encoder(true_cues(samples, seen))[0])
        assert_close(mixed[1], encoder(seen)[1])
        assert_close(mixed[2], encoder.null_cues(1)[0])
        told = {}
        for shares in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
            for name, share in zip(("TRUE_CUES", "PREDICTED_CUES"), shares, strict=True):
                monkeypatch.setattr(losses, name, share)
            told[float(text_losses(model, [case], [kept])["text"])] = shares
    assert len(told) == 3, "the text is learned with them"


def test_an_exchanged_image_is_of_the_same_region_of_another_case(store: CaseStore):
    samples = [*store[0].regions, *store[1].regions]
    wanted = torch.arange(len(samples)) % 2 == 0
    for index, shown in enumerate(exchanged(samples, wanted).tolist()):
        alike = [i for i, sample in enumerate(samples) if sample.region == samples[index].region]
        assert samples[shown].region == samples[index].region
        assert (shown != index) == (bool(wanted[index]) and len(alike) > 1)


def test_the_text_of_an_exchanged_region_is_learned_from_the_other_image_and_its_own_cues(
    model: Reg2RG, store: CaseStore, monkeypatch: pytest.MonkeyPatch
):
    common = {sample.region for sample in store[0].regions} & {sample.region for sample in store[1].regions}
    cases = [
        dataclasses.replace(case, regions=tuple(s for s in case.regions if s.region in common))
        for case in (store[0], store[1])
    ]
    monkeypatch.setattr(losses, "TRUE_CUES", 1.0)
    with torch.no_grad():
        for weight in (p for p in model.causal_lm.parameters() if p.ndim == 2):
            weight *= 10  # a model that has learned nothing hardly looks at the image
        kept = [kept_vision(model, case) for case in cases]
        own = text_losses(model, cases, kept)["text"]
        monkeypatch.setattr(losses, "EXCHANGED", 1.0)
        exchanged_loss = text_losses(model, cases, kept)["text"]
        monkeypatch.setattr(losses, "EXCHANGED", 0.0)
        first, second = (
            dataclasses.replace(
                case,
                regions=tuple(
                    dataclasses.replace(mine, mask=theirs.mask)
                    for mine, theirs in zip(case.regions, other.regions, strict=True)
                ),
            )
            for case, other in (cases, cases[::-1])
        )
        swapped = [dataclasses.replace(b, image=a.image) for a, b in (kept, kept[::-1])]
        expected = text_losses(model, [first, second], swapped)["text"]
    assert_close(exchanged_loss, expected)
    assert not torch.allclose(exchanged_loss, own)


def test_frozen_vision_is_computed_once_a_case(
    model: Reg2RG, store: CaseStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    computed: list[TrainingCase] = []

    def counted(model: Reg2RG, case: TrainingCase):
        computed.append(case)
        return kept_vision(model, case)

    monkeypatch.setattr(kept_module, "kept_vision", counted)
    learner = Learner(model, TEXT, store, KeptStore(model, store, tmp_path))
    for _ in range(2):
        step(learner, [0, 1])
    again = KeptStore(model, store, tmp_path)
    assert len(computed) == 2 and again[0] and len(computed) == 2, "text leaves vision as it is"
    with torch.no_grad():
        expected = kept_vision(model, store[1])
    assert torch.equal(again[1].image, expected.image)
    assert all(torch.equal(a, b) for a, b in zip(again[1].tokens, expected.tokens, strict=True))
    assert_close(again[1].cues.probability, expected.cues.probability)
    with torch.no_grad():
        model.embedding_layer.vision_encoder.transformer.layers[0][0].norm.weight += 1
    assert KeptStore(model, store, tmp_path).folder != again.folder


def test_dropout_is_off_in_frozen_vision_alone(model: Reg2RG, store: CaseStore):
    learner = Learner(model, TEXT, store, None).train()
    encoder = learner.model.embedding_layer
    assert not encoder.vision_encoder.training and not encoder.finding_head.training and encoder.perceiver.training
    assert Learner(model, VISION, store, None).train().model.embedding_layer.vision_encoder.training


@pytest.mark.parametrize("cases", [1, 2])
def test_without_a_finding_head_vision_is_taught_by_the_text(cases: int, smoke_config: ModelConfig, tokenizer, store):
    model = fresh_model(smoke_config, ModelSource(architecture={}, findings=False), tokenizer, seed=0)
    learner = Learner(model, dataclasses.replace(TEXT, frozen=False), store, None)
    losses = [step(learner, list(range(cases))) for _ in range(6)]
    assert losses[-1] < losses[0] and model.embedding_layer.finding_head is None


def test_the_authors_files_are_taken_over(model: Reg2RG, smoke_config: ModelConfig, tokenizer, tmp_path: Path):
    encoder = model.embedding_layer
    torch.save(encoder.vision_encoder.state_dict(), tmp_path / "RadFM_vit3d.pth")
    fresh = fresh_model(smoke_config, ModelSource(architecture={}), tokenizer, seed=1)
    name = "transformer.layers.0.0.fn.to_qkv.weight"
    ours, theirs = (m.embedding_layer.vision_encoder.get_parameter(name) for m in (fresh, model))
    assert not torch.equal(ours, theirs)
    take_weights(fresh, [tmp_path / "RadFM_vit3d.pth"])
    assert torch.equal(ours, theirs)
    torch.save({name: torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="of shape \\(3, 3\\); the model has"):
        take_weights(fresh, [tmp_path / "other.pth"])


def test_a_switched_off_part_leaves_the_same_model_otherwise(smoke_config: ModelConfig, tokenizer):
    without = switched(smoke_config, ModelSource(architecture={}, cues=0))
    assert dataclasses.replace(without.findings, cues=2) == smoke_config.findings
    model = fresh_model(smoke_config, ModelSource(architecture={}, dense=False, cues=0), tokenizer, seed=0)
    assert model.embedding_layer.cue_encoder is None and model.embedding_layer.finding_head.finding_map is None


def test_the_temperature_makes_probabilities_as_often_right_as_they_say():
    torch.manual_seed(0)
    true = torch.randn(4000, 3)
    labels = (torch.rand(4000, 3) < true.sigmoid()).float()
    assert fit_temperature(3 * true, labels) == pytest.approx(3, rel=0.1)
    labels[:, 0] = torch.nan  # what nobody knows does not count
    logits = torch.cat([torch.randn(4000, 1) * 50, 3 * true[:, 1:]], dim=1)
    assert fit_temperature(logits, labels) == pytest.approx(3, rel=0.1)
    assert fit_temperature(true[:0], labels[:0]) == 1.0


def test_calibration_changes_probabilities_not_logits_and_knows_training_cases(model: Reg2RG, store: CaseStore):
    calibrate(model, store)
    assert model.config.findings.temperature == model.embedding_layer.finding_head.config.temperature != 1.0
    assert float(model.embedding_layer.ood_detector.validation_distances.nan_to_num().max()) < UNFITTED_DISTANCE


def test_the_head_tells_no_size_that_no_text_told_it(model: Reg2RG, store: CaseStore):
    assert "Emphysema" in model.config.findings.sized
    calibrate(model, store)
    sizes = torch.tensor(np.stack([sample.sizes for number in range(3) for sample in store[number].regions]))
    told = [label for label, each in zip(ALL_LABELS, (~sizes.isnan()).any(0), strict=True) if each]
    assert told and list(model.embedding_layer.finding_head.config.sized) == told
    assert model.config.findings.sized == tuple(told) and "Emphysema" not in told


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
def test_only_the_report_is_learned_not_the_prompt(parallel: bool):
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
            assert_close(taught[0, own], alone, rtol=1e-4, atol=1e-4)


def test_padding_is_as_long_as_the_longest_text_of_its_batch():
    model = tiny_model(slots=1, taught=False)
    short, long = packed_text(model, SECTIONS[:1]), packed_text(model, [("lung", SECTIONS[0][1] * 3)])
    assert collate_texts([short, long]).ids.shape[1] == len(long.ids) > len(short.ids)
    assert collate_texts([short]).ids.shape[1] == len(short.ids)

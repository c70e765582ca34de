"""What a stage trains, what it trains on, and what is fitted afterwards."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
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
from reg2rg.training import feature_cache, losses
from reg2rg.training import module as training_module
from reg2rg.training.calibration import MIN_ABSENT, HeadOutputs, calibrate, fit_temperature, supported_labels
from reg2rg.training.case_cache import CaseCache
from reg2rg.training.collation import IGNORED, collate_texts, pack_text
from reg2rg.training.config import CTS, ModelSource, PhantomData, Stage, TrainingConfig
from reg2rg.training.datasets import PhantomSource
from reg2rg.training.feature_cache import FeatureCache
from reg2rg.training.initialization import ablate, create_model, load_pretrained
from reg2rg.training.losses import (
    PREDICTED_CUE_SHARE,
    TRUE_CUE_SHARE,
    compute_features,
    mix_cues,
    swap_images,
    text_losses,
    true_cues,
    without_unknown,
)
from reg2rg.training.module import TrainingModule, select_parameters, shuffle_regions
from reg2rg.training.run import learn_tokenizer
from reg2rg.training.samples import TrainingCase
from reg2rg.training.trainer import StageTrainer

SECTIONS = [("lung", "The lungs are clear."), ("heart", "No nodule is seen.")]
VISION, TEXT = Stage("vision", steps=1), Stage("text", steps=1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Use one thread: models this small gain nothing from a second one, and lose much when cores are shared."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def cases(smoke_config: ModelConfig, tmp_path_factory: pytest.TempPathFactory) -> CaseCache:
    """Return two training cases and a validation case."""
    source = PhantomSource.from_config(PhantomData("phantoms", 2, 1))
    return CaseCache(source, smoke_config, tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="module")
def tokenizer(cases: CaseCache, training: TrainingConfig):
    return learn_tokenizer(cases, training)


@pytest.fixture
def model(smoke_config: ModelConfig, tokenizer) -> Reg2RG:
    return create_model(smoke_config, ModelSource(architecture={}), tokenizer, seed=0).eval()


def add_lora(config: ModelConfig) -> ModelConfig:
    return dataclasses.replace(config, language=dataclasses.replace(config.language, lora=LoraSettings(rank=2)))


def step(module: TrainingModule, indices: list[int]) -> float:
    """Do one step of gradient descent and return the loss before it."""
    module.train()
    loss = sum(module(torch.tensor(indices)).values())
    loss.backward()
    with torch.no_grad():
        for parameter in module.trained_parameters().values():
            if parameter.grad is not None:
                parameter -= 0.05 * parameter.grad
                parameter.grad = None
    return loss.item()


def parts(names: set[str]) -> set[str]:
    """Return the parts of the model that parameters belong to."""
    return {"lora" if ".lora_" in name else ".".join(name.split(".")[:2]) for name in names}


PUBLISHED = {"lora"} | {
    f"embedding_layer.{part}"
    for part in ("image_token_weight", "region_token_weight", "perceiver", "fc", "mask_encoder", "mask_fc")
}


def test_a_text_stage_of_the_published_model_trains_the_published_parameters():
    config = dataclasses.replace(tiny_config(100, 2), language=add_lora(tiny_config(100, 2)).language)
    trained = select_parameters(Reg2RG(config), TEXT)
    assert parts(set(trained)) == PUBLISHED
    assert {name.split(".")[-4] for name in trained if ".lora_" in name} == {"q_proj", "v_proj"}


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (VISION, {"embedding_layer.vision_encoder", "embedding_layer.finding_head"}),
        (TEXT, PUBLISHED | {"embedding_layer.cue_encoder"}),
        (
            dataclasses.replace(TEXT, freeze_vision=False),
            PUBLISHED | {f"embedding_layer.{part}" for part in ("cue_encoder", "vision_encoder", "finding_head")},
        ),
    ],
)
def test_a_step_changes_only_what_its_stage_trains(
    stage: Stage, expected: set[str], smoke_config: ModelConfig, tokenizer, cases: CaseCache, tmp_path: Path
):
    model = create_model(add_lora(smoke_config), ModelSource(architecture={}), tokenizer, seed=0)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    features = FeatureCache(model, cases, tmp_path) if stage.kind == "text" and stage.freeze_vision else None
    module = TrainingModule(model, stage, cases, features)
    for _ in range(3):  # one half of LoRA starts at zero, so the other half has no gradient in the first step
        step(module, [0])
    changed = {name for name, parameter in model.named_parameters() if not torch.equal(before[name], parameter)}
    assert parts(changed) == expected


def test_without_lora_the_whole_language_model_is_trained(model: Reg2RG):
    trained = select_parameters(model, TEXT)
    language = {name for name, _ in model.named_parameters() if name.startswith("lang_model.")}
    assert language <= set(trained)


def test_a_text_stage_adds_the_vision_losses_only_if_it_trains_vision(model: Reg2RG, cases: CaseCache):
    case = torch.tensor([0])
    assert set(TrainingModule(model, TEXT, cases, None)(case)) == {"text"}
    unfrozen = TrainingModule(model, dataclasses.replace(TEXT, freeze_vision=False), cases, None)
    assert set(unfrozen(case)) == {"text", "labels", "sides", "levels", "sizes", "map"}


def test_a_stage_minimizes_only_the_losses_it_names(model: Reg2RG, cases: CaseCache):
    module = TrainingModule(model, dataclasses.replace(VISION, losses=("map",)), cases, None)
    assert set(module(torch.tensor([0, 1]))) == {"map"}
    module = TrainingModule(model, dataclasses.replace(VISION, losses=("text",)), cases, None)
    with pytest.raises(InputError, match="losses include text, but these cases have labels"):
        module(torch.tensor([0]))


def test_a_vision_stage_can_train_on_patches(model: Reg2RG, cases: CaseCache):
    module = TrainingModule(model, Stage("vision", steps=1, patch_size=(16, 16, 16)), cases, None)
    before = {name: value.detach().clone() for name, value in module.trained_parameters().items()}
    step(module, [0, 1])
    assert any(not torch.equal(before[name], value) for name, value in module.trained_parameters().items())
    with pytest.raises(InputError, match="expected multiples of"):
        TrainingModule(model, Stage("vision", steps=1, patch_size=(16, 16, 12)), cases, None)


def test_regions_are_shuffled_together_with_their_features(model: Reg2RG, cases: CaseCache):
    case = cases[0]
    with torch.no_grad():
        features = compute_features(model, case)
    torch.manual_seed(1)
    shuffled, shuffled_features = shuffle_regions(case, features)
    order = [sample.region for sample in shuffled.regions]
    assert sorted(order) == sorted(sample.region for sample in case.regions) and order != sorted(order)
    for position, sample in enumerate(shuffled.regions):
        index = case.regions.index(sample)
        assert shuffled_features.tokens[position] is features.tokens[index]
        assert torch.equal(shuffled_features.cues.probability[position], features.cues.probability[index])


def test_the_order_of_regions_changes_in_every_training_step_and_is_fixed_in_evaluation(
    model: Reg2RG, cases: CaseCache, monkeypatch: pytest.MonkeyPatch
):
    orders: list[list[int]] = []

    def record_order(model: Reg2RG, cases: list[TrainingCase], features: list):
        orders.append([sample.region for sample in cases[0].regions])
        return text_losses(model, cases, features)

    monkeypatch.setattr(training_module, "text_losses", record_order)
    module = TrainingModule(model, TEXT, cases, None).train()
    with torch.no_grad():
        for _ in range(2):
            module(torch.tensor([0]))
        module.eval()(torch.tensor([0]))
    first, second, own = orders
    assert own == [sample.region for sample in cases[0].regions] and len({*map(tuple, orders)}) == 3


def test_true_cues_match_the_text(model: Reg2RG, cases: CaseCache):
    samples = cases[0].regions
    with torch.no_grad():
        predicted = compute_features(model, cases[0]).cues
    cues = true_cues(samples, predicted)
    present = torch.from_numpy(np.stack([sample.labels for sample in samples])) == 1
    assert present.any() and torch.equal(cues.probability == 1, present) and not cues.probability[~present].any()
    for name, target in (("side", "sides"), ("level", "levels"), ("size_mm", "sizes")):
        expected = torch.from_numpy(np.stack([getattr(sample, target) for sample in samples]))
        known = present & ((expected > 0) if expected.dtype.is_floating_point else (expected >= 0))
        assert known.any() and torch.equal(getattr(cues, name)[known], expected[known])
    assert cues.priority[present].min() > cues.priority[~present].max(), "present findings come before absent ones"


def test_the_cues_of_a_region_are_true_or_predicted_or_empty(
    model: Reg2RG, cases: CaseCache, monkeypatch: pytest.MonkeyPatch
):
    case, encoder = cases[0], model.embedding_layer.cue_encoder
    draws = torch.tensor([0.1, TRUE_CUE_SHARE + 0.1, TRUE_CUE_SHARE + PREDICTED_CUE_SHARE + 0.1])
    with torch.no_grad():
        features = compute_features(model, case)
        predicted, samples = features.cues.select(slice(3)), case.regions[:3]
        mixed = mix_cues(encoder, samples, predicted, draws)
        assert_close(mixed[0], encoder(true_cues(samples, predicted))[0])
        assert_close(mixed[1], encoder(predicted)[1])
        assert_close(mixed[2], encoder.null_cues(1)[0])
        shares_by_loss = {}
        for shares in ((1.0, 0.0), (0.0, 1.0), (0.0, 0.0)):
            for name, share in zip(("TRUE_CUE_SHARE", "PREDICTED_CUE_SHARE"), shares, strict=True):
                monkeypatch.setattr(losses, name, share)
            shares_by_loss[float(text_losses(model, [case], [features])["text"])] = shares
    assert len(shares_by_loss) == 3, "the loss of the text depends on the cues"


def test_no_cue_names_a_finding_that_a_case_may_have_and_its_text_does_not_mention(model: Reg2RG, cases: CaseCache):
    with torch.no_grad():
        predicted = compute_features(model, cases[0]).cues.select(slice(1))
    labels = np.full_like(cases[0].regions[0].labels, np.nan)
    labels[1] = 1
    names = model.config.findings.labels
    sample = dataclasses.replace(cases[0].regions[0], labels=labels, unknown=names[2:])
    detected = dataclasses.replace(predicted, probability=torch.full_like(predicted.probability, 0.9))
    assert without_unknown([sample], detected).probability[0].nonzero().flatten().tolist() == [1]
    complete = dataclasses.replace(sample, unknown=())
    assert torch.equal(without_unknown([complete], detected).probability, detected.probability)


def test_a_swapped_image_shows_the_same_region_of_another_case(cases: CaseCache):
    samples = [*cases[0].regions, *cases[1].regions]
    swap = torch.arange(len(samples)) % 2 == 0
    for index, shown in enumerate(swap_images(samples, swap).tolist()):
        alike = [i for i, sample in enumerate(samples) if sample.region == samples[index].region]
        assert samples[shown].region == samples[index].region
        assert (shown != index) == (bool(swap[index]) and len(alike) > 1)


def test_a_region_with_a_swapped_image_learns_its_text_from_that_image_and_its_own_cues(
    model: Reg2RG, cases: CaseCache, monkeypatch: pytest.MonkeyPatch
):
    common = {sample.region for sample in cases[0].regions} & {sample.region for sample in cases[1].regions}
    pair = [
        dataclasses.replace(case, regions=tuple(s for s in case.regions if s.region in common))
        for case in (cases[0], cases[1])
    ]
    monkeypatch.setattr(losses, "TRUE_CUE_SHARE", 1.0)
    with torch.no_grad():
        for weight in (p for p in model.causal_lm.parameters() if p.ndim == 2):
            weight *= 10  # the image hardly affects the output of an untrained model
        features = [compute_features(model, case) for case in pair]
        own_loss = text_losses(model, pair, features)["text"]
        monkeypatch.setattr(losses, "SWAPPED_IMAGE_SHARE", 1.0)
        swapped_loss = text_losses(model, pair, features)["text"]
        monkeypatch.setattr(losses, "SWAPPED_IMAGE_SHARE", 0.0)
        first, second = (
            dataclasses.replace(
                case,
                regions=tuple(
                    dataclasses.replace(mine, mask=theirs.mask)
                    for mine, theirs in zip(case.regions, other.regions, strict=True)
                ),
            )
            for case, other in (pair, pair[::-1])
        )
        swapped = [dataclasses.replace(b, image=a.image) for a, b in (features, features[::-1])]
        expected = text_losses(model, [first, second], swapped)["text"]
    assert_close(swapped_loss, expected)
    assert not torch.allclose(swapped_loss, own_loss)


def test_frozen_vision_is_computed_once_per_case(
    model: Reg2RG, cases: CaseCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    computed: list[TrainingCase] = []

    def count(model: Reg2RG, case: TrainingCase):
        computed.append(case)
        return compute_features(model, case)

    monkeypatch.setattr(feature_cache, "compute_features", count)
    module = TrainingModule(model, TEXT, cases, FeatureCache(model, cases, tmp_path))
    for _ in range(2):
        step(module, [0, 1])
    again = FeatureCache(model, cases, tmp_path)
    assert len(computed) == 2 and again[0] and len(computed) == 2, "the text stage does not change vision"
    with torch.no_grad():
        expected = compute_features(model, cases[1])
    assert torch.equal(again[1].image, expected.image)
    assert all(torch.equal(a, b) for a, b in zip(again[1].tokens, expected.tokens, strict=True))
    assert_close(again[1].cues.probability, expected.cues.probability)
    with torch.no_grad():
        model.embedding_layer.vision_encoder.transformer.layers[0][0].norm.weight += 1
    assert FeatureCache(model, cases, tmp_path).folder != again.folder


def test_only_frozen_vision_has_dropout_off(model: Reg2RG, cases: CaseCache):
    module = TrainingModule(model, TEXT, cases, None).train()
    encoder = module.model.embedding_layer
    assert not encoder.vision_encoder.training and not encoder.finding_head.training and encoder.perceiver.training
    assert TrainingModule(model, VISION, cases, None).train().model.embedding_layer.vision_encoder.training


@pytest.mark.parametrize("count", [1, 2])
def test_without_a_finding_head_vision_learns_from_the_text(
    count: int, smoke_config: ModelConfig, tokenizer, cases: CaseCache
):
    model = create_model(smoke_config, ModelSource(architecture={}, finding_head=False), tokenizer, seed=0)
    module = TrainingModule(model, dataclasses.replace(TEXT, freeze_vision=False), cases, None)
    losses = [step(module, list(range(count))) for _ in range(6)]
    assert losses[-1] < losses[0] and model.embedding_layer.finding_head is None


def test_the_authors_weight_files_are_loaded(model: Reg2RG, smoke_config: ModelConfig, tokenizer, tmp_path: Path):
    encoder = model.embedding_layer
    torch.save(encoder.vision_encoder.state_dict(), tmp_path / "RadFM_vit3d.pth")
    fresh = create_model(smoke_config, ModelSource(architecture={}), tokenizer, seed=1)
    name = "transformer.layers.0.0.fn.to_qkv.weight"
    loaded, original = (m.embedding_layer.vision_encoder.get_parameter(name) for m in (fresh, model))
    assert not torch.equal(loaded, original)
    load_pretrained(fresh, [tmp_path / "RadFM_vit3d.pth"])
    assert torch.equal(loaded, original)
    torch.save({name: torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"of shape \(3, 3\); the model expects"):
        load_pretrained(fresh, [tmp_path / "other.pth"])


def test_an_ablation_leaves_the_rest_of_the_model_unchanged(smoke_config: ModelConfig, tokenizer):
    without = ablate(smoke_config, ModelSource(architecture={}, cues=0))
    assert dataclasses.replace(without.findings, cues=2) == smoke_config.findings
    model = create_model(smoke_config, ModelSource(architecture={}, finding_map=False, cues=0), tokenizer, seed=0)
    assert model.embedding_layer.cue_encoder is None and model.embedding_layer.finding_head.finding_map is None


def test_the_output_bias_is_the_only_bias_with_weight_decay(
    model: Reg2RG, cases: CaseCache, training: TrainingConfig, tmp_path: Path
):
    module = TrainingModule(model, VISION, cases, None)
    trainer = StageTrainer(module, cases, training, VISION, tmp_path, print)
    decayed = trainer.get_decay_parameter_names(module)
    assert [name for name in decayed if "bias" in name] == ["model.embedding_layer.finding_head.output_bias"]
    assert not any("norm" in name for name in decayed) and any("queries" in name for name in decayed)


def test_the_temperature_calibrates_probabilities():
    torch.manual_seed(0)
    true = torch.randn(4000, 3)
    labels = (torch.rand(4000, 3) < true.sigmoid()).float()
    assert fit_temperature(3 * true, labels) == pytest.approx(3, rel=0.1)
    labels[:, 0] = torch.nan  # unknown labels do not count
    logits = torch.cat([torch.randn(4000, 1) * 50, 3 * true[:, 1:]], dim=1)
    assert fit_temperature(logits, labels) == pytest.approx(3, rel=0.1)
    assert fit_temperature(true[:0], labels[:0]) == 1.0


def head_outputs(detected: Sequence[Sequence[float]], truth: Sequence[Sequence[float]], region: str) -> HeadOutputs:
    """Return outputs for regions of one name.

    Args:
        detected: one row per finding, 1 where the head detects it and -1 where it does not.
        truth: one row per finding, 1, 0 or NaN.
        region: name of the regions.
    """
    logits, labels = torch.tensor(detected).T, torch.tensor(truth).T
    count = len(logits)
    return HeadOutputs(
        logits, labels, labels * torch.nan, [region] * count, list(range(count)), [{}] * count, [CTS] * count
    )


ABSENT, UNDETECTED = [0.0] * MIN_ABSENT, [-1.0] * MIN_ABSENT


def test_a_finding_is_supported_if_enough_of_its_detections_are_right():
    labels = ("Lung nodule", "Emphysema", "Atelectasis", "Cardiomegaly")
    truth = [[1.0] * hits + [0.0] * (10 - hits) + ABSENT for hits in (7, 4, 6, 10)]
    detected = [[1.0] * 10 + UNDETECTED for _ in labels]
    detected[1] = [1.0] * 4 + [-1.0] * 6 + UNDETECTED  # emphysema is detected only where it is true, but too rarely
    supported = supported_labels(labels, head_outputs(detected, truth, "lung"))
    assert supported == ("Lung nodule",), "cardiomegaly is not a finding of the lung"
    truth[2][6:10] = [torch.nan] * 4
    supported = supported_labels(labels, head_outputs(detected, truth, "lung"))
    assert supported == ("Lung nodule", "Atelectasis"), "unknown truth does not count"


def test_a_finding_that_no_case_is_known_to_be_free_of_is_not_supported():
    labels = ("Lung nodule", "Pleural effusion")
    truth = [[1.0] * 9 + [torch.nan] * MIN_ABSENT] * 2
    detected = [[1.0] * 9 + UNDETECTED] * 2
    assert supported_labels(labels, head_outputs(detected, truth, "lung")) == ()
    truth = [[1.0] * 9 + ABSENT] * 2
    supported = supported_labels(labels, head_outputs(detected, truth, "lung"))
    assert supported == ("Lung nodule",), "fluid is usually reported with the pleura, where nothing is known about it"


def test_the_outputs_of_one_kind_of_volumes_are_selected():
    logits = torch.arange(3.0)[:, None]
    means = [{}, {"lung": logits}]
    outputs = HeadOutputs(logits, logits, logits, ["lung", "heart", "lung"], [0, 1, 1], means, ["", CTS])
    cts = outputs.of_kind(CTS)
    assert cts.logits.tolist() == [[1.0], [2.0]] and cts.regions == ["heart", "lung"]
    assert cts.cases == [0, 0] and cts.kinds == [CTS] and cts.means == [{"lung": logits}]


def test_calibration_fits_the_temperature_and_the_distances_of_validation_cases(model: Reg2RG, cases: CaseCache):
    calibrate(model, cases)
    assert model.config.findings.temperature == model.embedding_layer.finding_head.config.temperature != 1.0
    (kind,) = model.embedding_layer.ood_detector.kinds
    assert float(kind.validation_distances.nan_to_num().max()) < UNFITTED_DISTANCE
    assert model.config.findings.kinds == ("phantoms",)


def test_a_finding_whose_size_no_text_states_loses_its_size(model: Reg2RG, cases: CaseCache):
    assert "Emphysema" in model.config.findings.sized
    calibrate(model, cases)
    sizes = torch.tensor(np.stack([sample.sizes for index in range(3) for sample in cases[index].regions]))
    stated = [label for label, each in zip(ALL_LABELS, (~sizes.isnan()).any(0), strict=True) if each]
    assert stated and list(model.embedding_layer.finding_head.config.sized) == stated
    assert model.config.findings.sized == tuple(stated) and "Emphysema" not in stated


def learned_texts(model: Reg2RG, sections) -> list[str]:
    """Return the part of each text that is learned."""
    packed = pack_text(model, sections)
    texts, words = [], []
    for label in [*packed.labels, IGNORED]:
        if label != IGNORED:
            words.append(label)
        elif words:
            texts.append(model.tokenizer.decode(words))
            words = []
    return texts


@pytest.mark.parametrize("parallel", [False, True])
def test_the_report_is_learned_and_the_prompt_is_not(parallel: bool):
    model = tiny_model(slots=2, trained=False)
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


def test_training_computes_the_same_logits_as_writing_a_section():
    """A section's logits do not depend on the other sections, because it sees only the prompt and itself."""
    model = tiny_model(slots=2, trained=False)
    model.config = dataclasses.replace(model.config, parallel=True)
    features = PromptFeatures(torch.randn(2, 32), torch.randn(2, 3, 32))
    texts = collate_texts([pack_text(model, SECTIONS), pack_text(model, SECTIONS[:1])])
    with torch.inference_mode():
        taught = model(texts.ids, [features, features], texts.attention_mask, None, texts.positions).logits
        packed = pack_text(model, SECTIONS)
        for slot in range(2):
            own = [i for i, bits in enumerate(packed.texts) if bits & (1 << slot)]
            alone = model(torch.tensor([packed.ids])[:, own], [features]).logits[0]
            assert_close(taught[0, own], alone, rtol=1e-4, atol=1e-4)


def test_a_batch_is_padded_to_its_longest_text():
    model = tiny_model(slots=1, trained=False)
    short, long = pack_text(model, SECTIONS[:1]), pack_text(model, [("lung", SECTIONS[0][1] * 3)])
    assert collate_texts([short, long]).ids.shape[1] == len(long.ids) > len(short.ids)
    assert collate_texts([short]).ids.shape[1] == len(short.ids)

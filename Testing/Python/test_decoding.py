"""Decoding: texts do not depend on proposed tokens, on cached keys, or on the texts generated with them."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from test_generation import inputs_for
from tiny_model import tiny_config, tiny_model

from reg2rg.inference import ReportGenerator, SamplingConfig
from reg2rg.inference.backend import Prompt, TextState
from reg2rg.inference.encoding import FeatureEncoder
from reg2rg.inference.packed_backend import PackedBackend
from reg2rg.inference.sampling import Sampler
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.prompting import opening_ids, prompt_ids
from reg2rg.runtime.callbacks import never_cancel

NAMES = ["heart", "lung", "pleura"]
COUNT = 24


def untrained_model(slots: int, **language) -> Reg2RG:
    """Return a model that writes different nonsense for every region."""
    tokenizer = tiny_model(trained=False).tokenizer
    torch.manual_seed(8)
    config = tiny_config(len(tokenizer), slots)
    config = dataclasses.replace(config, language=dataclasses.replace(config.language, **language))
    model = Reg2RG(config)
    for parameter in model.lang_model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    model.tokenizer = tokenizer
    return model.eval()


@torch.inference_mode()
def prompt_embeddings(model: Reg2RG, inputs, names) -> tuple[list[int], torch.Tensor]:
    encoder = model.embedding_layer
    image = encoder.encode_volumes(inputs.image[None])[0]
    textures, masks = (torch.stack([of[name] for name in names]) for of in (inputs.textures, inputs.masks))
    features = PromptFeatures(image, encoder.encode_regions(textures, masks))
    ids = prompt_ids(model.tokenizer, model.special, len(names), instruction=False)
    return ids, model.embed(torch.tensor([ids]), [features])[0]


@torch.inference_mode()
def transformers_ids(model: Reg2RG, embeddings: torch.Tensor) -> list[int]:
    """Return the token IDs that transformers generates after these embeddings."""
    generated = model.lang_model.generate(
        inputs_embeds=embeddings[None], max_new_tokens=COUNT, min_new_tokens=COUNT, do_sample=False, eos_token_id=None
    )
    return generated[0].tolist()


def generated_ids(generator: ReportGenerator, inputs, **options) -> list[list[int]]:
    """Return the token IDs of each text, ordered by text bits."""
    generator.generate(inputs, max_new_tokens=COUNT, **options)
    return [generator._last_ids[bits] for bits in sorted(generator._last_ids)]


@pytest.mark.parametrize("key_heads", [4, 2, 1])
def test_one_prompt_per_region_matches_transformers(key_heads):
    model = untrained_model(1, num_key_value_heads=key_heads)
    model.tokenizer.eos_token_id = None  # so that the nonsense never ends
    inputs = inputs_for(model, NAMES)
    alone = [transformers_ids(model, prompt_embeddings(model, inputs, [name])[1]) for name in NAMES]
    assert len({tuple(ids) for ids in alone}) == 3
    assert generated_ids(ReportGenerator(model), inputs) == alone


def test_parallel_decoding_matches_transformers_given_prompt_and_opening():
    model = untrained_model(3)
    model.tokenizer.eos_token_id = None
    inputs = inputs_for(model, NAMES)
    _, prompt = prompt_embeddings(model, inputs, NAMES)
    token_embeddings = model.embedding_layer.weight
    openings = [opening_ids(model.tokenizer, slot, instruction=False) for slot in range(3)]
    alone = [transformers_ids(model, torch.cat([prompt, token_embeddings[torch.tensor(ids)]])) for ids in openings]
    assert len({tuple(ids) for ids in alone}) == 3
    assert generated_ids(ReportGenerator(model), inputs, parallel=True) == alone


def test_one_text_for_all_regions_matches_transformers():
    model = untrained_model(3)
    model.tokenizer.eos_token_id = None
    inputs = inputs_for(model, NAMES)
    assert generated_ids(ReportGenerator(model), inputs) == [
        transformers_ids(model, prompt_embeddings(model, inputs, NAMES)[1])
    ]


@pytest.mark.parametrize(
    "change", [lambda ids: ids, lambda ids: ids[3:], lambda ids: [*ids[:9], 7, 7, *ids[10:]], lambda ids: [5] * 40]
)
def test_proposed_tokens_never_change_the_text_and_save_passes_if_they_are_right(change):
    model = untrained_model(1)
    embeddings = prompt_embeddings(model, inputs_for(model, NAMES), ["lung"])[1]
    right, passes = decoded(model, embeddings, earlier=[])
    assert passes == COUNT
    proposed, fewer = decoded(model, embeddings, earlier=change(right))
    assert proposed == right
    assert fewer <= (3 if change(right) == right else COUNT)


@torch.inference_mode()
def decoded(model: Reg2RG, embeddings: torch.Tensor, earlier: list[int]) -> tuple[list[int], int]:
    """Return the token IDs generated after a prompt, and the number of passes."""
    last_id = prompt_ids(model.tokenizer, model.special, 1, instruction=False)[-1]
    prompt = Prompt(embeddings[:-1], shared=0, text_bits=1)
    text = TextState(prompt, text_bits=1, start_ids=[last_id], max_tokens=COUNT, earlier_ids=earlier)
    passes = list(PackedBackend(model).decode([text], None, None))
    return text.ids, len(passes)


def test_sampling_depends_on_the_seed_but_not_on_other_regions():
    model, sampling = untrained_model(1), SamplingConfig(seed=4, temperature=3.0)
    inputs = inputs_for(model, NAMES)
    together = generated_ids(ReportGenerator(model), inputs, sampling=sampling)
    assert generated_ids(ReportGenerator(model), inputs, sampling=sampling) == together
    assert generated_ids(ReportGenerator(model), inputs, sampling=SamplingConfig(seed=5, temperature=3.0)) != together
    alone = generated_ids(ReportGenerator(model), inputs, sampling=sampling, regions=["pleura"])
    assert alone == together[2:]
    assert generated_ids(ReportGenerator(model), inputs) != together


def test_sampling_is_limited_to_the_most_probable_tokens():
    logits = torch.tensor([[5.0, 4.9, 4.8, -9.0, 4.7]])
    sampler = Sampler(SamplingConfig(seed=0, top_k=4, top_p=0.6))
    drawn = {sampler.choose(logits, [0])[0][0] for _ in range(200)}
    assert drawn == {0, 1, 2}, "top-p keeps three tokens: 0.29 + 0.25 is below 0.6, adding 0.21 exceeds it"


class ForwardCounter:
    """Counter of the volumes that a model encodes and of the tokens that its language model processes."""

    def __init__(self, model: Reg2RG) -> None:
        self.volumes = self.tokens = 0
        model.embedding_layer.vision_encoder.register_forward_pre_hook(self._on_volumes)
        model.causal_lm.register_forward_pre_hook(self._on_tokens, with_kwargs=True)

    def _on_volumes(self, module, arguments) -> None:
        self.volumes += len(arguments[0])

    def _on_tokens(self, module, arguments, keywords) -> None:
        self.tokens += keywords["inputs_embeds"].shape[1]

    def count(self, action) -> tuple[int, int]:
        before = self.volumes, self.tokens
        action()
        return self.volumes - before[0], self.tokens - before[1]


def test_rewriting_a_region_encodes_no_volume_and_processes_few_tokens():
    model = tiny_model(slots=3)
    generator, counter, inputs = ReportGenerator(model), ForwardCounter(model), inputs_for(model, NAMES)
    first = []
    volumes, tokens = counter.count(lambda: first.extend(generator.generate(inputs, parallel=True)))
    assert volumes == 4
    rewritten = []
    repeated = counter.count(lambda: rewritten.extend(generator.generate(inputs, regions=["lung"], parallel=True)))
    assert [section.text for section in rewritten] == [first[1].text]
    assert repeated[0] == 0
    section = len(model.tokenizer.encode(first[1].text)) + 20
    assert repeated[1] < section < tokens / 2


def test_rewriting_a_region_of_one_text_also_processes_earlier_but_not_later_regions():
    model = tiny_model(slots=3)
    generator, counter, inputs = ReportGenerator(model), ForwardCounter(model), inputs_for(model, NAMES)
    first, rewritten = [], []
    _, tokens = counter.count(lambda: first.extend(generator.generate(inputs)))
    streamed: list[str] = []
    repeated = counter.count(
        lambda: rewritten.extend(
            generator.generate(inputs, regions=["lung"], on_section=lambda s: streamed.append(s.region))
        )
    )
    assert [(s.region, s.text) for s in rewritten] == [("lung", first[1].text)] and set(streamed) == {"lung"}
    assert repeated[0] == 0
    two_sections = len(generator._last_ids[sum(generator._last_ids)]) * 2 / 3
    assert repeated[1] < two_sections + 40 < tokens


def test_after_a_corrected_segment_only_its_region_is_encoded():
    model = tiny_model(slots=3)
    generator, counter, inputs = ReportGenerator(model), ForwardCounter(model), inputs_for(model, NAMES)
    generator.generate(inputs, parallel=True)
    texture = inputs.textures["pleura"].flip(0)
    corrected = dataclasses.replace(inputs, textures={**inputs.textures, "pleura": texture})
    rewritten = []
    volumes, _ = counter.count(
        lambda: rewritten.extend(generator.generate(corrected, regions=["pleura"], parallel=True))
    )
    assert volumes == 1
    fresh = ReportGenerator(tiny_model(slots=3)).generate(corrected, regions=["pleura"], parallel=True)
    assert [(s.region, s.text) for s in rewritten] == [(s.region, s.text) for s in fresh]


def test_the_generator_stays_usable_after_a_failed_pass():
    model = tiny_model(slots=3)
    generator, inputs = ReportGenerator(model), inputs_for(model, NAMES)
    expected = [section.text for section in generator.generate(inputs, parallel=True)]
    layer = model.causal_lm.model.layers[-1]
    hook = layer.register_forward_pre_hook(lambda *_: (_ for _ in ()).throw(MemoryError("full")))
    with pytest.raises(MemoryError):
        generator.generate(inputs, parallel=True)
    hook.remove()
    assert [section.text for section in generator.generate(inputs, parallel=True)] == expected


def test_vision_with_a_16_bit_language_model_runs_in_16_bits_with_similar_features():
    model, inputs = untrained_model(1), inputs_for(untrained_model(1), NAMES)
    exact, _ = FeatureEncoder(model.embedding_layer, model.config).encode(inputs, NAMES, never_cancel)
    model.lang_model.to(torch.bfloat16)
    model.tie_word_embeddings()
    rounded, _ = FeatureEncoder(model.embedding_layer, model.config).encode(inputs, NAMES, never_cancel)
    assert rounded.dtype == torch.bfloat16 and exact.dtype == torch.float32
    assert 0 < (rounded - exact).abs().max() < 0.05 * exact.abs().max()

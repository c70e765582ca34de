"""The model computes the same as the published architecture (reference values in ../shared/reference/parity)."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import parity
import pytest
import torch
from parity import load_state

from reg2rg.checkpoints import ModelFolder
from reg2rg.checkpoints.convert.convert import convert_checkpoint, plan_conversion
from reg2rg.inference.backend import Prompt, TextState
from reg2rg.inference.packed_backend import PackedBackend
from reg2rg.models.config import ModelConfig
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.runtime.callbacks import ignore_progress


@pytest.fixture(scope="module")
def expected(shared: Path) -> dict[str, np.ndarray]:
    with np.load(shared / "reference/parity/small.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module", params=["tensors", "converted checkpoint"])
def model(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Reg2RG:
    """Return a model with the reference weights, built from the tensors or converted from a .bin file."""
    state = parity.state(shared)
    if request.param == "tensors":
        return load_state(parity.small_config(), state).eval()
    folder = tmp_path_factory.mktemp("parity")
    torch.save(state, folder / "pytorch_model.bin")
    plan = plan_conversion([folder / "pytorch_model.bin"], name="parity")
    tokenizer = shared / "reference/llama_tokenizer"
    convert_checkpoint(plan, folder / "model", tokenizer=tokenizer, progress=ignore_progress)
    return ModelFolder.open(folder / "model").load()


@pytest.fixture(scope="module")
def prompt(shared: Path) -> list[int]:
    return json.loads((shared / "reference/prompt_token_fixtures.json").read_text())["prompt_2_regions"]


@pytest.fixture(scope="module")
def features(model: Reg2RG) -> PromptFeatures:
    encoder = model.embedding_layer
    with torch.inference_mode():
        image = encoder.encode_volumes(parity.volume(0)[None])[0]
        textures, masks = (torch.stack([f(r) for r in (1, 2)]) for f in (parity.volume, parity.mask))
        return PromptFeatures(image, encoder.encode_regions(textures, masks))


def decode_ids(model: Reg2RG, prompt: list[int], features: PromptFeatures, count: int) -> list[int]:
    """Decode greedily after a prompt."""
    embeddings = model.embed(torch.tensor([prompt]), [features])[0]
    text = TextState(Prompt(embeddings[:-1], shared=0, text_bits=1), 1, start_ids=prompt[-1:], max_tokens=count)
    for _ in PackedBackend(model).decode([text], 2, None):
        pass
    return text.ids


def assert_close(actual: torch.Tensor, expected: np.ndarray) -> None:
    np.testing.assert_allclose(actual.detach().numpy().reshape(expected.shape), expected, rtol=0, atol=2e-4)


def test_vision_tokens_latents_and_mask_token_match(model, expected):
    encoder = model.embedding_layer
    with torch.inference_mode():
        tokens = encoder.vision_encoder(parity.volume(0)[None])
        assert_close(tokens[:, ::64], expected["vision_tokens_image"])
        assert_close(encoder.perceiver(tokens), expected["perceiver_image"])
        assert_close(encoder.mask_encoder(parity.mask(1)[None]).mean(1), expected["mask_token_first_region"])


def test_input_embeddings_and_last_logits_match(model, expected, prompt, features):
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        assert_close(model.embed(ids, [features]), expected["inputs_embeds"])
        assert_close(model(ids, [features]).logits[0, -1], expected["logits_last"])


def test_greedy_ids_match_up_to_float32_rounding(model, expected, prompt, features):
    """Each reference id, given the previous ones, has the highest logit within the rounding error of float32.

    The reference weights are sinusoids. At every step, many logits agree to within one unit in the last place of
    float32 (6e-8 at 0.5), so the reference ids depend on rounding; even float64 gives different ones.
    """
    bos, *ids = expected["greedy_ids"].ravel().tolist()
    assert bos == 1 and len(ids) == 24
    with torch.inference_mode():
        words = model.embedding_layer.weight[torch.tensor(ids)][None]
        embeddings = torch.cat([model.embed(torch.tensor([prompt]), [features]), words], dim=1)
        logits = model.lang_model(inputs_embeds=embeddings).logits[0, len(prompt) - 1 : -1]
        first = decode_ids(model, prompt, features, count=1)
    behind = logits.max(dim=-1).values - logits[torch.arange(24), torch.tensor(ids)]
    assert behind.max() <= 4 * torch.finfo(torch.float32).eps
    assert first == ids[:1]


def test_decoding_with_the_cache_matches_full_sequences(model, prompt, features):
    with torch.inference_mode():
        drawn = decode_ids(model, prompt, features, count=24)
        words = model.embedding_layer.weight[torch.tensor(drawn)][None]
        embeddings = torch.cat([model.embed(torch.tensor([prompt]), [features]), words], dim=1)
        logits = model.lang_model(inputs_embeds=embeddings).logits[0, len(prompt) - 1 : -1]
    behind = logits.max(dim=-1).values - logits[torch.arange(24), torch.tensor(drawn)]
    assert behind.max() <= 4 * torch.finfo(torch.float32).eps


def test_loss_matches(model, expected, prompt, features):
    ids = torch.tensor([prompt])
    labels = ids.masked_fill(ids >= 32000, -100)
    labels[:, :20] = -100
    with torch.inference_mode():
        assert_close(model(ids, [features], labels=labels).loss, expected["loss_labels_from_20"])


def test_forward_does_not_modify_its_inputs(model, prompt, features):
    ids = torch.tensor([prompt])
    before = ids.clone(), features.image.clone(), features.regions.clone()
    with torch.inference_mode():
        first, second = (model(ids, [features]).logits for _ in range(2))
    assert torch.equal(first, second)
    for now, then in zip((ids, features.image, features.regions), before, strict=True):
        assert torch.equal(now, then)


def test_the_llama2_7b_preset_has_the_published_tensor_names_and_shapes(shared: Path):
    with (shared / "reference/state_dict_keys_full.tsv").open() as file:
        rows = csv.DictReader(file, delimiter="\t")
        published = {row["key"]: row["shape"] for row in rows if not row["key"].endswith("rotary_emb.inv_freq")}
    with torch.device("meta"):
        ours = {name: str(tuple(t.shape)) for name, t in Reg2RG(ModelConfig()).state_dict().items()}
    assert ours == published

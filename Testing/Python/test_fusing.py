"""Fused weights compute the same as the original ones."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from parity import small_config
from tiny_model import tiny_model

from reg2rg.inference import fusing
from reg2rg.inference.fusing import PackedLinear, can_pack, fuse
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.models.vision_transformer import VisionTransformer


@pytest.fixture(scope="module")
def model() -> Reg2RG:
    torch.manual_seed(0)
    model = Reg2RG(small_config()).eval()
    for name, parameter in model.named_parameters():
        if "lora_" in name or "norm" in name or "to_patch_embedding" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_fusing_equal_input_channels_changes_results_by_at_most_1e_5(model):
    volumes = torch.rand(1, 64, 64, 16) * 2 - 1
    fused = fuse(copy.deepcopy(model)).embedding_layer.vision_encoder
    plain = model.embedding_layer.vision_encoder
    assert fused.to_patch_embedding[2].in_features * 3 == plain.to_patch_embedding[2].in_features
    with torch.inference_mode():
        expected, actual = plain.to_patch_embedding(volumes), fused.to_patch_embedding(volumes)
        assert expected.std() > 0.1
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_fusing_lora_changes_results_by_at_most_1e_5(model):
    embeddings = torch.randn(1, 12, model.config.language.hidden_size)
    fused = fuse(copy.deepcopy(model))
    assert not any("lora_" in name for name, _ in fused.named_parameters())
    with torch.inference_mode():
        expected, actual = (m.causal_lm(inputs_embeds=embeddings).logits for m in (model, fused))
        without = _without_lora(model)(inputs_embeds=embeddings).logits
    assert (without - expected).abs().max() > 0.01, "LoRA has an effect"
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def _without_lora(model: Reg2RG):
    return copy.deepcopy(model.lang_model).unload()


@pytest.mark.parametrize("stem", ["patch", "pyramid"])
def test_stems_with_one_channel_are_not_changed(stem):
    model = tiny_model(trained=False)
    vision = dataclasses.replace(model.config.vision, stem=stem)
    model.embedding_layer.vision_encoder = VisionTransformer(vision)
    volumes = torch.rand(2, 16, 16, 16)
    with torch.inference_mode():
        before = model.embedding_layer.vision_encoder.to_patch_embedding(volumes)
        after = fuse(model).embedding_layer.vision_encoder.to_patch_embedding
        assert type(after[1]) is torch.nn.LayerNorm and after[1].elementwise_affine, "the norm keeps its weights"
        torch.testing.assert_close(after(volumes), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [(1,), (3, 7), (1, 130)])
def test_packed_layers_compute_the_same(dtype, tolerance, bias, rows):
    if not can_pack(dtype):
        pytest.skip(f"this machine cannot pack {dtype}")
    torch.manual_seed(0)
    linear = torch.nn.Linear(48, 80, bias=bias).to(dtype)
    x = torch.randn(*rows, 48).to(dtype)
    with torch.inference_mode():
        torch.testing.assert_close(PackedLinear(linear)(x), linear(x), rtol=tolerance, atol=tolerance)


def test_all_layers_but_tied_word_embeddings_are_packed(model):
    fused = fuse(copy.deepcopy(model))
    names = {name for name, layer in fused.named_modules() if isinstance(layer, torch.nn.Linear)}
    assert names == set() and not model.config.language.tie_word_embeddings
    tied = dataclasses.replace(model.config.language, tie_word_embeddings=True, lora=None)
    fused = fuse(Reg2RG(dataclasses.replace(model.config, language=tied)))
    assert {n for n, m in fused.named_modules() if isinstance(m, torch.nn.Linear)} == {"lang_model.lm_head"}


def test_without_the_private_operators_layers_remain_linear_and_compute_the_same(model, monkeypatch):
    embeddings = torch.randn(1, 12, model.config.language.hidden_size)
    packed = fuse(copy.deepcopy(model))
    monkeypatch.setattr(fusing, "can_pack", lambda dtype: False)
    plain = fuse(copy.deepcopy(model))
    assert not any(isinstance(layer, PackedLinear) for layer in plain.modules())
    with torch.inference_mode():
        expected, actual = (m.causal_lm(inputs_embeds=embeddings).logits for m in (packed, plain))
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_cpu_that_refuses_the_operators_cannot_pack(monkeypatch):
    def refuse(weight):
        raise RuntimeError("mkldnn_reorder_linear_weight: bf16 path needs the cpu support avx512bw")

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", refuse)
    can_pack.cache_clear()
    try:
        assert not can_pack(torch.bfloat16) and not can_pack(torch.float32)
    finally:
        can_pack.cache_clear()

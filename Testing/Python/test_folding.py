"""Folded weights compute what the unfolded ones do."""

from __future__ import annotations

import copy
import dataclasses

import pytest
import torch
from parity import small_config
from tiny_model import tiny_model

from reg2rg.models.folding import fold
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


def test_three_equal_channels_fold_into_one_to_1e_5(model):
    volumes = torch.rand(1, 64, 64, 16) * 2 - 1
    folded = fold(copy.deepcopy(model)).embedding_layer.vision_encoder
    plain = model.embedding_layer.vision_encoder
    assert folded.to_patch_embedding[2].in_features * 3 == plain.to_patch_embedding[2].in_features
    with torch.inference_mode():
        expected, actual = plain.to_patch_embedding(volumes), folded.to_patch_embedding(volumes)
        assert expected.std() > 0.1
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)


def test_lora_folds_into_its_layers_to_1e_5(model):
    embeddings = torch.randn(1, 12, model.config.language.hidden_size)
    folded = fold(copy.deepcopy(model))
    assert not any("lora_" in name for name, _ in folded.named_parameters())
    with torch.inference_mode():
        expected, actual = (m.causal_lm(inputs_embeds=embeddings).logits for m in (model, folded))
        without = _without_lora(model)(inputs_embeds=embeddings).logits
    assert (without - expected).abs().max() > 0.01, "LoRA does something here"
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def _without_lora(model: Reg2RG):
    return copy.deepcopy(model.lang_model).unload()


@pytest.mark.parametrize("stem", ["patch", "conv"])
def test_stems_of_one_channel_are_left_alone(stem):
    model = tiny_model(taught=False)
    vision = dataclasses.replace(model.config.vision, stem=stem)
    model.embedding_layer.vision_encoder = VisionTransformer(vision)
    before = list(model.embedding_layer.vision_encoder.to_patch_embedding)
    assert list(fold(model).embedding_layer.vision_encoder.to_patch_embedding) == before

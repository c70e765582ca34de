"""A model for tests: the published classes at a size that learns to write two sentences within seconds."""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import torch

from reg2rg.checkpoints.saving import save_model
from reg2rg.models.config import (
    FindingConfig,
    LanguageConfig,
    ModelConfig,
    PerceiverConfig,
    PreprocessingConfig,
    VisionConfig,
)
from reg2rg.models.reg2rg import PromptFeatures, Reg2RG
from reg2rg.prompting import training_ids
from reg2rg.training.tokenizers import train_tokenizer

SENTENCES = "The lungs are clear. No nodule is seen."
RECOGNIZED = "lung"


def tiny_config(vocab_size: int, slots: int, findings: FindingConfig | None = None) -> ModelConfig:
    """Return the config of a model with a few thousand weights and ``slots`` regions per prompt."""
    crop = (16, 16, 16)
    small = dict(patch_size=(8, 8, 8), channels=1, depth=1, heads=2, dim_head=8, dropout=0.0, positions="sine")
    return ModelConfig(
        name="tiny",
        preprocessing=PreprocessingConfig(image_size=crop, texture_size=crop, mask_size=crop),
        vision=VisionConfig(table_size=crop, dim=24, mlp_dim=32, **small),
        mask=VisionConfig(table_size=crop, dim=12, mlp_dim=16, **small),
        perceiver=PerceiverConfig(latents=2, depth=1, heads=2, dim_head=8, ff_mult=1),
        language=LanguageConfig(
            vocab_size=vocab_size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            num_attention_heads=4,
            num_key_value_heads=4,
            max_position_embeddings=1024,
            lora=None,
        ),
        regions_per_prompt=slots,
        instruction=False,
        findings=findings,
    )


def tiny_model(slots: int = 1, *, trained: bool = True, findings: FindingConfig | None = None) -> Reg2RG:
    """Make a model that recognizes every region as the lung and writes SENTENCES about it.

    Args:
        slots: regions per prompt.
        trained: train the model; otherwise it writes nonsense up to the token limit.
        findings: its finding head, which is not trained; it must not pass cues to the language model.
    """
    return copy.deepcopy(_make(slots, trained, findings))


@functools.cache
def _make(slots: int, trained: bool, findings: FindingConfig | None) -> Reg2RG:
    """Make each model once per process; callers get copies."""
    torch.manual_seed(0)
    texts = [
        "The global information is provided as the context: . The region 0 is ",
        f"lung: {SENTENCES} ",
        " 0 1 2 3 ",
    ] * 4
    tokenizer = train_tokenizer(texts, 200)
    model = Reg2RG(tiny_config(len(tokenizer), slots, findings))
    model.tokenizer = tokenizer
    if trained:
        _train(model)
    return model.eval()


def _train(model: Reg2RG) -> None:
    slots = model.config.regions_per_prompt
    sections = [(RECOGNIZED, SENTENCES)] * slots
    ids, prompt = training_ids(model.tokenizer, model.special, sections, instruction=False)
    ids = torch.tensor([ids] * 8)
    labels = ids.clone()
    labels[:, :prompt] = -100
    shape = model.config.preprocessing.image_size
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60 * slots):
        volumes, masks = torch.rand(1 + 8 * slots, *shape) * 2 - 1, torch.rand(8 * slots, *shape)
        image = model.embedding_layer.encode_volumes(volumes[:1])[0]
        regions = model.embedding_layer.encode_regions(volumes[1:], masks)
        loss = model(ids, [PromptFeatures(image, region) for region in regions.split(slots)], labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def save_tiny_model(folder: Path, *, trained: bool = True) -> Path:
    """Save the tiny model as a model folder; return the folder."""
    save_model(
        tiny_model(trained=trained),
        folder,
        card="# tiny\n\nFor tests. It writes the same sentences about every region.\n",
    )
    return folder

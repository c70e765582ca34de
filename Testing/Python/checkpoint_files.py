"""Checkpoint files as the authors store them, with random weights, at small and full width."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from reg2rg.checkpoints.assembly import TIED
from reg2rg.models.config import LanguageConfig, LoraSettings, ModelConfig, PerceiverConfig
from reg2rg.models.reg2rg import Reg2RG
from reg2rg.training.tokenizers import train_tokenizer


def small_config() -> ModelConfig:
    """Return the published architecture, narrow and shallow; all sizes that shapes determine differ from it."""
    published = ModelConfig(name="small")
    narrow = dict(dim=6, depth=2, heads=1, mlp_dim=10)
    return replace(
        published,
        vision=replace(published.vision, **narrow),
        mask=replace(published.mask, **narrow | dict(depth=1)),
        perceiver=PerceiverConfig(latents=3, depth=2, heads=2, ff_mult=2),
        language=LanguageConfig(
            vocab_size=300,
            hidden_size=32,
            intermediate_size=24,
            num_hidden_layers=3,
            num_attention_heads=4,
            num_key_value_heads=2,
            lora=LoraSettings(rank=2),
        ),
    )


def make_state(config: ModelConfig, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
    """Make a state dict like the authors': random weights, the word embeddings twice, and rotary buffers."""
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {name: t.shape for name, t in Reg2RG(config).state_dict().items()}
    noise = torch.randn(1 << 22, dtype=dtype)
    state = {name: _repeat(noise, offset, shape) for offset, (name, shape) in enumerate(shapes.items())}
    state[TIED] = state["lang_model.base_model.model.model.embed_tokens.weight"]
    language = config.language
    half = language.hidden_size // language.num_attention_heads // 2
    for layer in range(language.num_hidden_layers):
        state[f"lang_model.base_model.model.model.layers.{layer}.self_attn.rotary_emb.inv_freq"] = torch.ones(half)
    return state


def _repeat(noise: Tensor, offset: int, shape: torch.Size) -> Tensor:
    """Fill a tensor with noise from an offset on, which is much faster than sampling it."""
    flat = torch.empty(shape.numel(), dtype=noise.dtype)
    for block in flat.split(len(noise) - offset):
        block.copy_(noise[offset : offset + len(block)])
    return flat.reshape(shape)


def write_authors_files(folder: Path) -> Path:
    """Write small versions of the published model's three files. RadFM's files contain nothing new."""
    config = replace(small_config(), language=replace(small_config().language, vocab_size=32000))
    state = make_state(config)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(state, folder / "pytorch_model.bin")
    vision, perceiver = "embedding_layer.vision_encoder.", "embedding_layer.perceiver."
    torch.save({n.removeprefix(vision): t for n, t in state.items() if vision in n}, folder / "RadFM_vit3d.pth")
    inner = {n.removeprefix(perceiver): t for n, t in state.items() if perceiver in n}
    torch.save({"perceiver": inner, "fc": {"weight": torch.zeros(5120, 6)}}, folder / "RadFM_perceiver_fc.pth")
    return folder


def save_tokenizer(folder: Path) -> Path:
    """Save a tokenizer that is small enough for the small config; return the folder."""
    train_tokenizer(["The region 0 is lung: The lungs are clear."] * 4, 200).save_pretrained(folder)
    return folder

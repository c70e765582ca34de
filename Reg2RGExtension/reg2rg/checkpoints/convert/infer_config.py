"""Infer a config from the shapes of a checkpoint's tensors.

Shapes determine widths, depths, position tables, the number of latents and the rank of LoRA. Everything else (head
widths, patch size, LoRA's alpha, rotary base, input size) is taken from the published model.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from reg2rg.models.config import LanguageConfig, LoraSettings, ModelConfig, PerceiverConfig, VisionConfig
from reg2rg.runtime.state_dict import Shape


def infer_config(shapes: Mapping[str, Shape], *, name: str, head_dim: int | None = None) -> ModelConfig:
    """Infer the config of a checkpoint.

    Args:
        shapes: our name -> shape of each tensor. Where a tensor is missing, the published size is used.
        name: name of the model.
        head_dim: width of the language model's attention heads, if known.

    Returns:
        The published config with every size that the shapes determine.
    """
    published = ModelConfig(name=name)
    language = _infer_language(_below(shapes, "lang_model."), published.language, head_dim)
    return replace(
        published,
        vision=_infer_vision(_below(shapes, "embedding_layer.vision_encoder."), published.vision),
        mask=_infer_vision(_below(shapes, "embedding_layer.mask_encoder."), published.mask),
        perceiver=_infer_perceiver(_below(shapes, "embedding_layer.perceiver."), published.perceiver),
        language=language,
    )


def list_differences(config: ModelConfig) -> list[str]:
    """List fields that differ from the published config, such as "language.num_hidden_layers 2 (published 32)"."""
    published, given = (_flatten(c.to_dict()) for c in (ModelConfig(name=config.name), config))
    names = dict.fromkeys((*published, *given))
    return [f"{n} {given.get(n)} (published {published.get(n)})" for n in names if given.get(n) != published.get(n)]


def _flatten(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        flat |= _flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def _infer_language(shapes: Mapping[str, Shape], base: LanguageConfig, head_dim: int | None) -> LanguageConfig:
    peft = "base_model.model."
    inner = {name.removeprefix(peft).replace(".base_layer.", "."): shape for name, shape in shapes.items()}
    hidden = _rows(inner, "model.norm.weight", base.hidden_size)
    head_dim = head_dim or base.hidden_size // base.num_attention_heads
    keys = _rows(inner, "model.layers.0.self_attn.k_proj.weight", hidden)
    has_lora = any(name.startswith(peft) for name in shapes)
    return replace(
        base,
        vocab_size=_rows(inner, "model.embed_tokens.weight", base.vocab_size),
        hidden_size=hidden,
        intermediate_size=_rows(inner, "model.layers.0.mlp.gate_proj.weight", base.intermediate_size),
        num_hidden_layers=_count_layers(inner, "model.layers.", base.num_hidden_layers),
        num_attention_heads=max(1, hidden // head_dim),
        num_key_value_heads=max(1, keys // head_dim),
        lora=_infer_lora(shapes, base.lora) if base.lora and has_lora else None,
    )


def _infer_lora(shapes: Mapping[str, Shape], base: LoraSettings) -> LoraSettings:
    found = {name: re.search(r"\.(\w+)\.lora_A\.default\.weight$", name) for name in shapes}
    targets = sorted({match[1] for match in found.values() if match})
    ranks = [shapes[name][0] for name, match in found.items() if match]
    return replace(base, rank=ranks[0], targets=tuple(targets)) if ranks else base


def _infer_vision(shapes: Mapping[str, Shape], base: VisionConfig) -> VisionConfig:
    inner = _rows(shapes, "transformer.layers.0.0.fn.to_qkv.weight", 3 * base.heads * base.dim_head) // 3
    axes = zip(("row", "col", "dep"), base.patch_size, base.table_size, strict=True)
    rows, columns, slices = (
        _rows(shapes, f"pos_embedding.{axis}_embed.weight", size // patch) * patch for axis, patch, size in axes
    )
    return replace(
        base,
        table_size=(rows, columns, slices),
        dim=_rows(shapes, "to_patch_embedding.2.weight", base.dim),
        depth=_count_layers(shapes, "transformer.layers.", base.depth),
        heads=max(1, inner // base.dim_head),
        mlp_dim=_rows(shapes, "transformer.layers.0.1.fn.net.0.weight", base.mlp_dim),
    )


def _infer_perceiver(shapes: Mapping[str, Shape], base: PerceiverConfig) -> PerceiverConfig:
    dim = _rows(shapes, "norm.weight", 1)
    return replace(
        base,
        latents=_rows(shapes, "latents", base.latents),
        depth=_count_layers(shapes, "layers.", base.depth),
        heads=max(1, _rows(shapes, "layers.0.0.to_q.weight", base.heads * base.dim_head) // base.dim_head),
        ff_mult=max(1, _rows(shapes, "layers.0.1.1.weight", base.ff_mult * dim) // dim),
    )


def _below(shapes: Mapping[str, Shape], prefix: str) -> dict[str, Shape]:
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}


def _rows(shapes: Mapping[str, Shape], name: str, default: int) -> int:
    shape = shapes.get(name)
    return max(1, shape[0]) if shape else default


def _count_layers(shapes: Mapping[str, Shape], prefix: str, default: int) -> int:
    """Return one more than the highest layer number below a prefix, so that gaps appear as missing tensors."""
    numbers = [re.match(r"(\d{1,3})\.", name.removeprefix(prefix)) for name in shapes if name.startswith(prefix)]
    return max((int(number[1]) + 1 for number in numbers if number), default=default)

"""The language model: any LLaMA-family causal language model from transformers, with LoRA from peft."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from reg2rg.errors import InputError
from reg2rg.models.config import LanguageConfig, LoraSettings
from reg2rg.runtime.third_party import import_peft, import_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

transformers = import_transformers()

LanguageModel = Any
"""A transformers PreTrainedModel or, with LoRA, a PeftModel around one, which forwards attribute access."""

LLAMA_FAMILY = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "granite")
"""Supported architectures: RMSNorm, rotary position embedding, gated MLP, grouped-query attention."""

_SHARED_FIELDS = {field.name for field in dataclasses.fields(LanguageConfig)} - {
    "config_overrides",
    "lora",
    "rope_theta",
}
"""Fields of LanguageConfig that have the same name in transformers' config."""

_TRAINING_FIELDS = {"initializer_range", "attention_dropout", "use_cache", "pretraining_tp"}
"""Fields of transformers' config that do not affect what the model computes."""


def build_language_model(config: LanguageConfig) -> LanguageModel:
    """Build a language model with random weights and, if configured, LoRA.

    Args:
        config: architecture and LoRA.

    Returns:
        The model, wrapped by peft if it has LoRA.

    Raises:
        InputError: the architecture is not supported.
    """
    described = to_transformers_config(config)
    model = transformers.AutoModelForCausalLM.from_config(described, trust_remote_code=False)
    return add_lora(model, config.lora)


def add_lora(model: PreTrainedModel, lora: LoraSettings | None) -> LanguageModel:
    """Add new LoRA adapters to a model, which have no effect until they are trained; None returns it unchanged."""
    if lora is None:
        return model
    peft = import_peft()
    return peft.get_peft_model(
        model,
        peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(lora.targets),
        ),
    )


def rebuild_rotary_tables(model: nn.Module, config: LanguageConfig, device: str) -> None:
    """Recompute the rotary tables, which are not stored, after a model was created on the meta device."""
    for module in model.modules():
        if hasattr(module, "rotary_emb"):
            module.rotary_emb = type(module.rotary_emb)(to_transformers_config(config)).to(device)


def to_transformers_config(config: LanguageConfig) -> PreTrainedConfig:
    """Convert a language model's configuration to a transformers configuration.

    Args:
        config: the configuration.

    Returns:
        The transformers configuration.

    Raises:
        InputError: the architecture is not supported, or it has no field of that name.
    """
    allowed = _architecture_fields(config.model_type)
    overrides = config.config_overrides
    if not isinstance(overrides, Mapping) or not overrides.keys() <= allowed:
        raise InputError(
            f"config_overrides of the language model is {overrides!r}; expected fields of {config.model_type}: "
            f"{', '.join(sorted(allowed))}."
        )
    values = {name: getattr(config, name) for name in _SHARED_FIELDS}
    if config.head_dim is None:
        del values["head_dim"]  # not a field of every architecture
    rope = {"rope_type": "default", "rope_theta": config.rope_theta, **overrides.get("rope_parameters", {})}
    return transformers.AutoConfig.for_model(**{**values, **overrides, "rope_parameters": rope})


def from_transformers_config(source: PreTrainedConfig, tokenizer: Any, lora: LoraSettings | None) -> LanguageConfig:
    """Convert the configuration of a transformers language model.

    Args:
        source: the transformers configuration.
        tokenizer: the model's tokenizer, which determines the special tokens. A padding token that also ends texts is
            ignored, because transformers would never train its embedding.
        lora: LoRA to add to the model.

    Returns:
        The configuration.

    Raises:
        InputError: the architecture is not supported.
    """
    allowed = _architecture_fields(source.model_type)
    values = source.to_dict()
    rope = dict(values["rope_parameters"])
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    config = LanguageConfig(
        **{
            **{name: values.get(name) for name in _SHARED_FIELDS},
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": eos,
            "pad_token_id": pad if pad != eos else None,
        },
        rope_theta=rope.pop("rope_theta"),
        lora=lora,
    )
    defaults = to_transformers_config(config).to_dict()
    overrides = {name: values[name] for name in sorted(allowed - {"rope_parameters"}) if values[name] != defaults[name]}
    if rope != {"rope_type": "default"}:
        overrides["rope_parameters"] = rope
    return dataclasses.replace(config, config_overrides=overrides)


def _architecture_fields(model_type: str) -> set[str]:
    """Return the names allowed in ``config_overrides``: fields that the architecture itself declares."""
    if model_type not in LLAMA_FAMILY:
        raise InputError(f"Unknown type of language model {model_type!r}; expected one of: {', '.join(LLAMA_FAMILY)}.")
    general = transformers.PreTrainedConfig().to_dict().keys()
    specific = set(transformers.AutoConfig.for_model(model_type).to_dict())
    return specific - general - _SHARED_FIELDS - _TRAINING_FIELDS

"""The language model: any LLaMA-family causal LM that transformers builds, with LoRA from peft."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn

from reg2rg.errors import InputError
from reg2rg.models.config import LanguageConfig, LoraSettings
from reg2rg.runtime.third_party import import_transformers

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

transformers = import_transformers()

LLAMA_FAMILY = ("llama", "mistral", "qwen2", "qwen3", "smollm3", "granite")
"""Architectures that are built, each tested: RMSNorm, rotary positions, gated MLP, grouped heads."""

_OURS = {field.name for field in dataclasses.fields(LanguageConfig)} - {"other", "lora", "rope_theta"}
"""Fields that transformers' config has under the same name."""

_OF_TRAINING = {"initializer_range", "attention_dropout", "use_cache", "pretraining_tp"}
"""Fields of transformers' config that say nothing about what the model computes."""


def build_language_model(config: LanguageConfig) -> nn.Module:
    """A language model of this shape with fresh weights, wrapped in LoRA if the config has it."""
    return with_lora(transformers.AutoModelForCausalLM.from_config(transformers_config(config)), config.lora)


def with_lora(model: nn.Module, lora: LoraSettings | None) -> nn.Module:
    """The model wrapped in fresh LoRA, which changes nothing before it is trained; as it is for None."""
    if lora is None:
        return model
    from peft import LoraConfig, get_peft_model

    return get_peft_model(
        model,
        LoraConfig(
            task_type="CAUSAL_LM",
            r=lora.rank,
            lora_alpha=lora.alpha,
            lora_dropout=lora.dropout,
            target_modules=list(lora.targets),
        ),
    )


def rebuild_rotary_tables(model: nn.Module, config: LanguageConfig, device: str) -> None:
    """Recompute the rotary tables, which no checkpoint stores, after building on the meta device."""
    for module in model.modules():
        if hasattr(module, "rotary_emb"):
            module.rotary_emb = type(module.rotary_emb)(transformers_config(config)).to(device)


def transformers_config(config: LanguageConfig) -> PreTrainedConfig:
    """Transformers' own config; InputError for an architecture or a field that is not of the LLaMA family."""
    allowed = _architecture_fields(config.model_type)
    if not isinstance(config.other, Mapping) or not config.other.keys() <= allowed:
        raise InputError(
            f"other of the model's language model is {config.other!r}; expected fields of {config.model_type}: "
            f"{', '.join(sorted(allowed))}."
        )
    values = {name: getattr(config, name) for name in _OURS}
    if config.head_dim is None:
        del values["head_dim"]  # some architectures have no such field
    rope = {"rope_type": "default", "rope_theta": config.rope_theta, **config.other.get("rope_parameters", {})}
    return transformers.AutoConfig.for_model(**{**values, **config.other, "rope_parameters": rope})


def language_config(source: PreTrainedConfig, tokenizer: Any, lora: LoraSettings | None) -> LanguageConfig:
    """Our description of a language model of transformers; the tokenizer has the last word on special tokens.

    A padding token that ends texts as well is left out: transformers would never train its embedding.
    """
    allowed = _architecture_fields(source.model_type)
    values = source.to_dict()
    rope = dict(values["rope_parameters"])
    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    config = LanguageConfig(
        **{
            **{name: values.get(name) for name in _OURS},
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": eos,
            "pad_token_id": pad if pad != eos else None,
        },
        rope_theta=rope.pop("rope_theta"),
        lora=lora,
    )
    usual = transformers_config(config).to_dict()
    other = {name: values[name] for name in sorted(allowed - {"rope_parameters"}) if values[name] != usual[name]}
    if rope != {"rope_type": "default"}:
        other["rope_parameters"] = rope
    return dataclasses.replace(config, other=other)


def _architecture_fields(model_type: str) -> set[str]:
    """Names that ``LanguageConfig.other`` may hold: no more than the architecture itself declares."""
    if model_type not in LLAMA_FAMILY:
        raise InputError(f"The language model is of type {model_type!r}; expected one of {', '.join(LLAMA_FAMILY)}.")
    general = transformers.PreTrainedConfig().to_dict().keys()
    return set(transformers.AutoConfig.for_model(model_type).to_dict()) - general - _OURS - _OF_TRAINING

"""The language model: a LLaMA-family causal LM from transformers, with LoRA from peft."""

from __future__ import annotations

from torch import nn

from reg2rg.models.config import LanguageConfig, LoraSettings
from reg2rg.torchvision_ops import declare_torchvision_ops

declare_torchvision_ops()  # before transformers, which imports torchvision where it is installed

from transformers import LlamaConfig, LlamaForCausalLM  # noqa: E402
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding  # noqa: E402

BOS_ID = 1
EOS_ID = 2
PAD_ID = 0


def build_language_model(config: LanguageConfig) -> nn.Module:
    """A LLaMA of this shape with fresh weights, wrapped in LoRA if the config has it."""
    model = LlamaForCausalLM(_llama_config(config))
    return model if config.lora is None else _with_lora(model, config.lora)


def rebuild_rotary_tables(model: nn.Module, config: LanguageConfig) -> None:
    """Recompute the rotary tables, which no checkpoint stores, after building on the meta device."""
    for module in model.modules():
        if hasattr(module, "rotary_emb"):
            module.rotary_emb = LlamaRotaryEmbedding(_llama_config(config))


def _llama_config(config: LanguageConfig) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        intermediate_size=config.intermediate_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        num_key_value_heads=config.num_key_value_heads,
        max_position_embeddings=config.max_position_embeddings,
        rms_norm_eps=config.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
        tie_word_embeddings=config.tie_word_embeddings,
        bos_token_id=BOS_ID,
        eos_token_id=EOS_ID,
        pad_token_id=PAD_ID,
    )


def _with_lora(model: LlamaForCausalLM, lora: LoraSettings) -> nn.Module:
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

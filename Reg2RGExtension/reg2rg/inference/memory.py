"""How much memory a report needs, computed from the model's config before anything is loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from reg2rg.models.config import ModelConfig, VisionConfig
from reg2rg.models.quantization import QUANTIZED, bytes_per_weight, quantizable_layers
from reg2rg.models.reg2rg import Reg2RG

TOKENS_OF_WORDS = (34, 80, 10)
"""Of a prompt: the preface, the instruction, what stands between two regions (reference A.5), rounded up."""


@dataclass(frozen=True)
class MemoryNeed:
    """Bytes.

    Attributes:
        weights: the model's.
        cache: keys and values of all prompts and texts, to their last token.
        activations: the largest that are alive at once, while a volume is encoded or the prompts are read.
    """

    weights: int
    cache: int
    activations: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.activations


@dataclass(frozen=True)
class ModelSize:
    """Numbers of parameters.

    Attributes:
        vision: of the vision side, with the statistics of the out-of-distribution detector.
        linear, largest: of the language model's layers that can be quantized, all of them and the largest.
        other: of the language model's other parts.
    """

    vision: int
    linear: int
    largest: int
    other: int

    @classmethod
    def of(cls, config: ModelConfig) -> ModelSize:
        with torch.device("meta"):
            model = Reg2RG(config)
        language = _count(model.lang_model)
        layers = [layer.weight.numel() for layer in quantizable_layers(model.lang_model).values()]
        statistics = sum(buffer.numel() for buffer in model.embedding_layer.buffers())
        vision = _count(model) - language + statistics
        return cls(vision, sum(layers), max(layers), language - sum(layers))

    def weights(self, precision: str) -> int:
        """Bytes of the weights: float32 for vision, 16 bits for what a quantized language model keeps whole."""
        other = bytes_per_weight("bf16" if precision in QUANTIZED else precision)
        return int(4 * self.vision + bytes_per_weight(precision) * self.linear + other * self.other)


def memory_needed(
    config: ModelConfig,
    size: ModelSize,
    precision: str,
    *,
    regions: int = 10,
    max_new_tokens: int = 500,
    parallel: bool = False,
) -> MemoryNeed:
    """What a report of so many regions needs at most.

    Args:
        max_new_tokens: of each text.
        parallel: each region has a text of its own, else each prompt has one.
    """
    per_prompt = min(regions, config.regions_per_prompt)
    prompts = math.ceil(regions / per_prompt)
    texts = regions if parallel else prompts
    prompt = prompt_tokens(config, per_prompt)
    drawn = min(max_new_tokens, config.language.max_position_embeddings - prompt)
    computed = 4 if precision == "fp32" else 2
    unpacked = 8 * size.largest if precision in QUANTIZED else 0  # to multiply by it, in float32 and a copy at worst
    prefill = prompts * prompt * _prefill_bytes_per_token(config, computed) + unpacked
    cache = (prompts * prompt + texts * drawn) * cache_bytes_per_token(config, precision)
    return MemoryNeed(size.weights(precision), cache, max(_vision_activations(config), prefill))


def gigabytes(number: int) -> str:
    """Bytes in words, in units of 10^9."""
    return f"{number / 1e9:.1f} GB" if number >= 5e7 else f"{number / 1e9:.2f} GB"


def cache_bytes_per_token(config: ModelConfig, precision: str) -> int:
    """Bytes of one token's keys and values in all layers."""
    language = config.language
    width = language.head_dim or language.hidden_size // language.num_attention_heads
    return 2 * language.num_hidden_layers * language.num_key_value_heads * width * (4 if precision == "fp32" else 2)


def prompt_tokens(config: ModelConfig, regions: int) -> int:
    """Tokens of a prompt, with as many for its words as the published tokenizer gives them."""
    preface, instruction, between = TOKENS_OF_WORDS
    latents = config.perceiver.latents
    return preface + latents + instruction * config.instruction + regions * (config.region_tokens + between)


def _prefill_bytes_per_token(config: ModelConfig, computed: int) -> int:
    """Bytes alive at once inside a layer: the MLP's gate, its activation, the product and the residual stream."""
    language = config.language
    return computed * (3 * language.intermediate_size + 4 * language.hidden_size)


def _vision_activations(config: ModelConfig) -> int:
    """Bytes alive at once while one volume is encoded: its patches before and after their norm, float32."""
    sizes = config.preprocessing
    volumes = (sizes.image_size, sizes.texture_size, *sizes.texture_sizes.values())
    return max(*(_patches(config.vision, size) for size in volumes), _patches(config.mask, sizes.mask_size))


def _patches(vision: VisionConfig, size: tuple[int, int, int]) -> int:
    voxels = math.prod(size)
    tokens = voxels // math.prod(vision.patch_size)
    return 4 * (4 * voxels * vision.channels + tokens * (4 * vision.heads * vision.dim_head + 2 * vision.mlp_dim))


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())

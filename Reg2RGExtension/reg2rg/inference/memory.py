"""Memory that a report needs, estimated from the model's configuration and the shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from reg2rg.models.config import ModelConfig, VisionConfig
from reg2rg.models.precision import QUANTIZED, bytes_per_weight
from reg2rg.runtime.state_dict import Shape

PREFACE_TOKENS, INSTRUCTION_TOKENS, SEPARATOR_TOKENS = 34, 80, 10
"""Tokens of the prompt's text with the published tokenizer, rounded up: before the image, after the last region, and
between two regions."""

_LANGUAGE = "lang_model."
"""Prefix of the language model's tensor names."""


@dataclass(frozen=True)
class Workload:
    """What a report requires of the model.

    Attributes:
        regions: number of regions.
        max_new_tokens: token limit per text.
        parallel: whether each region gets its own text, instead of one text per prompt.
    """

    regions: int = 10
    max_new_tokens: int = 500
    parallel: bool = False


@dataclass(frozen=True)
class MemoryNeed:
    """Memory that a report needs, in bytes.

    Attributes:
        weights: the model's weights.
        cache: keys and values of all prompts and texts, to their last token.
        activations: the peak while a volume is encoded or the prompts are processed.
    """

    weights: int
    cache: int
    activations: int

    @property
    def total(self) -> int:
        """Total memory in bytes."""
        return self.weights + self.cache + self.activations


@dataclass(frozen=True)
class ModelSize:
    """Numbers of parameters.

    Attributes:
        vision: vision side, including the statistics of the out-of-distribution detector.
        linear: all layers of the language model that can be quantized.
        largest_linear: the largest of these layers.
        other: other parts of the language model.
    """

    vision: int
    linear: int
    largest_linear: int
    other: int

    @classmethod
    def from_shapes(cls, shapes: Mapping[str, Shape]) -> ModelSize:
        """Count the parameters of a model.

        Args:
            shapes: name -> shape of the model's tensors, as its folder stores them.
        """
        counts = {name: math.prod(shape) for name, shape in shapes.items()}
        language = sum(count for name, count in counts.items() if name.startswith(_LANGUAGE))
        layers = [count for name, count in counts.items() if _is_quantizable(name, shapes[name])]
        return cls(sum(counts.values()) - language, sum(layers), max(layers, default=0), language - sum(layers))

    def weight_bytes(self, precision: str) -> int:
        """Return the size of the weights: float32 for vision, 16 bits for the parts that are not quantized."""
        other = bytes_per_weight("bf16" if precision in QUANTIZED else precision)
        return int(4 * self.vision + bytes_per_weight(precision) * self.linear + other * self.other)


def memory_needed(config: ModelConfig, size: ModelSize, precision: str, workload: Workload | None = None) -> MemoryNeed:
    """Return an upper bound on the memory that a report needs.

    Args:
        config: the model's configuration.
        size: the model's size.
        precision: precision of the language model.
        workload: what the report requires of the model. None stands for a report of ten regions.
    """
    workload = workload or Workload()
    per_prompt = min(workload.regions, config.regions_per_prompt)
    prompts = math.ceil(workload.regions / per_prompt)
    texts = workload.regions if workload.parallel else prompts
    prompt = prompt_tokens(config, per_prompt)
    generated = min(workload.max_new_tokens, config.language.max_position_embeddings - prompt)
    element_size = 4 if precision == "fp32" else 2
    # A quantized layer is unpacked for its product; at worst, this takes a float32 version and a copy.
    unpacked = 8 * size.largest_linear if precision in QUANTIZED else 0
    prefill = prompts * prompt * _prefill_bytes_per_token(config, element_size) + unpacked
    cache = (prompts * prompt + texts * generated) * cache_bytes_per_token(config, precision)
    return MemoryNeed(size.weight_bytes(precision), cache, max(_vision_activations(config), prefill))


def format_bytes(number: int) -> str:
    """Format a number of bytes in units of 10^9 bytes, such as "1.5 GB"."""
    return f"{number / 1e9:.1f} GB" if number >= 5e7 else f"{number / 1e9:.2f} GB"


def cache_bytes_per_token(config: ModelConfig, precision: str) -> int:
    """Return the size of one token's keys and values in all layers."""
    language = config.language
    width = language.head_dim or language.hidden_size // language.num_attention_heads
    return 2 * language.num_hidden_layers * language.num_key_value_heads * width * (4 if precision == "fp32" else 2)


def prompt_tokens(config: ModelConfig, regions: int) -> int:
    """Return the number of tokens in a prompt, assuming the published tokenizer for its text."""
    instruction = INSTRUCTION_TOKENS if config.instruction else 0
    return PREFACE_TOKENS + config.perceiver.latents + instruction + regions * (config.region_tokens + SEPARATOR_TOKENS)


def _prefill_bytes_per_token(config: ModelConfig, element_size: int) -> int:
    """Return the peak bytes inside a layer: the MLP's gate, its activation, their product and the residual."""
    language = config.language
    return element_size * (3 * language.intermediate_size + 4 * language.hidden_size)


def _vision_activations(config: ModelConfig) -> int:
    """Return the peak bytes while one volume is encoded: its float32 patches before and after their norm."""
    sizes = config.preprocessing
    volumes = (sizes.image_size, sizes.texture_size, *sizes.texture_sizes.values())
    return max(*(_patch_bytes(config.vision, size) for size in volumes), _patch_bytes(config.mask, sizes.mask_size))


def _patch_bytes(vision: VisionConfig, size: tuple[int, int, int]) -> int:
    voxels = math.prod(size)
    tokens = voxels // math.prod(vision.patch_size)
    return 4 * (4 * voxels * vision.channels + tokens * (4 * vision.heads * vision.dim_head + 2 * vision.mlp_dim))


def _is_quantizable(name: str, shape: Shape) -> bool:
    """Return whether reg2rg.models.quantization.quantizable_layers contains the layer of a tensor."""
    return (
        name.startswith(_LANGUAGE)
        and name.endswith(".weight")
        and len(shape) == 2
        and not any(part in name for part in ("embed_tokens", "lm_head", "lora_"))
    )

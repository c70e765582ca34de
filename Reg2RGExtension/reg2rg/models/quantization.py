"""Linear layers whose weights have 8 or 4 bits (bitsandbytes), and the dtype of everything else."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reg2rg.models.precision import compute_precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_OUTLIER_THRESHOLD = 6.0
"""Larger activations are multiplied in 16 bits (LLM.int8; Dettmers et al., 2022, https://arxiv.org/abs/2208.07339)."""


def compute_dtype(precision: str, device: str) -> torch.dtype:
    """Return the dtype that the language model computes in, which is also the dtype of its unquantized weights."""
    return _DTYPES[compute_precision(precision, device)]


def quantizable_layers(language_model: PreTrainedModel) -> dict[str, nn.Linear]:
    """Return the linear layers that can be quantized, by name.

    The output head and LoRA are excluded; like the embeddings, they keep 16 bits.
    """
    head = language_model.get_output_embeddings()
    return {
        name: module
        for name, module in language_model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and "lora_" not in name
    }


def quantize_linear(linear: nn.Linear, weight: Tensor, precision: str, dtype: torch.dtype, device: str) -> nn.Linear:
    """Create a frozen quantized layer.

    Args:
        linear: the layer to replace; its bias is kept.
        weight: (out_features, in_features) weights to quantize.
        precision: "8bit" or "4bit".
        dtype: type that the layer computes in.
        device: torch device.

    Returns:
        A bitsandbytes layer.
    """
    bnb: Any = importlib.import_module("bitsandbytes")
    shape = (linear.in_features, linear.out_features, False)
    layer: nn.Linear
    if precision == "8bit":
        layer = bnb.nn.Linear8bitLt(*shape, has_fp16_weights=False, threshold=_OUTLIER_THRESHOLD, device="meta")
        layer.weight = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False).to(device)
    else:
        layer = bnb.nn.Linear4bit(*shape, compute_dtype=dtype, quant_type="nf4", device="meta")
        layer.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4").to(device)
    layer.bias = linear.bias
    return layer

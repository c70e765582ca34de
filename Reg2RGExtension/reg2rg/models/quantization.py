"""Precision of the language model's weights: float32, 16 bits, or linear layers in 8 or 4 bits (bitsandbytes).

The vision side's weights are always float32, as in the published system; they are 3% of the published model. (With a
16-bit language model, they are multiplied in 16 bits; see reg2rg.inference.encoding.)
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from reg2rg.errors import InputError
from reg2rg.runtime.devices import computes_bf16

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PRECISIONS = ("fp32", "bf16", "fp16", "8bit", "4bit")
QUANTIZED = ("8bit", "4bit")

_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "8bit": 1.0, "4bit": 0.5 + 1 / 64}  # 64 weights share a 1-byte scale
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_OUTLIER_THRESHOLD = 6.0
"""Larger activations are multiplied in 16 bits (LLM.int8; Dettmers et al., 2022, https://arxiv.org/abs/2208.07339)."""


def check_precision(precision: str, device: str) -> None:
    """Check that weights of a precision can be used on a device.

    Args:
        precision: the precision.
        device: torch device.

    Raises:
        InputError: the precision is unknown or not available on the device.
    """
    if precision not in PRECISIONS:
        raise InputError(f"Unknown precision {precision!r}; expected one of: auto, {', '.join(PRECISIONS)}.")
    if precision in QUANTIZED and device.startswith("mps"):
        raise InputError(f"{precision} weights are supported on cpu and cuda, not on {device}; choose fp16.")
    if precision in QUANTIZED and not can_quantize():
        raise InputError(f"{precision} weights require bitsandbytes: pip install 'reg2rg[quantize]'.")


def can_quantize() -> bool:
    """Return whether bitsandbytes is installed."""
    return importlib.util.find_spec("bitsandbytes") is not None


def bytes_per_weight(precision: str) -> float:
    """Return the number of bytes that one weight of a linear layer takes."""
    return _BYTES[precision]


def compute_dtype(precision: str, device: str) -> torch.dtype:
    """Return the dtype that the language model computes in, which is also the dtype of its unquantized weights."""
    if precision not in QUANTIZED:
        return _DTYPES[precision]
    return _DTYPES[half_precision(device)]


def half_precision(device: str) -> str:
    """Return a device's preferred 16-bit precision: bf16 if the hardware supports it, for its float32 range."""
    if device.startswith("mps"):
        return "fp16"
    if device.startswith("cuda"):
        return "bf16" if computes_bf16(device) else "fp16"
    return "bf16"  # emulated by some CPUs, which emulate fp16 as well


def is_emulated(precision: str, device: str) -> bool:
    """Return whether a CPU only emulates the arithmetic of a precision, which is slower than float32."""
    return device == "cpu" and compute_dtype(precision, device) == torch.bfloat16 and not computes_bf16(device)


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

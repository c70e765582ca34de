"""Precision of the language model's weights: float32, 16 bits, or linear layers of 8 or 4 bits (bitsandbytes).

The vision side stays float32 in each of them, as published (reference A.3): it is a fiftieth of the published model.
(It multiplies in 16 bits where the language model does: reg2rg.inference.encoding.)
"""

from __future__ import annotations

import importlib.util

import torch
from torch import Tensor, nn

from reg2rg.errors import InputError

PRECISIONS = ("fp32", "bf16", "fp16", "8bit", "4bit")
QUANTIZED = ("8bit", "4bit")

_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "8bit": 1.0, "4bit": 0.5 + 1 / 64}  # 64 weights share a byte of scale
_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_OUTLIERS = 6.0
"""Activations beyond it are multiplied in 16 bits (LLM.int8, Dettmers et al. 2022)."""


def check_precision(precision: str, device: str) -> None:
    """InputError if weights cannot be held in that precision on that device."""
    if precision not in PRECISIONS:
        raise InputError(f"No precision is called {precision!r}; expected auto, {', '.join(PRECISIONS)}.")
    if precision in QUANTIZED and device.startswith("mps"):
        raise InputError(f"{precision} weights run on cpu and cuda, not on {device}; choose fp16.")
    if precision in QUANTIZED and not can_quantize():
        raise InputError(f"{precision} weights need bitsandbytes: pip install 'reg2rg[quantize]'.")


def can_quantize() -> bool:
    """Whether bitsandbytes is installed."""
    return importlib.util.find_spec("bitsandbytes") is not None


def bytes_of(precision: str) -> float:
    """Bytes of one weight of a linear layer."""
    return _BYTES[precision]


def compute_dtype(precision: str, device: str) -> torch.dtype:
    """Type that the language model computes in, and of those of its weights that are not quantized."""
    if precision not in QUANTIZED:
        return _DTYPES[precision]
    return _DTYPES[half_precision(device)]


def half_precision(device: str) -> str:
    """The 16-bit type that suits the device: bf16 where the hardware has it, for its range is that of float32."""
    if device.startswith("mps"):
        return "fp16"
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    return "bf16"


def quantizable_layers(language_model: nn.Module) -> dict[str, nn.Linear]:
    """Its linear layers but for the output head and LoRA, which stay as precise as the embeddings, by name."""
    head = language_model.get_output_embeddings()
    return {
        name: module
        for name, module in language_model.named_modules()
        if isinstance(module, nn.Linear) and module is not head and "lora_" not in name
    }


def quantized(linear: nn.Linear, weight: Tensor, precision: str, dtype: torch.dtype, device: str) -> nn.Linear:
    """A frozen layer that takes the place of ``linear``, holding ``weight`` in 8 or 4 bits; the bias is as it was."""
    import bitsandbytes as bnb

    shape = (linear.in_features, linear.out_features, False)
    if precision == "8bit":
        layer = bnb.nn.Linear8bitLt(*shape, has_fp16_weights=False, threshold=_OUTLIERS, device="meta")
        layer.weight = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False).to(device)
    else:
        layer = bnb.nn.Linear4bit(*shape, compute_dtype=dtype, quant_type="nf4", device="meta")
        layer.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4").to(device)
    layer.bias = linear.bias
    return layer

"""Precisions of the language model's weights: float32, 16 bits, or linear layers in 8 or 4 bits.

The vision side's weights are always float32, as in the published system; they are 3% of the published model. (With a
16-bit language model, they are multiplied in 16 bits; see reg2rg.inference.encoding.)
"""

from __future__ import annotations

import importlib.util

from reg2rg.errors import InputError
from reg2rg.runtime.devices import computes_bf16

PRECISIONS = ("fp32", "bf16", "fp16", "8bit", "4bit")
QUANTIZED = ("8bit", "4bit")

_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "8bit": 1.0, "4bit": 0.5 + 1 / 64}  # 64 weights share a 1-byte scale


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


def compute_precision(precision: str, device: str) -> str:
    """Return the precision that the language model computes in, which is also that of its unquantized weights."""
    return half_precision(device) if precision in QUANTIZED else precision


def half_precision(device: str) -> str:
    """Return a device's preferred 16-bit precision: bf16 if the hardware supports it, for its float32 range."""
    if device.startswith("mps"):
        return "fp16"
    if device.startswith("cuda"):
        return "bf16" if computes_bf16(device) else "fp16"
    return "bf16"  # emulated by some CPUs, which emulate fp16 as well


def is_emulated(precision: str, device: str) -> bool:
    """Return whether a CPU only emulates the arithmetic of a precision, which is slower than float32."""
    return device == "cpu" and compute_precision(precision, device) == "bf16" and not computes_bf16(device)

"""Choice of the device and the precision of a model: the first candidate that fits in free memory."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reg2rg.errors import InputError
from reg2rg.inference.memory import MemoryNeed, ModelSize, Workload, format_bytes, memory_needed
from reg2rg.models.config import ModelConfig
from reg2rg.models.precision import QUANTIZED, can_quantize, check_precision, half_precision, is_emulated
from reg2rg.runtime.devices import choose_device, free_memory

USABLE_SHARE = 0.95
"""Share of the free memory that is used. The rest covers what the estimate misses."""

EMULATED = "This CPU does not compute in bf16; torch emulates it, which takes several times as long."


@dataclass(frozen=True)
class Candidate:
    """A device and a precision that a model could run with."""

    device: str
    precision: str


@dataclass(frozen=True)
class Placement:
    """Where and how a model runs.

    Attributes:
        device: torch device.
        precision: precision of the language model.
        need: memory that the model is estimated to need.
        notice: message to the user if the placement differs from the first choice or is slow here; otherwise None.
    """

    device: str
    precision: str
    need: MemoryNeed
    notice: str | None


def list_candidates(device: str = "auto", precision: str = "auto", backend: str = "packed") -> list[Candidate]:
    """List the devices and precisions that may be used, best first.

    Args:
        device: name of a device, or "auto". The CPU is the last resort only for "auto".
        precision: name of a precision, or "auto".
        backend: what generates the texts, "packed" or "vllm".

    Raises:
        InputError: the device, the precision or the backend is not available, or they cannot be combined.
    """
    first = choose_device(device)
    if backend == "vllm":
        _check_vllm(first, precision)
        return [Candidate(first, half_precision(first) if precision == "auto" else precision)]
    devices = [first, "cpu"] if device == "auto" and first != "cpu" else [first]
    if precision != "auto":
        for name in devices:
            check_precision(precision, name)
        return [Candidate(name, precision) for name in devices]
    return [Candidate(name, each) for name in devices for each in _default_precisions(name)]


def place(
    config: ModelConfig,
    size: ModelSize,
    candidates: Sequence[Candidate],
    workload: Workload,
    *,
    free: Callable[[str], int] = free_memory,
) -> Placement:
    """Return the first candidate that fits in free memory.

    Args:
        config: the model's configuration.
        size: the model's size.
        candidates: devices and precisions, best first.
        workload: what the report requires of the model.
        free: function that returns the free memory of a device in bytes.

    Raises:
        InputError: no candidate fits. The message says how much memory is needed and how much is free.
    """
    needs = {candidate: memory_needed(config, size, candidate.precision, workload) for candidate in candidates}
    first = candidates[0]
    for candidate, need in needs.items():
        if need.total <= USABLE_SHARE * free(candidate.device):
            notices = []
            if candidate != first:
                shortage = _shortage(config, first, needs[first], free)
                notices.append(f"{shortage}, so it runs on {candidate.device} in {candidate.precision}.")
            if is_emulated(candidate.precision, candidate.device):
                notices.append(f"{EMULATED} If there is enough memory, --precision fp32 is faster.")
            return Placement(candidate.device, candidate.precision, need, " ".join(notices) or None)
    smallest = min(candidates, key=lambda candidate: needs[candidate].total)
    advice = "Close other programs or choose a smaller model."
    for precision in ("bf16", *QUANTIZED):
        need = memory_needed(config, size, precision, workload)
        if need.total <= USABLE_SHARE * free(smallest.device):
            advice = f"--precision {precision} would need {format_bytes(need.total)}."
            break
    raise InputError(f"{_shortage(config, smallest, needs[smallest], free)}. {advice}")


def _check_vllm(device: str, precision: str) -> None:
    """Refuse a machine without vLLM, and what vLLM cannot do."""
    if device not in ("cuda", "cuda:0"):
        raise InputError(
            f"The backend vllm requires the first visible NVIDIA GPU (device cuda), but the device is {device}; "
            "the backend packed runs on every device."
        )
    if importlib.util.find_spec("vllm") is None:
        raise InputError("The backend vllm requires vLLM: pip install 'reg2rg[vllm]'.")
    if precision in QUANTIZED:
        raise InputError(f"The backend vllm does not support {precision} weights; choose bf16 or fp16.")
    if precision != "auto":
        check_precision(precision, device)


def _default_precisions(device: str) -> list[str]:
    half = half_precision(device)
    quantized = [*QUANTIZED] if can_quantize() and not device.startswith("mps") else []
    return ["fp32", half, *quantized] if device == "cpu" else [half, *quantized]


def _shortage(config: ModelConfig, candidate: Candidate, need: MemoryNeed, free: Callable[[str], int]) -> str:
    return (
        f"{config.name} needs about {format_bytes(need.total)} in {candidate.precision}, but only "
        f"{format_bytes(free(candidate.device))} is free on {candidate.device}"
    )

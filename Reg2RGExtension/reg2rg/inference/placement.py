"""Where a model runs and in which precision: the first choice that fits into the memory that is free."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reg2rg.errors import InputError
from reg2rg.inference.memory import MemoryNeed, ModelSize, gigabytes, memory_needed
from reg2rg.models.config import ModelConfig
from reg2rg.models.quantization import QUANTIZED, can_quantize, check_precision, half_precision
from reg2rg.runtime.devices import choose_device, free_memory

MARGIN = 0.95
"""Share of the free memory that is used: the rest is for what no estimate sees."""

Choice = tuple[str, str]
"""Device and precision."""

Needed = Callable[[str], MemoryNeed]
Free = Callable[[str], int]
"""What a precision needs, and the bytes that are free on a device."""


@dataclass(frozen=True)
class Placement:
    """Where and how a model runs.

    Attributes:
        need: bytes that it is estimated to need there.
        notice: what is not as one would wish, in words for the user; None if it is the first choice.
    """

    device: str
    precision: str
    need: MemoryNeed
    notice: str | None


def choices(device: str = "auto", precision: str = "auto") -> list[Choice]:
    """What may be chosen, the best first; "auto" leaves it open. InputError if what was named is impossible here.

    The CPU is the last resort only where the device is left open.
    """
    first = choose_device(device)
    devices = [first, "cpu"] if device == "auto" and first != "cpu" else [first]
    if precision != "auto":
        for name in devices:
            check_precision(precision, name)
        return [(name, precision) for name in devices]
    return [(name, usual) for name in devices for usual in _usual_precisions(name)]


def place(
    config: ModelConfig,
    candidates: Sequence[Choice],
    *,
    free: Free = free_memory,
    **prompts: int,
) -> Placement:
    """The first of the candidates that fits; InputError says what is needed and what is free if none does.

    Args:
        free: bytes that are free on a device.
        prompts: number of regions and of new tokens, and whether texts are parallel, as of ``memory_needed``.
    """
    needed = partial(memory_needed, config, ModelSize.of(config), **prompts)
    for device, precision in candidates:
        need = needed(precision)
        if need.total <= MARGIN * free(device):
            notice = None if (device, precision) == candidates[0] else _shortage(config, candidates[0], needed, free)
            return Placement(device, precision, need, notice and f"{notice}: it runs on {device} in {precision}.")
    raise InputError(_refusal(config, candidates, needed, free))


def _usual_precisions(device: str) -> list[str]:
    half = half_precision(device)
    quantized = [*QUANTIZED] if can_quantize() and not device.startswith("mps") else []
    return ["fp32", half, *quantized] if device == "cpu" else [half, *quantized]


def _shortage(config: ModelConfig, choice: Choice, needed: Needed, free: Free) -> str:
    device, precision = choice
    return (
        f"{config.name} needs about {gigabytes(needed(precision).total)} in {precision} and "
        f"{gigabytes(free(device))} are free on {device}"
    )


def _refusal(config: ModelConfig, candidates: Sequence[Choice], needed: Needed, free: Free) -> str:
    device, precision = least = min(candidates, key=lambda choice: needed(choice[1]).total)
    smaller = [name for name in ("bf16", *QUANTIZED) if needed(name).total <= MARGIN * free(device)]
    if smaller:
        advice = f"--precision {smaller[0]} would need {gigabytes(needed(smaller[0]).total)}."
    else:
        advice = "Close other programs or choose a smaller model."
    return f"{_shortage(config, least, needed, free)}. {advice}"

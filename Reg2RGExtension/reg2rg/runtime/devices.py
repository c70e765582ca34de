"""Where torch can compute, and how much memory is free there."""

from __future__ import annotations

import os
from pathlib import Path

from reg2rg.errors import InputError

_CGROUP = Path("/sys/fs/cgroup")
"""Where Linux tells a container's limit."""


def choose_device(name: str = "auto") -> str:
    """Torch's name of the wanted device, "auto" being the first GPU or else the CPU; InputError if it is not there."""
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cuda", "mps") or (number and not number.isdecimal()):
        raise InputError(f"No device is called {name!r}; expected auto, cpu, mps, cuda or cuda:N.")
    counts = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= counts[kind]:
        raise InputError(f"There is no device {name} here; there are: {'; '.join(list_devices())}.")
    return name


def list_devices() -> list[str]:
    """The devices that are there, with their names and memory."""
    import psutil
    import torch

    devices = [f"cpu ({os.cpu_count()} cores, {_free_of('cpu', psutil.virtual_memory().total)})"]
    if torch.backends.mps.is_available():
        devices.append(f"mps ({_free_of('mps', torch.mps.recommended_max_memory())})")
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index} ({gpu.name}, {_free_of(f'cuda:{index}', gpu.total_memory)})")
    return devices


def free_memory(device: str) -> int:
    """Bytes that can still be allocated there, those included that torch holds ready."""
    import torch

    if device.startswith("cuda"):
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    if device.startswith("mps"):
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    import psutil

    return min(psutil.virtual_memory().available, _left_in_container())


def _left_in_container() -> float:
    """Bytes below the limit of the control group that we run in; without bounds where there is none."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
    except (OSError, ValueError, KeyError):  # no limit is "max"
        return float("inf")
    return limit - used + int(cached)


def _free_of(device: str, total: int) -> str:
    return f"{free_memory(device) / 2**30:.1f} of {total / 2**30:.1f} GiB free"

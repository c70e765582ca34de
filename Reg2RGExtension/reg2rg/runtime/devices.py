"""Torch devices: which exist, which one to use, and how much memory they have left."""

from __future__ import annotations

import os
from pathlib import Path

from reg2rg.errors import InputError

_CGROUP = Path("/sys/fs/cgroup")
"""Where Linux exposes the resource limits of a container (cgroup v2)."""

_DEVICE_NAMES = ("auto", "cpu", "mps", "cuda", "cuda:N")


def choose_device(name: str = "auto") -> str:
    """Resolve a user-supplied device name to one that torch accepts.

    Args:
        name: "auto", "cpu", "mps", "cuda" or "cuda:N"; "auto" means the first GPU, or the CPU if there is none.

    Returns:
        Torch's name for the device.

    Raises:
        InputError: the name is unknown, or this machine has no such device.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in ("cuda", "mps") or (number and not number.isdecimal()):
        raise InputError(f"Unknown device {name!r}; expected one of: {', '.join(_DEVICE_NAMES)}.")
    counts = {"cuda": torch.cuda.device_count(), "mps": int(torch.backends.mps.is_available())}
    if int(number or 0) >= counts[kind]:
        raise InputError(f"Device {name!r} is not available; this machine has: {'; '.join(list_devices())}.")
    return name


def list_devices() -> list[str]:
    """Describe the available devices, one string per device, with their names and memory."""
    import psutil
    import torch

    devices = [f"cpu ({os.cpu_count()} cores, {_describe_memory('cpu', psutil.virtual_memory().total)})"]
    if torch.backends.mps.is_available():
        devices.append(f"mps ({_describe_memory('mps', torch.mps.recommended_max_memory())})")
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index} ({gpu.name}, {_describe_memory(f'cuda:{index}', gpu.total_memory)})")
    return devices


def computes_bf16(device: str) -> bool:
    """Return whether the hardware computes in bf16. Elsewhere torch emulates it, which is slower than float32.

    Args:
        device: torch's name for the device, as returned by :func:`choose_device`.
    """
    import torch

    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.startswith("mps"):
        return False  # depends on the version of macOS, and torch cannot be asked
    try:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    except (AttributeError, RuntimeError):  # a build of torch without oneDNN
        return False


def free_memory(device: str) -> int:
    """Return the number of bytes that can still be allocated on a device.

    On a GPU this includes the memory that torch has reserved but does not use. On the CPU it is limited by the
    container that this process runs in, if any.

    Args:
        device: torch's name for the device, as returned by :func:`choose_device`.
    """
    import torch

    if device.startswith("cuda"):
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.startswith("mps"):
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    import psutil

    available = psutil.virtual_memory().available
    container = _container_memory()
    return available if container is None else min(available, container)


def free_share(device: str) -> float:
    """Return the share of a device's memory that can still be allocated.

    Args:
        device: torch's name for the CPU or a CUDA device.
    """
    import psutil
    import torch

    total = torch.cuda.mem_get_info(device)[1] if device.startswith("cuda") else psutil.virtual_memory().total
    return free_memory(device) / total


def _container_memory() -> int | None:
    """Bytes left below the memory limit of this process's control group; None if there is no limit."""
    try:
        limit = int((_CGROUP / "memory.max").read_text())  # "max", not a number, if there is no limit
        used = int((_CGROUP / "memory.current").read_text())
        cached = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
    except (OSError, ValueError, KeyError):
        return None
    return limit - used + int(cached)


def _describe_memory(device: str, total: int) -> str:
    return f"{free_memory(device) / 2**30:.1f} of {total / 2**30:.1f} GiB free"

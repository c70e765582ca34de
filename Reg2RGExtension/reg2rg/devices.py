"""Where torch can compute."""

from __future__ import annotations

import os

from reg2rg.errors import InputError


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
    import torch

    devices = [f"cpu ({os.cpu_count()} cores)"]
    if torch.backends.mps.is_available():
        devices.append("mps")
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        devices.append(f"cuda:{index} ({gpu.name}, {gpu.total_memory / 2**30:.0f} GiB)")
    return devices

"""Versions of the packages that a report depends on."""

from __future__ import annotations

import importlib.metadata
import platform

from reg2rg.about import __version__

_PACKAGES = (
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "vllm",
    "SimpleITK",
    "pydicom",
    "numpy",
    "TotalSegmentator",
)


def versions() -> dict[str, str]:
    """Return the versions of reg2rg, Python and the main dependencies, by package name.

    Nothing is imported; packages that are absent are listed as "not installed".
    """
    return {"reg2rg": __version__, "Python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"

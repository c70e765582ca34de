"""Lets a torchvision built for CUDA import beside a CPU build of torch.

Package registries hold torchvision for CUDA only. Beside a CPU torch its compiled operators are missing and the import
fails at their registration, taking transformers and TotalSegmentator along, neither of which calls them here.
Declaring the two operators' schemas is enough.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import warnings
from types import ModuleType

import torch

_ENVIRONMENT = {
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


def quiet_libraries() -> None:
    """To be called by a program at its start, before it imports them; what the user's environment sets stays."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    warnings.filterwarnings("ignore")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it advises on kernels and on casts at every start


_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_library: torch.library.Library | None = None


def declare_torchvision_ops() -> None:
    """Declare torchvision's operators if torch has no CUDA, torchvision is present and its own cannot be loaded."""
    global _library
    if _library is not None or torch.version.cuda or importlib.util.find_spec("torchvision") is None:
        return
    if hasattr(torch.ops.torchvision, "nms"):
        return
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in _SCHEMAS:
        _library.define(schema)


def import_transformers() -> ModuleType:
    """Import transformers, with torchvision's operators declared first.

    transformers imports torchvision where it is installed. Import transformers only through this function.
    """
    declare_torchvision_ops()
    return importlib.import_module("transformers")

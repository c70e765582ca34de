"""Lets a torchvision built for CUDA import beside a CPU build of torch.

Package registries hold torchvision for CUDA only. Beside a CPU torch its compiled operators are missing and the import
fails at their registration, taking transformers and TotalSegmentator along, neither of which calls them here.
Declaring the two operators' schemas is enough.
"""

from __future__ import annotations

import importlib.util

import torch

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

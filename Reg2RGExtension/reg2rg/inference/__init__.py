"""Inference: from region tensors to one section of text per region.

Files, in the order data flows:

    memory           estimate how much memory a report needs
    placement        choose the device and the precision that a model runs with
    fusing           simplify a loaded model for inference
    encoding         encode volumes and masks as tokens, each only once
    detection        turn the finding head's output into findings
    localization     turn finding maps into locations in the volume
    sampling         choose the next token
    backend          the protocol of what generates texts after prompts, token by token
    packed_sequence  prompts and texts as one sequence with one key-value cache
    packed_backend   the first backend, with a packed sequence
    vllm_backend     the second backend, with vLLM
    sections         split a growing text into sections
    generator        all of the above; the class that the pipeline calls

There are two ways to generate. The published way writes all regions of a prompt as one text. The parallel way writes
one text per region, all at once: each begins with "The region i is" and continues the prompt independently of the
others. A model must have been trained for the parallel way (docs/speed.md).

``memory`` and ``placement`` need neither torch nor transformers, which take seconds to import. So the names below are
imported when they are first used (PEP 562).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reg2rg.inference.detection import DetectedRegion
    from reg2rg.inference.generator import ReportGenerator
    from reg2rg.inference.localization import LocatedFindings, Outline, locate_findings
    from reg2rg.inference.sampling import SamplingConfig
    from reg2rg.inference.sections import GeneratedSection

__all__ = [
    "DetectedRegion",
    "GeneratedSection",
    "LocatedFindings",
    "Outline",
    "ReportGenerator",
    "SamplingConfig",
    "locate_findings",
]

_FILES = {
    "DetectedRegion": "detection",
    "GeneratedSection": "sections",
    "LocatedFindings": "localization",
    "Outline": "localization",
    "ReportGenerator": "generator",
    "SamplingConfig": "sampling",
    "locate_findings": "localization",
}


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_FILES[name]}"), name)

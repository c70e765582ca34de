"""Inference: from region tensors to one section of text per region.

Files, in the order data flows:

    memory           how much memory a report needs
    placement        on which device and in which precision a model runs
    fusing           simplify a loaded model for inference
    encoding         volumes and masks to tokens, each computed once
    detection        the finding head's output to findings
    localization     finding maps to locations in the volume
    packed_sequence  prompts and texts as one sequence with one key-value cache
    sampling         choose the next token
    decoding         texts grow token by token
    sections         a growing text as sections
    generator        all of it; the class that the pipeline calls

There are two ways to generate. The published one writes all regions of a prompt as one text. The other writes one text
per region: each begins with "The region i is", continues the prompt independently of the others, and all are written at
once. A model must have been trained for the second way (docs/speed.md).
"""

from reg2rg.inference.detection import DetectedRegion
from reg2rg.inference.generator import ReportGenerator
from reg2rg.inference.localization import LocatedFindings, Outline, locate_findings
from reg2rg.inference.sampling import SamplingConfig
from reg2rg.inference.sections import GeneratedSection, TextToken

__all__ = [
    "DetectedRegion",
    "GeneratedSection",
    "LocatedFindings",
    "Outline",
    "ReportGenerator",
    "SamplingConfig",
    "TextToken",
    "locate_findings",
]

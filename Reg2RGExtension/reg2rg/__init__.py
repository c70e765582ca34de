"""Draft chest CT reports in which every section is tied to a region of the image (Reg2RG, IEEE TMI 2025).

The public Python API. Everything else is internal and may change.

    generate_report  generate a draft report for a chest CT
    segment          segment the regions of a chest CT
    measure          measure a chest CT: volumes, densities and diameters
    load_report      read a report folder
    region_features  encode the regions as the tokens that the language model reads
    sample_case      paths of the sample CT and its regions
    Report           a report: sections, findings, text, masks
    RegionMasks      the mask of each region
    ReportRequest    all options for generating a report

Examples:
    >>> import reg2rg
    >>> ct, regions = reg2rg.sample_case()
    >>> report = reg2rg.generate_report(ct, regions_file=regions, progress=False)
    >>> report.section("heart").recognized
    'heart'

The packages of the engine, in the order in which they may import each other:

    about, errors, regions, runtime             shared by all packages
    volumes, segmentation, preprocessing        from a CT to the model's tensors
    measurements                                numbers read off the image
    labeler, report                             what a text says, and what a report contains
    prompting, models, checkpoints, hub         the network and model folders
    inference                                   from tensors to text and located findings
    exports, pipeline                           the files of a report, and the complete run
    cli, worker, api                            front ends

``training``, ``evaluation``, ``benchmark`` and ``phantom`` are never imported by these. Nothing here imports slicer,
qt, ctk or vtk.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reg2rg.about import DRAFT_LABEL, __version__

if TYPE_CHECKING:
    from reg2rg.api import generate_report, load_report, measure, region_features, sample_case, segment
    from reg2rg.pipeline.request import ReportRequest
    from reg2rg.report import Report
    from reg2rg.segmentation import RegionMasks

__all__ = [
    "DRAFT_LABEL",
    "RegionMasks",
    "Report",
    "ReportRequest",
    "__version__",
    "generate_report",
    "load_report",
    "measure",
    "region_features",
    "sample_case",
    "segment",
]

_PUBLIC = {
    "generate_report": "reg2rg.api",
    "load_report": "reg2rg.api",
    "measure": "reg2rg.api",
    "region_features": "reg2rg.api",
    "sample_case": "reg2rg.api",
    "segment": "reg2rg.api",
    "Report": "reg2rg.report",
    "RegionMasks": "reg2rg.segmentation",
    "ReportRequest": "reg2rg.pipeline.request",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import reg2rg`` is fast (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'reg2rg' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})

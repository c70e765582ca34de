"""A report folder of a phantom: perfect findings, measurements, and texts that name what was planted."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk
from perfect_detection import locate_planted, phantom_with_a_nodule
from test_report import generated, provenance

from reg2rg.exports.segmentation_nrrd import write_outlines, write_regions
from reg2rg.measurements import measure
from reg2rg.measurements.evidence import with_findings
from reg2rg.phantom import PhantomCase
from reg2rg.report import (
    FINDINGS_FILE,
    REGIONS_FILE,
    REPORT_FILE,
    OutOfDistribution,
    Report,
    ReportBuilder,
    load_report,
)
from reg2rg.segmentation.structures_from_regions import find_structures


def write_phantom_report(folder: Path, *, out_of_distribution: bool = False) -> tuple[Report, Path]:
    """Write a CT and its report.

    Args:
        folder: an existing folder. The CT becomes ``ct.nrrd`` in it, the report folder ``report``.
        out_of_distribution: whether the model's text is hidden.

    Returns:
        The report, read from its folder, and the file of the CT.
    """
    phantom = phantom_with_a_nodule()
    sitk.WriteImage(phantom.volume, str(folder / "ct.nrrd"))
    report = folder / "report"
    report.mkdir()
    write_regions(phantom.masks, report / REGIONS_FILE)
    (report / REPORT_FILE).write_text(_report(phantom, report, out_of_distribution).to_json(), encoding="utf-8")
    return load_report(report), folder / "ct.nrrd"


def _report(phantom: PhantomCase, folder: Path, out_of_distribution: bool) -> Report:
    located = locate_planted(phantom)
    write_outlines(located.outlines, phantom.volume, folder / FINDINGS_FILE)
    evidence = measure(phantom.volume, find_structures(phantom.volume, phantom.masks), phantom.masks)
    evidence = with_findings(evidence, phantom.volume, located.outlines, ("Lung nodule",))
    builder = ReportBuilder(
        phantom.volume,
        phantom.masks,
        detected=located.findings,
        evidence=evidence,
        out_of_distribution=OutOfDistribution(3.0, 1.2) if out_of_distribution else None,
    )
    texts = [generated(name, phantom.sections[name], name) for name in phantom.masks.present]
    return builder.report(texts, provenance(phantom.volume), phantom.masks.missing)

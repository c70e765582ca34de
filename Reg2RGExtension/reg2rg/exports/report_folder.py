"""The report folder: report.json, report.txt, regions.seg.nrrd, findings.seg.nrrd, preview.png."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from reg2rg.exports.preview import write_preview
from reg2rg.exports.text import to_text
from reg2rg.report import Report
from reg2rg.segmentation.masks import RegionMasks

SEGMENTATION_FILE = "regions.seg.nrrd"
FINDINGS_FILE = "findings.seg.nrrd"
REPORT_FILE = "report.json"


def write_report_folder(report: Report, volume: sitk.Image, masks: RegionMasks, folder: Path) -> None:
    """Write the forms of a report into an existing folder (one that ``staging.staged_output`` then moves into place).

    Its regions and findings are written where they are found: as SEGMENTATION_FILE, by ``write_segmentation``, and as
    FINDINGS_FILE, by ``write_findings``.
    """
    write_preview(report, volume, masks, folder / "preview.png")
    (folder / "report.txt").write_text(to_text(report), encoding="utf-8")
    (folder / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")

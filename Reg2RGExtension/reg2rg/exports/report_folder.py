"""The report folder: report.json, report.txt, preview.png, and segmentations of regions, structures and findings."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from reg2rg.exports.preview import write_preview
from reg2rg.report import PREVIEW_FILE, REPORT_FILE, TEXT_FILE, Report
from reg2rg.segmentation import RegionMasks


def write_report_folder(report: Report, volume: sitk.Image, masks: RegionMasks, folder: Path) -> None:
    """Write a report as JSON, text and preview.

    The pipeline writes the segmentations earlier, as soon as they are available.

    Args:
        report: the report.
        volume: the CT in HU.
        masks: the region masks.
        folder: an existing folder.
    """
    write_preview(report, volume, masks, folder / PREVIEW_FILE)
    (folder / TEXT_FILE).write_text(report.to_text(), encoding="utf-8")
    (folder / REPORT_FILE).write_text(report.to_json(), encoding="utf-8")

"""One of the two CTs that are compared, or what the report of one says."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from reg2rg.measurements import Evidence
from reg2rg.report import Finding, Report, report_content
from reg2rg.report.after_review import after_decisions
from reg2rg.segmentation import RegionMasks
from reg2rg.volumes.geometry import image_like


@dataclass(frozen=True)
class ComparedScan:
    """One of two CTs to compare.

    Attributes:
        masks: its regions.
        volume: image in HU on the same grid; None if only a report of the CT is known.
        findings: region -> findings that its draft states. None if the CT is unlike the model's training data, so that
            its findings are not compared.
        evidence: what was measured; None if nothing was.
    """

    masks: RegionMasks
    volume: sitk.Image | None
    findings: Mapping[str, Sequence[Finding]] | None
    evidence: Evidence | None

    @functools.cached_property
    def lungs(self) -> sitk.Image:
        """Mask of the lungs."""
        return image_like(self.masks.array("lung").astype(np.uint8), self.masks.bits)


def described_scan(report: Report) -> ComparedScan:
    """Return what a report says about its CT, after its review.

    Args:
        report: a report with a folder, which contains the regions.
    """
    decisions = report.review.measurements if report.review is not None else {}
    _, evidence = after_decisions(report.sections, report.evidence, decisions)
    hidden = any(section.model_text_hidden for section in report.sections)
    findings = None if hidden else {section.region: section.findings for section in report_content(report).sections}
    return ComparedScan(report.masks, None, findings, evidence)

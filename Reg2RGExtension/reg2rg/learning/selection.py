"""Which reports a model learns from, where their CTs are, and which of them are held out."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.learning.ct_search import find_cts
from reg2rg.report import Report, load_report
from reg2rg.report.report_folders import LeftOut, read_reports, without_amended
from reg2rg.report.reviewed_findings import reviewed_findings, reviewed_text
from reg2rg.training.config import ReviewedCase

VALIDATION_SHARE = 0.2
"""Share of the reports that are not held out by which training is stopped and calibrated."""


@dataclass(frozen=True)
class ReviewedReport:
    """A signed report from which a model can learn.

    Attributes:
        case: the report folder and its CT.
        report: the report.
        patient: what all reports of one patient share. If no header names the patient, one CT counts as one patient.
    """

    case: ReviewedCase
    report: Report
    patient: str


@dataclass(frozen=True)
class Selection:
    """The reports that count, and the others.

    Attributes:
        reports: the reports that count.
        left_out: the reports that do not count.
    """

    reports: tuple[ReviewedReport, ...]
    left_out: LeftOut

    @property
    def message(self) -> str:
        """Which reports are left out and why, in one line; empty if none is."""
        return self.left_out.message(len(self.reports))


@dataclass(frozen=True)
class Split:
    """Reports of different patients."""

    training: tuple[ReviewedReport, ...]
    validation: tuple[ReviewedReport, ...]
    held_out: tuple[ReviewedReport, ...]


def select_reports(paths: Sequence[Path], cts: Path) -> Selection:
    """Find the signed reports whose CT is in a folder.

    Args:
        paths: report folders, or folders that contain some at any depth.
        cts: folder of CTs.

    Raises:
        InputError: a folder does not exist or contains no report.
    """
    left_out = LeftOut()
    signed: dict[Path, Report] = {}
    for folder, report in read_reports(paths, left_out).items():
        if report.signed:
            signed[folder] = report
        else:
            left_out.add("not signed", folder)
    current = without_amended(signed)
    hashes = {report.provenance.volume_sha256 for report in signed.values()} - {""}
    found = find_cts(cts, hashes)
    reports = []
    for folder, report in signed.items():
        digest = report.provenance.volume_sha256
        if folder not in current:
            left_out.add("amended by another", folder)
        elif not digest:
            left_out.add("from a version that does not record its CT", folder)
        elif digest not in found:
            left_out.add("whose CT was not found", folder)
        elif not _has_regions(folder):
            left_out.add("without readable regions", folder)
        elif not _says_something(report):
            left_out.add("without a text or finding to learn from", folder)
        else:
            ct = found[digest]
            case = ReviewedCase(folder, ct.path, ct.series)
            reports.append(ReviewedReport(case, report, f"patient {ct.patient}" if ct.patient else digest))
    return Selection(tuple(reports), left_out)


def split_by_patient(reports: Sequence[ReviewedReport], held_out: float, seed: int) -> Split:
    """Split reports so that no patient, and no CT, is in two parts.

    Args:
        reports: the reports.
        held_out: share of the patients to hold out.
        seed: random seed; the same seed gives the same split.

    Raises:
        InputError: there are fewer than three patients.
    """
    patients: dict[str, list[ReviewedReport]] = defaultdict(list)
    for report in sorted(reports, key=lambda each: each.report.provenance.volume_sha256):
        patients[report.patient].append(report)
    if len(patients) < 3:
        count = f"{len(patients)} patient{'' if len(patients) == 1 else 's'}"
        raise InputError(
            f"There are usable signed reports of {count}; expected at least 3, because some are held out. Patients are "
            "told apart by the patient IDs of DICOM headers, otherwise by CT."
        )
    order = sorted(patients)
    random.Random(seed).shuffle(order)
    held = min(max(1, round(held_out * len(order))), len(order) - 2)
    validating = max(1, round(VALIDATION_SHARE * (len(order) - held)))
    parts = order[held + validating :], order[held : held + validating], order[:held]
    return Split(*(tuple(report for patient in part for report in patients[patient]) for part in parts))


def _says_something(report: Report) -> bool:
    findings = reviewed_findings(report)
    return any(findings[section.region] or reviewed_text(report, section.region) for section in report.sections)


def _has_regions(folder: Path) -> bool:
    try:
        return bool(load_report(folder).masks.present)  # of a copy, because a report keeps its masks
    except (InputError, OSError):
        return False

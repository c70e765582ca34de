"""The reports in folders, each once, and which versions of a report were amended by later ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.report.report import REPORT_FILE, Report
from reg2rg.report.review import Signature
from reg2rg.report.seal import ChangedReportError
from reg2rg.report.serialization import load_report

_SHOWN_NAMES = 10
"""Most names that a message lists for one reason."""


class LeftOut(dict[str, list[str]]):
    """Reports that do not count: reason -> names of the report folders."""

    def add(self, reason: str, folder: Path) -> None:
        """Add a report."""
        self.setdefault(reason, []).append(folder.name)

    def message(self, counted: int) -> str:
        """Return which reports are left out and why, in one line; empty if none is.

        Args:
            counted: number of reports that count.
        """
        count = sum(map(len, self.values()))
        if not count:
            return ""
        total = count + counted
        reasons = "; ".join(f"{len(names)} {reason} ({_some(names)})" for reason, names in self.items())
        subject = f"{count} of {total} report{'' if total == 1 else 's'}"
        return f"{subject} {'is' if count == 1 else 'are'} left out: {reasons}."


def read_reports(paths: Iterable[Path], left_out: LeftOut) -> dict[Path, Report]:
    """Read reports. Of several copies, the first counts.

    Args:
        paths: report folders, or folders that contain some at any depth.
        left_out: receives the copies, and the reports that cannot be read.

    Returns:
        Report folder -> report.

    Raises:
        InputError: one of the paths contains no report folder.
    """
    reports: dict[Path, Report] = {}
    seen = set()
    for folder in find_report_folders(paths):
        try:
            report = load_report(folder)
        except ChangedReportError:
            left_out.add("changed after signing", folder)
            continue
        except (InputError, OSError):
            left_out.add("not readable", folder)
            continue
        content = hashlib.sha256(report.to_json().encode()).digest()
        if content in seen:
            left_out.add("copied from another", folder)
        else:
            seen.add(content)
            reports[folder] = report
    return reports


def find_report_folders(paths: Iterable[Path]) -> list[Path]:
    """Return report folders, each once.

    Args:
        paths: report folders, or folders that contain some at any depth.

    Raises:
        InputError: one of them contains no report folder.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        files = [path / REPORT_FILE] if (path / REPORT_FILE).exists() else sorted(path.rglob(REPORT_FILE))
        found = [file.parent for file in files if file.is_file()]
        if not found:
            problem = "contains no report folder" if path.exists() else "does not exist; expected report folders"
            raise InputError(f"{path} {problem}.")
        folders.update(dict.fromkeys(folder.resolve() for folder in found))
    return list(folders)


def without_amended(reports: Mapping[Path, Report]) -> dict[Path, Report]:
    """Return the reports of which none of the others is an addendum.

    Versions are told by the draft, the name and the time, not by the hash of their content: that of a report of an
    older schema version changes when it is read.

    Args:
        reports: report folder -> report.
    """
    amended = {
        _version(report, earlier)
        for report in reports.values()
        if report.review is not None
        for earlier in report.review.earlier_signatures
    }
    return {
        folder: report
        for folder, report in reports.items()
        if report.review is None
        or report.review.signature is None
        or _version(report, report.review.signature) not in amended
    }


def _version(report: Report, signature: Signature) -> tuple[str, str, str]:
    # The provenance, which addenda keep, contains times, and the hash of the CT.
    return str(report.provenance), signature.reviewer, signature.time


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES])
    return shown if len(names) <= _SHOWN_NAMES else f"{shown} and {len(names) - _SHOWN_NAMES} more"

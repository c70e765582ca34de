"""The report folders inside of folders, and which versions of a report were amended by later ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.report.report import REPORT_FILE, Report


def find_report_folders(paths: Iterable[Path]) -> list[Path]:
    """Return report folders, each once.

    Args:
        paths: report folders, or folders that contain some at any depth.

    Raises:
        InputError: one of them contains no report folder.
    """
    folders: dict[Path, None] = {}
    for path in paths:
        found = [path] if (path / REPORT_FILE).is_file() else sorted(file.parent for file in path.rglob(REPORT_FILE))
        if not found:
            raise InputError(f"{path} contains no report folder.")
        folders.update(dict.fromkeys(folder.resolve() for folder in found))
    return list(folders)


def amended_hashes(reports: Iterable[Report]) -> set[str]:
    """Return the hashes of all signed versions that one of the reports amends."""
    reviews = (report.review for report in reports if report.review is not None)
    return {signature.content_sha256 for review in reviews for signature in review.earlier_signatures}

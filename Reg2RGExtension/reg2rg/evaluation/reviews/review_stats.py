"""The entry point behind ``reg2rg review-stats``: from report folders to tables, CSV files and a page."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from reg2rg.errors import InputError, Reg2RGError
from reg2rg.evaluation.tables import Table, to_csv
from reg2rg.report import Report
from reg2rg.report.report_folders import LeftOut, read_reports, without_amended
from reg2rg.runtime.callbacks import NoticeCallback, ignore_notice
from reg2rg.runtime.staging import staged_output

PAGE_FILE = "review_stats.html"


def run(reports: Sequence[Path], output: Path, on_notice: NoticeCallback = ignore_notice) -> tuple[list[Table], Path]:
    """Summarize reviews and write the results into a folder.

    Args:
        reports: report folders, or folders that contain some at any depth.
        output: folder to write into; created if it does not exist.
        on_notice: receives which reports are left out because they cannot be read or are copies.

    Returns:
        The tables, and the path of the page.

    Raises:
        Reg2RGError: a required package is missing.
        InputError: there is no report that was reviewed.
    """
    missing = [name for name in ("matplotlib", "jinja2") if importlib.util.find_spec(name) is None]
    if missing:
        names = ", ".join(missing)
        raise Reg2RGError(f"Review statistics require missing packages ({names}): pip install 'reg2rg[evaluate]'.")
    from reg2rg.evaluation.output.html_page import render_page
    from reg2rg.evaluation.reviews.review_plots import review_plots
    from reg2rg.evaluation.reviews.review_tables import review_tables

    left_out = LeftOut()
    found = read_reports(reports, left_out)
    if left_out:
        on_notice(left_out.message(len(found)))
    # Of a report and its addenda, which have the same history, the last one counts.
    read = list(without_amended(found).values())
    reviewed = [report for report in read if _is_reviewed(report)]
    if not reviewed:
        raise InputError(_none_reviewed(read))
    tables = review_tables(reviewed)
    plots = review_plots({table.key: table for table in tables})
    about = {
        "Reports": f"{len(reviewed)} reviewed, {len(read) - len(reviewed)} not reviewed and left out",
        **({"Left out": ", ".join(f"{len(names)} {reason}" for reason, names in left_out.items())} if left_out else {}),
        "Signed": str(sum(report.signed for report in reviewed)),
        "Models": ", ".join(sorted({report.provenance.model for report in reviewed})),
    }
    with staged_output(output) as staging:
        for table in tables:
            (staging / f"{table.key}.csv").write_text(to_csv(table), encoding="utf-8", newline="")
        for key, plot in plots:
            (staging / f"{key}.png").write_bytes(plot.png)
        page = render_page("Reviews of chest CT reports", about, (), tables, plots)
        (staging / PAGE_FILE).write_text(page, encoding="utf-8")
    return tables, output / PAGE_FILE


def _none_reviewed(read: Sequence[Report]) -> str:
    """Return why there is nothing to show."""
    if not read:
        return "None of the reports can be used."
    if len(read) == 1:
        return "The only report was not reviewed; review it in the Slicer module first."
    return f"None of the {len(read)} reports was reviewed; review them in the Slicer module first."


def _is_reviewed(report: Report) -> bool:
    return report.review is not None and any(section.reviewed for section in report.review.sections.values())

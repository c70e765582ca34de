"""The ``reg2rg review-stats`` command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def review_stats(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORTS...", help="Report folders, or folders that contain some.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write tables and plots to.")],
) -> None:
    """Show what reviewers did to drafts: kept, edited, rejected and added, how long it took, and changes over time."""
    from reg2rg.cli.tables import print_tables
    from reg2rg.evaluation.reviews.review_stats import run

    tables, page = run(reports, output, lambda message: print(message, file=sys.stderr))
    print_tables(tables)
    print(page)

"""The ``reg2rg review-stats`` command."""

from __future__ import annotations

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
    from rich.console import Console
    from rich.table import Table

    from reg2rg.cli.measurement_table import WIDTH
    from reg2rg.evaluation.reviews.review_stats import run
    from reg2rg.evaluation.tables import format_cell

    tables, page = run(reports, output)
    console = Console(width=max(WIDTH, Console().width))
    for table in tables:
        shown = Table(title=table.title, title_justify="left")
        for index, column in enumerate(table.columns):
            shown.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
        for row in table.rows:
            shown.add_row(*map(format_cell, row))
        console.print(shown)
    print(page)

"""Result tables on the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imported when there is something to print
    from reg2rg.evaluation import Table


def print_tables(tables: Iterable[Table]) -> None:
    """Print tables to standard output."""
    from rich.console import Console
    from rich.table import Table as Grid

    from reg2rg.cli.measurement_table import WIDTH
    from reg2rg.evaluation.tables import format_cell

    console = Console(width=max(WIDTH, Console().width))
    for table in tables:
        grid = Grid(title=table.title, title_justify="left")
        for index, column in enumerate(table.columns):
            grid.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
        for row in table.rows:
            grid.add_row(*map(format_cell, row))
        console.print(grid)

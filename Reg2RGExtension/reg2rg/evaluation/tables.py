"""Result tables. Every result is stored in a ``Table``, which is converted to Markdown, CSV and JSON."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

from reg2rg.runtime.csv_output import write_csv


@dataclass(frozen=True)
class Spread:
    """Mean and population standard deviation over texts."""

    mean: float
    std: float


@dataclass(frozen=True)
class Interval:
    """A value with its 95% confidence interval."""

    value: float
    low: float
    high: float


Cell = str | int | float | Spread | Interval | None
"""Content of a table cell; None or NaN if there is nothing to measure."""


@dataclass(frozen=True)
class Table:
    """Results of one kind.

    Attributes:
        key: Name of the table in metrics.json and of its CSV file.
        title: Heading above the table.
        description: What the numbers mean and how to read them.
        columns: Column names.
        rows: Cells, one tuple per row.
        labeler: Name of the labeler that extracted the findings behind the numbers; None if no findings are involved.
    """

    key: str
    title: str
    description: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    labeler: str | None = None

    @property
    def caption(self) -> str:
        """The description, followed by the name of the labeler."""
        return f"{self.description} Findings extracted by {self.labeler}." if self.labeler else self.description

    def column(self, name: str) -> list[Cell]:
        """Return the cells of a column."""
        index = self.columns.index(name)
        return [row[index] for row in self.rows]

    def texts(self, name: str) -> list[str]:
        """Return the cells of a column as strings."""
        return [str(cell) for cell in self.column(name)]

    def numbers(self, name: str) -> list[float]:
        """Return a numeric column as floats: the value of an interval, the mean of a spread."""
        return [_number(cell) for cell in self.column(name)]

    def intervals(self, name: str) -> list[Interval]:
        """Return the cells of a column that contains only intervals."""
        cells = self.column(name)
        intervals = [cell for cell in cells if isinstance(cell, Interval)]
        if len(intervals) != len(cells):
            raise TypeError(f"Column {name!r} of table {self.key!r} does not contain only intervals.")
        return intervals


def format_cell(cell: Cell) -> str:
    """Format a cell for display, with three decimals."""
    if isinstance(cell, Spread):
        return f"{cell.mean:.3f} ± {cell.std:.3f}"
    if isinstance(cell, Interval):
        return "–" if math.isnan(cell.value) else f"{cell.value:.3f} ({cell.low:.3f} to {cell.high:.3f})"
    if isinstance(cell, float):
        if math.isnan(cell):
            return "–"
        return "< 0.001" if 0 < cell < 0.0005 else f"{cell:.3f}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return "–" if cell is None else cell


def to_markdown(table: Table) -> str:
    """Return the title, table and caption as Markdown."""
    lines = [f"## {table.title}", "", _markdown_row(table.columns), _markdown_row(["---"] * len(table.columns))]
    lines += [_markdown_row([format_cell(cell).replace("|", "\\|") for cell in row]) for row in table.rows]
    return "\n".join([*lines, "", table.caption, ""])


def to_csv(table: Table) -> str:
    """Return the table as CSV with full precision.

    Spreads and intervals take several columns. The labeler is the last column.
    """
    stream = io.StringIO()
    names = [_csv_columns(table, index) for index in range(len(table.columns))]
    labeler = [table.labeler] if table.labeler else []
    rows: list[list[Any]] = [[*chain.from_iterable(names), *(["labeler"] if labeler else [])]]
    for row in table.rows:
        cells = (_csv_values(cell, len(columns)) for cell, columns in zip(row, names, strict=True))
        rows.append([*chain.from_iterable(cells), *labeler])
    write_csv(stream, rows)
    return stream.getvalue()


def to_json_dict(table: Table) -> dict[str, Any]:
    """Return title, caption, labeler and one object per row, as JSON types."""
    rows = [{name: _json_value(cell) for name, cell in zip(table.columns, row, strict=True)} for row in table.rows]
    return {"title": table.title, "caption": table.caption, "labeler": table.labeler, "rows": rows}


def _number(cell: Cell) -> float:
    if isinstance(cell, Interval):
        return cell.value
    if isinstance(cell, Spread):
        return cell.mean
    if cell is None:
        return math.nan
    return float(cell)


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _csv_columns(table: Table, index: int) -> list[str]:
    """Return the names of the CSV columns that a table column takes."""
    name = table.columns[index]
    kinds = {type(row[index]) for row in table.rows}
    if Spread in kinds:
        return [name, f"{name} std"]
    return [name, f"{name} low", f"{name} high"] if Interval in kinds else [name]


def _csv_values(cell: Cell, width: int) -> list[Any]:
    values = list(asdict(cell).values()) if isinstance(cell, (Spread, Interval)) else [cell]
    return [_none_if_nan(value) for value in values] + [None] * (width - len(values))


def _json_value(cell: Cell) -> Any:
    if isinstance(cell, (Spread, Interval)):
        return {name: _none_if_nan(value) for name, value in asdict(cell).items()}
    return _none_if_nan(cell)


def _none_if_nan(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value

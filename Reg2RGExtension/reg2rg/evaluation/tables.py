"""Tables: the one form of all results. Each becomes Markdown, CSV, JSON and a part of the page from the same cells."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any


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
"""None, or a value that is not a number, stands where there is nothing to measure."""


@dataclass(frozen=True)
class Table:
    """Results of one kind.

    Attributes:
        key: its name in metrics.json and among the CSV files.
        explanation: how to read it: what the numbers are and are not.
        reader: name of what read the findings behind the numbers; None if there are none.
    """

    key: str
    title: str
    explanation: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    reader: str | None = None

    @property
    def caption(self) -> str:
        """The explanation, and who read the findings."""
        return f"{self.explanation} Findings read by {self.reader}." if self.reader else self.explanation

    def column(self, name: str) -> list[Cell]:
        """The cells of one column."""
        return [row[self.columns.index(name)] for row in self.rows]


def format_cell(cell: Cell) -> str:
    """A cell as people read it, three decimals."""
    if isinstance(cell, Spread):
        return f"{cell.mean:.3f} ± {cell.std:.3f}"
    if isinstance(cell, Interval):
        return "–" if math.isnan(cell.value) else f"{cell.value:.3f} ({cell.low:.3f} to {cell.high:.3f})"
    if isinstance(cell, float):
        return "–" if math.isnan(cell) else "< 0.001" if 0 < cell < 0.0005 else f"{cell:.3f}"
    return "–" if cell is None else f"{cell:,}" if isinstance(cell, int) else cell


def to_markdown(table: Table) -> str:
    """Title, table and caption."""
    lines = [f"## {table.title}", "", _line(table.columns), _line(["---"] * len(table.columns))]
    lines += [_line([format_cell(cell).replace("|", "\\|") for cell in row]) for row in table.rows]
    return "\n".join([*lines, "", table.caption, ""])


def to_csv(table: Table) -> str:
    """All digits; a spread or an interval takes several columns, the reader the last one."""
    stream = io.StringIO()
    generator = csv.writer(stream, lineterminator="\n")
    names = [_names(table, index) for index in range(len(table.columns))]
    reader = [table.reader] if table.reader else []
    generator.writerow([*chain.from_iterable(names), *(["read by"] if reader else [])])
    for row in table.rows:
        cells = (_values(cell, len(columns)) for cell, columns in zip(row, names, strict=True))
        generator.writerow([*chain.from_iterable(cells), *reader])
    return stream.getvalue()


def to_json_dict(table: Table) -> dict[str, Any]:
    """For JSON: title, caption, reader and one object per row."""
    rows = [{name: _plain(cell) for name, cell in zip(table.columns, row, strict=True)} for row in table.rows]
    return {"title": table.title, "caption": table.caption, "reader": table.reader, "rows": rows}


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _names(table: Table, index: int) -> list[str]:
    """Columns that the cells of a column take in a CSV file."""
    name = table.columns[index]
    kinds = {type(row[index]) for row in table.rows}
    if Spread in kinds:
        return [name, f"{name} std"]
    return [name, f"{name} low", f"{name} high"] if Interval in kinds else [name]


def _values(cell: Cell, width: int) -> list[Any]:
    values = list(asdict(cell).values()) if isinstance(cell, (Spread, Interval)) else [cell]
    return [_known(value) for value in values] + [None] * (width - len(values))


def _plain(cell: Cell) -> Any:
    if isinstance(cell, (Spread, Interval)):
        return {name: _known(value) for name, value in asdict(cell).items()}
    return _known(cell)


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value

"""The only writer of CSV files. No text in them is run as a formula by a spreadsheet program."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, TextIO

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""First characters of a cell that make spreadsheet programs evaluate it (OWASP, "CSV Injection")."""


def write_csv(stream: TextIO, rows: Iterable[Iterable[Any]]) -> None:
    """Write rows as CSV (RFC 4180). An apostrophe is put before text that begins like a formula.

    Args:
        stream: where to write; files must be opened with ``newline=""``.
        rows: the cells, the header first. None is an empty cell.
    """
    csv.writer(stream).writerows([_safe(cell) for cell in row] for row in rows)


def _safe(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell

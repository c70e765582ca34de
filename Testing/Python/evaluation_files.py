"""Helpers for the evaluation tests: small prediction files and access to result tables."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reg2rg.evaluation import Cell
from reg2rg.evaluation.evaluate import Evaluation, evaluate
from reg2rg.labeler import RuleLabeler

HEADER = ("AccNum", "GT_combined_report", "Pred_combined_report")
NORMAL = "Both lungs are normal."


def write_rows(
    file: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER, encoding: str = "utf-8"
) -> Path:
    """Write a CSV file and return its path."""
    with file.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream).writerows([header, *rows])
    return file


def write_pairs(file: Path, references: Sequence[str], predictions: Sequence[str]) -> Path:
    """Write a CSV file with the cases case_0, case_1, ... and return its path."""
    pairs = enumerate(zip(references, predictions, strict=True))
    return write_rows(file, [(f"case_{number}", reference, prediction) for number, (reference, prediction) in pairs])


def evaluated(*files: Path, **options: Any) -> Evaluation:
    """Evaluate files with findings extracted by rules."""
    return evaluate(files, labeler=RuleLabeler(), **options)


def row(evaluation: Evaluation, key: str, name: str) -> dict[str, Cell]:
    """Return the row of a table that starts with ``name``, as column -> cell."""
    table = evaluation.table(key)
    return next(dict(zip(table.columns, cells, strict=True)) for cells in table.rows if cells[0] == name)

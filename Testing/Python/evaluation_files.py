"""Small files of predictions for the tests of evaluation."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from reg2rg.evaluation.evaluate import Evaluation, evaluate
from reg2rg.evaluation.tables import Cell
from reg2rg.labeler import RuleLabeler

HEADER = ("AccNum", "GT_combined_report", "Pred_combined_report")
NORMAL = "Both lungs are normal."


def write_rows(file: Path, rows: Iterable[Sequence[str]], header: Sequence[str] = HEADER, encoding="utf-8") -> Path:
    """A CSV file."""
    with file.open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream).writerows([header, *rows])
    return file


def write_pairs(file: Path, references: Sequence[str], predictions: Sequence[str]) -> Path:
    """A CSV file with the cases case_0, case_1, ..."""
    pairs = enumerate(zip(references, predictions, strict=True))
    return write_rows(file, [(f"case_{number}", reference, prediction) for number, (reference, prediction) in pairs])


def evaluated(*files: Path, **options) -> Evaluation:
    """The evaluation of files, findings read by rules."""
    return evaluate(files, reader=RuleLabeler(), **options)


def row(evaluation: Evaluation, key: str, name: str) -> dict[str, Cell]:
    """A table's row, by its first cell."""
    table = evaluation.table(key)
    return next(dict(zip(table.columns, cells, strict=True)) for cells in table.rows if cells[0] == name)

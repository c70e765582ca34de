"""Predictions from the published CSV files of whole reports or of regions, or from report folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.csv_files import (
    CsvTable,
    encoding_notes,
    find_column,
    normalize_column_name,
    read_csv,
)
from reg2rg.evaluation.inputs.predictions import DroppedItem, Level, RawCase, RawPredictions, Slots, Text, case_name
from reg2rg.evaluation.inputs.published_format import has_slots, recognized_regions
from reg2rg.evaluation.inputs.references import read_references
from reg2rg.evaluation.inputs.report_folders import read_report_folders
from reg2rg.exports.report_folder import REPORT_FILE
from reg2rg.labeler import LABELS
from reg2rg.regions import REGION_NAMES

DUPLICATE = "duplicate of an earlier row"

_Row = tuple[str, str | None, str]
"""Case, reference and prediction."""


def read_predictions(paths: Sequence[Path], references: Path | None = None) -> RawPredictions:
    """Read predictions of any accepted kind.

    Args:
        paths: One CSV file, several region files, a folder of region files, or report folders. A CSV file has the
            columns AccNum, GT... and Pred...; a region file is a CSV file named ``<region>_reports.csv``.
        references: CSV file with the columns Volumename, Anatomy and Sentence that replaces the GT column.

    Raises:
        InputError: If a file cannot be read or is of the wrong kind.
    """
    files = [file for path in paths for file in _expand(path)]
    if all(file.name == REPORT_FILE for file in files):
        if references is None:
            raise InputError("Report folders contain no references; specify a reference file with --references.")
        source = read_report_folders(files)
    elif any(file.name == REPORT_FILE for file in files):
        raise InputError("Report folders and CSV files cannot be scored together; specify only one kind.")
    elif len(files) == 1 and _region_of(files[0]) is None:
        source = _read_whole_reports(files[0], references is None)
    else:
        source = _read_region_files(files, references is None)
    return source if references is None else _with_references(source, references)


def _expand(path: Path) -> list[Path]:
    """Return the files to read for a path given by the user."""
    if not path.is_dir():
        return [path]
    if (path / REPORT_FILE).is_file():
        return [path / REPORT_FILE]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv" and _region_of(file))
    found = found or sorted(path.glob(f"*/{REPORT_FILE}"))
    if not found:
        raise InputError(
            f"{path} contains neither region files (such as lung_reports.csv) nor report folders ({REPORT_FILE})."
        )
    return found


def _region_of(file: Path) -> str | None:
    """Return the region named by a region file."""
    name = re.sub(r"[^a-z]+", " ", file.stem.lower()).strip()
    return next((region for region in REGION_NAMES if re.search(rf"(^| ){region} reports$", name)), None)


def _read_whole_reports(file: Path, with_references: bool) -> RawPredictions:
    table = read_csv(file)
    rows, dropped = _read_rows(table, with_references)
    cases = tuple(
        RawCase(name, reference, prediction, _slots(reference, prediction)) for name, reference, prediction in rows
    )
    return RawPredictions((file.name,), cases, tuple(dropped), encoding_notes([table]), Level.REPORT)


def _read_region_files(files: Sequence[Path], with_references: bool) -> RawPredictions:
    files_by_region = _by_region(files)
    references: dict[str, dict[str, str]] = {}
    predictions: dict[str, dict[str, str]] = {}
    tables: list[CsvTable] = []
    dropped: list[DroppedItem] = []
    orders: list[list[str]] = []
    for region, file in files_by_region.items():
        table = read_csv(file)
        tables.append(table)
        rows, duplicates = _read_rows(table, with_references)
        dropped += [replace(item, region=region) for item in duplicates]
        orders.append([name for name, _, _ in rows])
        for name, reference, prediction in rows:
            if reference is not None:
                references.setdefault(name, {})[region] = reference
            predictions.setdefault(name, {})[region] = prediction
    cases = tuple(
        RawCase(name, references[name] if with_references else None, predictions[name])
        for name in _common_order(orders)
    )
    names = tuple(file.name for file in files)
    return RawPredictions(names, cases, tuple(dropped), encoding_notes(tables), Level.REGION)


def _by_region(files: Sequence[Path]) -> dict[str, Path]:
    """Return the region of each file, in the order of the files."""
    by_region: dict[str, Path] = {}
    for file in files:
        region = _region_of(file)
        if region is None:
            raise InputError(f"{file.name} is one of several files, so it must be named <region>_reports.csv.")
        if region in by_region:
            raise InputError(f"Found several files for the region {region!r}; specify only one.")
        by_region[region] = file
    return by_region


def _common_order(orders: Sequence[Sequence[str]]) -> list[str]:
    """Restore the order of the list from which several were selected.

    Falls back to the order of first appearance if the lists contradict each other. The published Overall_ROUGE depends
    on the order.
    """
    before: dict[str, list[str]] = {name: [] for order in orders for name in order}
    for order in orders:
        for first, second in zip(order, order[1:], strict=False):
            before[second].append(first)
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError:
        return list(before)


def _read_rows(table: CsvTable, with_references: bool) -> tuple[list[_Row], list[DroppedItem]]:
    """Return the first row of each case, and the rows that were dropped."""
    accession = find_column(
        table, "AccNum", [name for name in table.columns if normalize_column_name(name) in ("accnum", "volumename")]
    )
    predicted = find_column(table, "Pred...", _text_columns(table, "pred"))
    expected = find_column(table, "GT...", _text_columns(table, "gt")) if with_references else None
    rows: dict[str, _Row] = {}
    dropped: list[DroppedItem] = []
    for number, row in enumerate(table.rows, start=2):
        name = case_name(row[accession])
        if not name:
            dropped.append(DroppedItem(f"row {number} of {table.file.name}", None, "no AccNum"))
        elif name in rows:
            dropped.append(DroppedItem(name, None, DUPLICATE))
        else:
            rows[name] = (name, row[expected] if expected else None, row[predicted])
    return list(rows.values()), dropped


def _text_columns(table: CsvTable, prefix: str) -> list[str]:
    """Return the columns with a prefix, except those that contain a label (such as GT_Emphysema)."""
    names = [normalize_column_name(column) for column in table.columns]
    labels = {normalize_column_name(f"{prefix} {label}") for label in LABELS}
    return [
        column
        for column, name in zip(table.columns, names, strict=True)
        if name.startswith(prefix) and name not in labels
    ]


def _slots(reference: Text | None, prediction: Text | None) -> Slots | None:
    if not isinstance(reference, str) or not isinstance(prediction, str) or not has_slots(reference):
        return None
    return Slots(recognized_regions(reference), recognized_regions(prediction))


def _with_references(source: RawPredictions, file: Path) -> RawPredictions:
    references, dropped, notes = read_references(file)
    cases = [replace(case, reference=references.get(case.name)) for case in source.cases]
    known = {case.name for case in cases}
    cases += [RawCase(name, text, None) for name, text in references.items() if name not in known]
    return replace(
        source,
        cases=tuple(cases),
        dropped=(*source.dropped, *dropped),
        notes=(*source.notes, *notes),
    )

"""Where predictions come from: the published CSV files of whole reports or of regions, or folders of our reports."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.csv_files import CsvTable, encoding_notes, find_column, normalize_column_name, read_csv
from reg2rg.evaluation.inputs.predictions import DroppedItem, Level, RawCase, RawPredictions, Slots, Text, case_name
from reg2rg.evaluation.inputs.published_format import has_slots, recognized_regions
from reg2rg.evaluation.inputs.references import read_references
from reg2rg.evaluation.inputs.report_folders import read_reports
from reg2rg.exports.report_folder import REPORT_FILE
from reg2rg.labeler.mention import LABELS
from reg2rg.regions import REGION_NAMES

REPEATED = "a later row of the same case; the first counts"


def read_predictions(paths: Sequence[Path], references: Path | None = None) -> RawPredictions:
    """Read predictions: one CSV file, region files, a folder of region files, or folders of reports.

    A CSV file has the columns AccNum, GT... and Pred... (a region file is one that is named ``<region>_reports.csv``);
    with ``references``, a CSV file of Volumename, Anatomy and Sentence, that takes the place of GT.
    InputError if something cannot be read.
    """
    files = [file for path in paths for file in _expand(path)]
    if all(file.name == REPORT_FILE for file in files):
        if references is None:
            raise InputError("Report folders hold no references; name a file of them with --references.")
        source = read_reports(files)
    elif any(file.name == REPORT_FILE for file in files):
        raise InputError("Report folders and CSV files cannot be scored together; name one kind.")
    elif len(files) == 1 and _region_of(files[0]) is None:
        source = _read_whole(files[0], references is None)
    else:
        source = _read_regions(files, references is None)
    return source if references is None else _with_references(source, references)


def _expand(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    if (path / REPORT_FILE).is_file():
        return [path / REPORT_FILE]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv" and _region_of(file))
    found = found or sorted(path.glob(f"*/{REPORT_FILE}"))
    if not found:
        raise InputError(f"{path} holds neither region files (lung_reports.csv) nor report folders ({REPORT_FILE}).")
    return found


def _region_of(file: Path) -> str | None:
    """The region whose sections the file holds, by its name."""
    name = re.sub(r"[^a-z]+", " ", file.stem.lower()).strip()
    return next((region for region in REGION_NAMES if re.search(rf"(^| ){region} reports$", name)), None)


def _read_whole(file: Path, with_references: bool) -> RawPredictions:
    sheet = read_csv(file)
    rows, dropped = _rows(sheet, with_references)
    cases = [
        RawCase(name, reference, prediction, _slots(reference, prediction)) for name, reference, prediction in rows
    ]
    return RawPredictions((file.name,), tuple(cases), tuple(dropped), encoding_notes([sheet]), Level.REPORT)


def _read_regions(files: Sequence[Path], with_references: bool) -> RawPredictions:
    regions = [_region_of(file) for file in files]
    unnamed = [file.name for file, region in zip(files, regions, strict=True) if region is None]
    if unnamed:
        raise InputError(f"{unnamed[0]} is one of several files and so should be named <region>_reports.csv.")
    if twice := [region for region, count in Counter(regions).items() if count > 1]:
        raise InputError(f"There are several files of the region {twice[0]}; name one.")
    references, predictions = {}, {}
    sheets, dropped, orders = [read_csv(file) for file in files], [], []
    for sheet, region in zip(sheets, regions, strict=True):
        rows, repeated = _rows(sheet, with_references)
        dropped += [replace(item, region=region) for item in repeated]
        orders.append([name for name, _, _ in rows])
        for name, reference, prediction in rows:
            references.setdefault(name, {})[region] = reference
            predictions.setdefault(name, {})[region] = prediction
    order = _common_order(orders)
    cases = tuple(RawCase(name, references[name] if with_references else None, predictions[name]) for name in order)
    names = tuple(file.name for file in files)
    return RawPredictions(names, cases, tuple(dropped), encoding_notes(sheets), Level.REGION)


def _common_order(orders: Sequence[Sequence[str]]) -> list[str]:
    """The order of the list that several were cut from; that of first appearance if they contradict one another.

    The published Overall_ROUGE depends on it.
    """
    before: dict[str, list[str]] = {name: [] for order in orders for name in order}
    for order in orders:
        for first, second in zip(order, order[1:], strict=False):
            before[second].append(first)
    try:
        return list(TopologicalSorter(before).static_order())
    except CycleError:
        return list(before)


def _rows(sheet: CsvTable, with_references: bool) -> tuple[list[tuple[str, str | None, str]], list[DroppedItem]]:
    """(case, reference, prediction) of each row, and rows that repeat a case."""
    accession = find_column(
        sheet, "AccNum", [name for name in sheet.columns if normalize_column_name(name) in ("accnum", "volumename")]
    )
    predicted = find_column(sheet, "Pred...", _text_columns(sheet, "pred"))
    expected = find_column(sheet, "GT...", _text_columns(sheet, "gt")) if with_references else None
    rows, dropped = {}, []
    for number, row in enumerate(sheet.rows, start=2):
        name = case_name(row[accession])
        if not name:
            dropped.append(DroppedItem(f"row {number} of {sheet.file.name}", None, "no AccNum"))
        elif name in rows:
            dropped.append(DroppedItem(name, None, REPEATED))
        else:
            rows[name] = (name, row[expected] if expected else None, row[predicted])
    return list(rows.values()), dropped


def _text_columns(sheet: CsvTable, begins: str) -> list[str]:
    """Columns of that side, those that hold a label (GT_Emphysema) left out."""
    labels = {normalize_column_name(f"{begins} {label}") for label in LABELS}
    return [
        name
        for name in sheet.columns
        if normalize_column_name(name).startswith(begins) and normalize_column_name(name) not in labels
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
    return replace(source, cases=tuple(cases), dropped=(*source.dropped, *dropped), notes=(*source.notes, *notes))

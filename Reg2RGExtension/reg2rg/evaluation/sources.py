"""Where predictions and references come from: published CSV files, folders of reports of ours, RadGenome's CSV."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.evaluation.csvs import Sheet, pick_column, read_sheet
from reg2rg.evaluation.parsing import has_slots, recognised_regions, region_called
from reg2rg.evaluation.predictions import Case, Dropped, Level, Slots, Source, Text
from reg2rg.findings.finding import LABELS
from reg2rg.regions import REGION_NAMES
from reg2rg.report import Report, Section, State

REPORT_FILE = "report.json"
REPEATED = "a later row of the same case; the first counts"
REPLACED = "an earlier row of the same region; the last counts, as published"


def read_source(paths: Sequence[Path], references: Path | None = None) -> Source:
    """Read predictions: one CSV file, region files, a folder of region files, or folders of reports.

    A CSV file has the columns AccNum, GT... and Pred... (a region file is one that is named ``<region>_reports.csv``);
    with ``references``, a CSV file of Volumename, Anatomy and Sentence, that takes the place of GT.
    InputError if something cannot be read.
    """
    files = [file for path in paths for file in _expand(path)]
    if all(file.name == REPORT_FILE for file in files):
        if references is None:
            raise InputError("Report folders hold no references; name a file of them with --references.")
        source = _read_reports(files)
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
        raise InputError(
            f"{path} holds neither region files (..._lung_reports.csv) nor report folders ({REPORT_FILE})."
        )
    return found


def _region_of(file: Path) -> str | None:
    """The region whose sections the file holds, by its name."""
    name = re.sub(r"[^a-z]+", " ", file.stem.lower()).strip()
    return next((region for region in REGION_NAMES if re.search(rf"(^| ){region} reports$", name)), None)


def _read_whole(file: Path, with_references: bool) -> Source:
    sheet = read_sheet(file)
    rows, dropped = _rows(sheet, with_references)
    cases = [Case(name, reference, prediction, _slots(reference, prediction)) for name, reference, prediction in rows]
    return Source((file.name,), tuple(cases), tuple(dropped), _encoding_notes([sheet]), Level.REPORT)


def _read_regions(files: Sequence[Path], with_references: bool) -> Source:
    regions = [_region_of(file) for file in files]
    unnamed = [file.name for file, region in zip(files, regions, strict=True) if region is None]
    if unnamed:
        raise InputError(f"{unnamed[0]} is one of several files and so should be named <region>_reports.csv.")
    if twice := [region for region, count in Counter(regions).items() if count > 1]:
        raise InputError(f"There are several files of the region {twice[0]}; name one.")
    references, predictions = {}, {}
    sheets, dropped, orders = [read_sheet(file) for file in files], [], []
    for sheet, region in zip(sheets, regions, strict=True):
        rows, repeated = _rows(sheet, with_references)
        dropped += [replace(item, region=region) for item in repeated]
        orders.append([name for name, _, _ in rows])
        for name, reference, prediction in rows:
            references.setdefault(name, {})[region] = reference
            predictions.setdefault(name, {})[region] = prediction
    order = _common_order(orders)
    cases = tuple(Case(name, references[name] if with_references else None, predictions[name]) for name in order)
    names = tuple(file.name for file in files)
    return Source(names, cases, tuple(dropped), _encoding_notes(sheets), Level.REGION)


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


def _rows(sheet: Sheet, with_references: bool) -> tuple[list[tuple[str, str | None, str]], list[Dropped]]:
    """(case, reference, prediction) of each row, and rows that repeat a case."""
    accession = pick_column(sheet, "AccNum", [name for name in sheet.columns if _key(name) in ("accnum", "volumename")])
    predicted = pick_column(sheet, "Pred...", _text_columns(sheet, "pred"))
    expected = pick_column(sheet, "GT...", _text_columns(sheet, "gt")) if with_references else None
    rows, dropped = {}, []
    for number, row in enumerate(sheet.rows, start=2):
        name = case_name(row[accession])
        if not name:
            dropped.append(Dropped(f"row {number} of {sheet.file.name}", None, "no AccNum"))
        elif name in rows:
            dropped.append(Dropped(name, None, REPEATED))
        else:
            rows[name] = (name, row[expected] if expected else None, row[predicted])
    return list(rows.values()), dropped


def _text_columns(sheet: Sheet, begins: str) -> list[str]:
    """Columns of that side, those that hold a label (GT_Emphysema) left out."""
    labels = {_key(f"{begins} {label}") for label in LABELS}
    return [name for name in sheet.columns if _key(name).startswith(begins) and _key(name) not in labels]


def _key(name: str) -> str:
    return re.sub(r"[^a-z]+", "", name.lower())


def case_name(accession: str) -> str:
    """A case without the ending of its volume's file."""
    return re.sub(r"(\.nii)?(\.gz)?$", "", accession.strip())


def _slots(reference: Text | None, prediction: Text | None) -> Slots | None:
    if not isinstance(reference, str) or not isinstance(prediction, str) or not has_slots(reference):
        return None
    return Slots(recognised_regions(reference), recognised_regions(prediction))


def _encoding_notes(sheets: Iterable[Sheet]) -> tuple[str, ...]:
    others = [sheet for sheet in sheets if not sheet.encoding.startswith("utf-8")]
    return tuple(f"{sheet.file.name} is not UTF-8; it was read as {sheet.encoding}." for sheet in others)


def _read_reports(files: Sequence[Path]) -> Source:
    cases, dropped = {}, []
    for file in files:
        name = case_name(file.parent.resolve().name)
        if name in cases:
            raise InputError(f"There are two report folders called {name}; their names should tell cases apart.")
        sections = _read_report(file).sections
        rejected = [section.region for section in sections if section.state is State.REJECTED]
        dropped += [Dropped(name, region, "the section was rejected in review") for region in rejected]
        texts = {section.region: section.text for section in sections if section.region not in rejected}
        cases[name] = Case(name, None, texts, _slots_of(sections))
    return Source((f"{len(files)} report folders",), tuple(cases.values()), tuple(dropped), (), Level.REPORT)


def _read_report(file: Path) -> Report:
    try:
        return Report.from_json(file.read_text(encoding="utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}") from error


def _slots_of(sections: Iterable[Section]) -> Slots:
    numbered = {REGION_NAMES.index(section.region): section for section in sections}
    written = {slot: region_called(section.recognised) for slot, section in numbered.items() if section.recognised}
    return Slots({slot: section.region for slot, section in numbered.items()}, written)


def _with_references(source: Source, file: Path) -> Source:
    references, dropped, notes = _read_references(file)
    cases = [replace(case, reference=references.get(case.name)) for case in source.cases]
    known = {case.name for case in cases}
    cases += [Case(name, text, None) for name, text in references.items() if name not in known]
    return replace(source, cases=tuple(cases), dropped=(*source.dropped, *dropped), notes=(*source.notes, *notes))


def _read_references(file: Path) -> tuple[Mapping[str, Text], list[Dropped], list[str]]:
    """Case -> sections, or the whole report where there are none, of a file in RadGenome's layout."""
    sheet = read_sheet(file)
    volume, anatomy, sentence = (
        pick_column(sheet, name, [column for column in sheet.columns if _key(column) == name.lower()])
        for name in ("Volumename", "Anatomy", "Sentence")
    )
    texts: dict[str, dict[str, str]] = {}
    dropped, others = [], Counter()
    for row in sheet.rows:
        name, region = case_name(row[volume]), row[anatomy]
        if region and region not in REGION_NAMES:
            others[region] += 1
            continue
        sections = texts.setdefault(name, {})
        if region in sections:
            dropped.append(Dropped(name, region or None, REPLACED))
        sections[region] = row[sentence]
    notes = [*_encoding_notes([sheet])]
    if others:
        named = ", ".join(f"{region} ({count})" for region, count in others.most_common(5))
        notes.append(
            f"{sum(others.values())} reference rows are of none of the ten regions and were not read: {named}."
        )
    references = {name: _sections_or_whole(sections) for name, sections in texts.items()}
    return references, dropped, notes


def _sections_or_whole(sections: Mapping[str, str]) -> Text:
    named = {region: text for region, text in sections.items() if region and text}
    return named or sections.get("", "")

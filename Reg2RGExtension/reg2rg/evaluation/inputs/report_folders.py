"""Predictions from the folders that ``reg2rg report`` writes. The name of a folder is the name of its case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.predictions import Level, RawCase, RawPredictions, Slots, case_name
from reg2rg.evaluation.inputs.published_format import region_from_name
from reg2rg.regions import REGION_NAMES
from reg2rg.report import Report, Section, parse_report


def read_report_folders(files: Sequence[Path]) -> RawPredictions:
    """Read the sections of reports.

    Args:
        files: The report.json files. They contain no references.

    Raises:
        InputError: If a file is not a report or two folders have the same name.
    """
    cases: dict[str, RawCase] = {}
    for file in files:
        name = case_name(file.parent.resolve().name)
        if name in cases:
            raise InputError(f"Two report folders are named {name!r}; each case needs its own folder name.")
        sections = _read_report(file).sections
        texts = {section.region: section.text for section in sections}
        cases[name] = RawCase(name, None, texts, _slots(sections))
    return RawPredictions((f"{len(files)} report folders",), tuple(cases.values()), (), (), Level.REPORT)


def _read_report(file: Path) -> Report:
    try:
        return parse_report(file.read_text(encoding="utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}") from error


def _slots(sections: Iterable[Section]) -> Slots:
    numbered = {REGION_NAMES.index(section.region): section for section in sections}
    predicted = {slot: region_from_name(section.recognized) for slot, section in numbered.items() if section.recognized}
    return Slots({slot: section.region for slot, section in numbered.items()}, predicted)

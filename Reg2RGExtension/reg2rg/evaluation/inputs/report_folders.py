"""Predictions out of the folders that ``reg2rg report`` writes; a folder's name is its case's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.predictions import Level, RawCase, RawPredictions, Slots, case_name
from reg2rg.evaluation.inputs.published_format import region_from_name
from reg2rg.regions import REGION_NAMES
from reg2rg.report import Report, Section, parse_report


def read_reports(files: Sequence[Path]) -> RawPredictions:
    """Read the sections of report files. They contain no references."""
    cases: dict[str, RawCase] = {}
    for file in files:
        name = case_name(file.parent.resolve().name)
        if name in cases:
            raise InputError(f"There are two report folders called {name}; their names should tell cases apart.")
        sections = _read_report(file).sections
        texts = {section.region: section.text for section in sections}
        cases[name] = RawCase(name, None, texts, _slots_of(sections))
    return RawPredictions((f"{len(files)} report folders",), tuple(cases.values()), (), (), Level.REPORT)


def _read_report(file: Path) -> Report:
    try:
        return parse_report(file.read_text(encoding="utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}") from error


def _slots_of(sections: Iterable[Section]) -> Slots:
    numbered = {REGION_NAMES.index(section.region): section for section in sections}
    written = {slot: region_from_name(section.recognized) for slot, section in numbered.items() if section.recognized}
    return Slots({slot: section.region for slot, section in numbered.items()}, written)

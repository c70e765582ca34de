"""Predictions out of the folders that ``reg2rg report`` writes; a folder's name is its case's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.predictions import DroppedItem, Level, RawCase, RawPredictions, Slots, case_name
from reg2rg.evaluation.inputs.published_format import region_from_name
from reg2rg.regions import REGION_NAMES
from reg2rg.report import Report, Section, State


def read_reports(files: Sequence[Path]) -> RawPredictions:
    """The sections of report files, those left out that were rejected in review; they hold no references."""
    cases, dropped = {}, []
    for file in files:
        name = case_name(file.parent.resolve().name)
        if name in cases:
            raise InputError(f"There are two report folders called {name}; their names should tell cases apart.")
        sections = _read_report(file).sections
        rejected = [section.region for section in sections if section.state is State.REJECTED]
        dropped += [DroppedItem(name, region, "the section was rejected in review") for region in rejected]
        texts = {section.region: section.text for section in sections if section.region not in rejected}
        cases[name] = RawCase(name, None, texts, _slots_of(sections))
    return RawPredictions((f"{len(files)} report folders",), tuple(cases.values()), tuple(dropped), (), Level.REPORT)


def _read_report(file: Path) -> Report:
    try:
        return Report.from_json(file.read_text(encoding="utf-8"))
    except (InputError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: {error}") from error


def _slots_of(sections: Iterable[Section]) -> Slots:
    numbered = {REGION_NAMES.index(section.region): section for section in sections}
    written = {slot: region_from_name(section.recognised) for slot, section in numbered.items() if section.recognised}
    return Slots({slot: section.region for slot, section in numbered.items()}, written)

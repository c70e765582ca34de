"""References in the layout of RadGenome-ChestCT: a CSV file with the columns Volumename, Anatomy and Sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from reg2rg.evaluation.inputs.csv_files import encoding_notes, find_column, normalize_column_name, read_csv
from reg2rg.evaluation.inputs.predictions import DroppedItem, Text, case_name
from reg2rg.regions import find_region

REPLACED = "replaced by a later row for the same region"


def read_references(file: Path) -> tuple[Mapping[str, Text], list[DroppedItem], list[str]]:
    """Read reference reports.

    If several rows have the same volume and region, the last one counts, as in the published code.

    Args:
        file: CSV file in the layout of RadGenome-ChestCT.

    Returns:
        Texts by case: the sections, or the whole report for a case without sections.
        Rows that were dropped.
        Remarks for readers of the results.

    Raises:
        InputError: If the file cannot be read or lacks a column.
    """
    table = read_csv(file)
    volume, anatomy, sentence = (
        find_column(table, name, [column for column in table.columns if normalize_column_name(column) == name.lower()])
        for name in ("Volumename", "Anatomy", "Sentence")
    )
    texts: dict[str, dict[str, str]] = {}
    dropped: list[DroppedItem] = []
    others: Counter[str] = Counter()
    for number, row in enumerate(table.rows, start=2):
        name, region = case_name(row[volume]), _region(row[anatomy])
        if not name:
            dropped.append(DroppedItem(f"row {number} of {file.name}", None, "no Volumename"))
        elif row[anatomy] and not region:
            others[row[anatomy]] += 1
        else:
            sections = texts.setdefault(name, {})
            if region in sections:
                dropped.append(DroppedItem(name, region or None, REPLACED))
            sections[region] = row[sentence]
    notes = [*encoding_notes([table])]
    if others:
        names = ", ".join(f"{region} ({count})" for region, count in others.most_common())
        notes.append(f"{others.total()} reference rows name an unknown region and were ignored: {names}.")
    references = {name: _sections_or_whole(sections) for name, sections in texts.items()}
    return references, dropped, notes


def _sections_or_whole(sections: Mapping[str, str]) -> Text:
    named = {region: text for region, text in sections.items() if region and text}
    return named or sections.get("", "")


def _region(anatomy: str) -> str:
    """Return the region that a cell names; empty for the whole report and for what is not a region."""
    region = find_region(anatomy)
    return region.name if region is not None else ""

"""index.csv: one row per case, with a column for each measurement."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from reg2rg.batch.entries import Entry
from reg2rg.batch.records import replace_text
from reg2rg.measurements import Measurement
from reg2rg.runtime.csv_output import write_csv

INDEX_FILE = "index.csv"

_FACTS = ("model", "version", "created")
_COLUMNS = ("id", "state", "cause", "sections", "reviewed", "findings", "warnings", *_FACTS)


def write_index(entries: Sequence[Entry], output: Path) -> None:
    """Write the index of all cases. It appears at once."""
    measured = sorted({_column(each) for entry in entries for each in entry.measurements})
    stream = io.StringIO(newline="")
    write_csv(stream, [(*_COLUMNS, *measured), *(_row(entry, measured) for entry in entries)])
    replace_text(output / INDEX_FILE, stream.getvalue())


def _row(entry: Entry, measured: Sequence[str]) -> list[str | float | None]:
    values = {_column(each): each.value for each in entry.measurements}
    return [
        entry.id,
        entry.state,
        entry.cause,
        entry.sections,
        entry.reviewed,
        "; ".join(entry.findings),
        " ".join(entry.warnings),
        *((entry.facts or {}).get(name) for name in _FACTS),
        *(values.get(column) for column in measured),
    ]


def _column(measurement: Measurement) -> str:
    """Return the column of a measurement, such as "lung_volume/lung/right lung (mL)"."""
    return f"{measurement.key} ({measurement.unit})" if measurement.unit else measurement.key

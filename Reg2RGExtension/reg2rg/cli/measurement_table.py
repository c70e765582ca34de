"""Measurements as a table on standard output."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from reg2rg.about import DRAFT_LABEL
from reg2rg.measurements import Evidence, Measurement, technique
from reg2rg.regions import get_region

WIDTH = 110
"""Width of the table in characters where the width of the terminal is unknown or smaller."""


def print_measurements(evidence: Evidence) -> None:
    """Print the technique, one row per measured value, and why other values are not given."""
    console = Console(width=max(WIDTH, Console().width))
    console.print(DRAFT_LABEL, style="bold", markup=False)
    words = "; ".join(f"{name.lower()}: {text}" for name, text in technique(evidence.conditions).items())
    console.print(f"Technique: {words}.", markup=False)
    table = Table()
    for column in ("Region", "Measurement", "Value", "Meaning or reservation"):
        table.add_column(column, overflow="fold")
    previous = ""
    for measurement in evidence.measurements:
        if measurement.value is not None:
            region = get_region(measurement.region).display_name
            name = "" if region == previous else region
            table.add_row(name, measurement.name, measurement.text, _remarks(measurement))
            previous = region
    console.print(table)
    absent = dict.fromkeys((m.label, m.text) for m in evidence.measurements if m.value is None)
    for label, reason in absent:
        console.print(f"{label}: {reason}", markup=False)


def _remarks(measurement: Measurement) -> str:
    if measurement.reserved:
        return "; ".join(measurement.reservations)
    return f"{measurement.adjective} ({measurement.cutoff})" if measurement.adjective else ""

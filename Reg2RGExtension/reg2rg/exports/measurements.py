"""Measurements as files: JSON, CSV, and a picture with the lines along which distances were measured."""

from __future__ import annotations

import json
from pathlib import Path

import SimpleITK as sitk

from reg2rg.about import DRAFT_LABEL
from reg2rg.exports.measurement_picture import write_measurement_picture
from reg2rg.measurements import Evidence, technique
from reg2rg.regions import get_region
from reg2rg.report import STRUCTURES_FILE
from reg2rg.runtime.csv_output import write_csv
from reg2rg.runtime.dataclass_io import to_plain

JSON_FILE, CSV_FILE, PICTURE_FILE = "measurements.json", "measurements.csv", "measurements.png"

MEASUREMENT_FILES = (STRUCTURES_FILE, JSON_FILE, CSV_FILE, PICTURE_FILE)
"""Files that are written besides the regions."""

_COLUMNS = (
    *("region", "measure", "label", "part", "value", "unit", "uncertainty", "text"),
    *("adjective", "cutoff", "reservations", "structures", "source"),
)


def write_measurements(evidence: Evidence, volume: sitk.Image, folder: Path) -> None:
    """Write the measurements of a volume.

    Args:
        evidence: what was measured.
        volume: the CT in HU.
        folder: an existing folder.
    """
    content = {"disclaimer": DRAFT_LABEL, "technique": technique(evidence.conditions), **to_plain(evidence)}
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    (folder / JSON_FILE).write_text(text, encoding="utf-8")
    with (folder / CSV_FILE).open("w", encoding="utf-8", newline="") as stream:
        write_csv(stream, [_COLUMNS, *measurement_rows(evidence)])
    write_measurement_picture(evidence, volume, folder / PICTURE_FILE)


def measurement_rows(evidence: Evidence) -> list[tuple[str | float | None, ...]]:
    """Return one row per measurement, in the order of the CSV file's columns."""
    return [
        (
            get_region(m.region).display_name,
            m.measure,
            m.label,
            m.part,
            m.value,
            m.unit,
            m.uncertainty,
            m.text,
            m.adjective,
            m.cutoff,
            "; ".join(m.reservations),
            "; ".join(m.structures),
            m.source,
        )
        for m in evidence.measurements
    ]

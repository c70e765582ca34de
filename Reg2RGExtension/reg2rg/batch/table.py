"""The CSV file that lists scans, their masks and their IDs."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from reg2rg.batch.remote import RemoteFile, is_url, read_content
from reg2rg.errors import InputError
from reg2rg.runtime.dataclass_io import shorten

COLUMNS = ("path", "masks", "id")

_ID = re.compile(r"(?!(?i:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))[A-Za-z0-9][A-Za-z0-9_.-]{0,63}(?<!\.)")
"""What can be the name of a folder on every system, and is not a formula in a spreadsheet."""


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        path: the scan.
        masks: file or folder with the masks of its regions; None if there is none.
        name: ID of the case; empty if it has none.
    """

    path: Path | RemoteFile
    masks: Path | RemoteFile | None
    name: str


def read_table(table: Path | RemoteFile) -> list[Row]:
    """Read a table of scans. Paths are URLs, or relative to the folder of the table.

    Raises:
        InputError: it is not such a table, an ID cannot be used, or an ID appears twice.
    """
    try:
        content = read_content(table.url) if isinstance(table, RemoteFile) else table.read_bytes()
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        rows = [(reader.line_num, row) for row in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{table} is not a CSV file in UTF-8 ({error}).") from error
    unknown = [name for name in columns if name not in COLUMNS]
    if "path" not in columns or unknown or len(set(columns)) < len(columns):
        raise InputError(
            f"{table} has the columns {', '.join(columns) or 'none'}; expected path and, if needed, masks and id."
        )
    found = []
    names: dict[str, int] = {}
    for number, values in rows:
        if None in values:
            raise InputError(
                f"Row {number} of {table} has more than {len(columns)} fields; put paths with commas in quotes."
            )
        row = dict(zip(columns, (value or "" for value in values.values()), strict=False))
        name, path = row.get("id", "").strip(), row["path"].strip()
        if not path:
            raise InputError(f"Row {number} of {table} has no path; expected a scan.")
        if name and not _ID.fullmatch(name):
            raise InputError(
                f"Row {number} of {table} has the ID {shorten(name)}; expected up to 64 letters, digits, dots, dashes "
                "and underscores, and no name that Windows reserves, because it is the name of a folder."
            )
        if name and (earlier := names.setdefault(name.casefold(), number)) != number:
            raise InputError(
                f"Rows {earlier} and {number} of {table} have the same ID {name!r}; expected different ones."
            )
        masks = row.get("masks", "").strip()
        found.append(Row(_place(path, table), _place(masks, table) if masks else None, name))
    return found


def _place(text: str, table: Path | RemoteFile) -> Path | RemoteFile:
    """Return what a path in a table refers to."""
    if is_url(text):
        return RemoteFile(text)
    return RemoteFile(f"{table.parent}/{text}") if isinstance(table, RemoteFile) else table.parent / text

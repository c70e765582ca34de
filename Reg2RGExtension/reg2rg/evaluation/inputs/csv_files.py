"""CSV files from various tools: several encodings, columns in any order, empty cells written as NaN."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reg2rg.errors import InputError

_BYTE_ORDER_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_MAX_CELL_LENGTH = 10_000_000


@dataclass(frozen=True)
class CsvTable:
    """The content of a CSV file.

    Attributes:
        file: Path of the file.
        encoding: Encoding it was decoded with. Any single-byte encoding other than UTF-8 is decoded as cp1252.
        columns: Column names from the header.
        rows: Text by column, stripped of surrounding whitespace; empty for a missing cell.
    """

    file: Path
    encoding: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def read_csv(file: Path) -> CsvTable:
    """Read a CSV file with a header.

    Raises:
        InputError: If the file does not exist, is empty or is not readable as CSV, or if a row has more or fewer
            cells than the header.
    """
    if not file.is_file():
        raise InputError(f"{file} does not exist.")
    text, encoding = _decode(file.read_bytes(), file)
    csv.field_size_limit(_MAX_CELL_LENGTH)
    try:
        numbered = enumerate(csv.reader(io.StringIO(text, newline="")), start=1)
        lines = [(number, row) for number, row in numbered if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{file} is not readable as CSV ({error}).") from error
    if not lines:
        raise InputError(f"{file} is empty; expected a CSV file with a header.")
    columns = tuple(name.strip() for name in lines[0][1])
    _check_shape(file, columns, lines[1:])
    rows = tuple(dict(zip(columns, map(_clean_cell, row), strict=True)) for _, row in lines[1:])
    return CsvTable(file, encoding, columns, rows)


def _check_shape(file: Path, columns: Sequence[str], rows: Iterable[tuple[int, Sequence[str]]]) -> None:
    """Raise an InputError if a row has more or fewer cells than the header."""
    if len(columns) == 1 and (found := re.search(r"[;\t|]", columns[0])):
        raise InputError(f"{file} is separated by {found[0]!r}; expected cells separated by commas.")
    for number, row in rows:
        if len(row) != len(columns):
            raise InputError(
                f"{file}: row {number} has {len(row)} cells, but the header has {len(columns)}; put text that contains "
                "commas or line breaks into double quotes."
            )


def find_column(table: CsvTable, wanted: str, matches: Sequence[str]) -> str:
    """Return the only matching column.

    Args:
        table: The file that was searched.
        wanted: Description of the column for the error message.
        matches: Columns that match the description.

    Raises:
        InputError: If none or several columns match.
    """
    if len(matches) == 1:
        return matches[0]
    found = f"found {len(matches)} ({', '.join(matches[:4])})" if matches else "found none"
    columns = ", ".join(table.columns[:8])[:200] + (", ..." if len(table.columns) > 8 else "")
    raise InputError(f"{table.file}: expected exactly one column {wanted}, {found}. Columns in the file: {columns}.")


def encoding_notes(tables: Iterable[CsvTable]) -> tuple[str, ...]:
    """Return a note for each file that is not UTF-8."""
    others = [table for table in tables if not table.encoding.startswith("utf-8")]
    return tuple(f"{table.file.name} is not UTF-8; it was decoded as {table.encoding}." for table in others)


def normalize_column_name(name: str) -> str:
    """Return a column name in lower case without spaces, digits and punctuation."""
    return re.sub(r"[^a-z]+", "", name.lower())


def _decode(content: bytes, file: Path) -> tuple[str, str]:
    """Return the text of a file and its encoding."""
    marked = [name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark)]
    for encoding in marked or _likely_encodings(content):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, encoding
    raise InputError(f"{file} is not a text file; expected CSV in UTF-8, UTF-16 or Latin-1.")


def _likely_encodings(content: bytes) -> list[str]:
    """Guess the encoding of a file without a byte order mark.

    Zero bytes reveal UTF-16. Text that is not valid UTF-8 is most often cp1252.
    """
    if content[1:2] == b"\0":
        return ["utf-16-le"]
    if content[:1] == b"\0":
        return ["utf-16-be"]
    return ["utf-8", "cp1252", "latin-1"]


def _clean_cell(cell: str) -> str:
    stripped = cell.strip()
    return "" if stripped in ("nan", "NaN") else stripped

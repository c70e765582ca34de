"""CSV files as people have them: in several encodings, columns in any order, empty cells written as NaN."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reg2rg.errors import InputError

_MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_LARGEST_CELL = 10_000_000


@dataclass(frozen=True)
class CsvTable:
    """A CSV file.

    Attributes:
        encoding: how it was read; cp1252 stands for any encoding of one byte that is not UTF-8.
        rows: text by column, empty where there is none; white space at the ends is left out.
    """

    file: Path
    encoding: str
    columns: tuple[str, ...]
    rows: tuple[dict[str, str], ...]


def read_csv(file: Path) -> CsvTable:
    """Read a CSV file with a header; InputError if it is none."""
    if not file.is_file():
        raise InputError(f"{file}: there is no such file.")
    text, encoding = _decode(file.read_bytes(), file)
    csv.field_size_limit(_LARGEST_CELL)
    try:
        lines = [row for row in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise InputError(f"{file} is not readable as CSV ({error}).") from error
    if not lines:
        raise InputError(f"{file} is empty; expected a CSV file with a header.")
    columns = tuple(name.strip() for name in lines[0])
    padding = [""] * len(columns)
    rows = tuple(dict(zip(columns, map(_cell, row + padding), strict=False)) for row in lines[1:])
    return CsvTable(file, encoding, columns, rows)


def find_column(sheet: CsvTable, wanted: str, matches: Sequence[str]) -> str:
    """The one column that matches; InputError says what the file has instead."""
    if len(matches) == 1:
        return matches[0]
    found = f"{len(matches)} ({', '.join(matches[:4])})" if matches else "none"
    columns = ", ".join(sheet.columns[:8])[:200] + (", ..." if len(sheet.columns) > 8 else "")
    raise InputError(f"{sheet.file} should have one column {wanted} but has {found}. Its columns are: {columns}.")


def encoding_notes(sheets: Iterable[CsvTable]) -> tuple[str, ...]:
    """What to tell of files that are not UTF-8."""
    others = [sheet for sheet in sheets if not sheet.encoding.startswith("utf-8")]
    return tuple(f"{sheet.file.name} is not UTF-8; it was read as {sheet.encoding}." for sheet in others)


def normalize_column_name(name: str) -> str:
    """A column's name without case, spaces and signs, which files spell differently."""
    return re.sub(r"[^a-z]+", "", name.lower())


def _decode(content: bytes, file: Path) -> tuple[str, str]:
    encodings = [name for mark, name in _MARKS.items() if content.startswith(mark)] or _guesses(content)
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, encoding
    raise InputError(f"{file} is no text file; expected CSV in UTF-8, UTF-16 or Latin-1.")


def _guesses(content: bytes) -> list[str]:
    """Without a byte order mark UTF-16 shows by its zero bytes; what is not UTF-8 is most often cp1252."""
    if content[1:2] == b"\0":
        return ["utf-16-le"]
    if content[:1] == b"\0":
        return ["utf-16-be"]
    return ["utf-8", "cp1252", "latin-1"]


def _cell(cell: str) -> str:
    stripped = cell.strip()
    return "" if stripped in ("nan", "NaN") else stripped

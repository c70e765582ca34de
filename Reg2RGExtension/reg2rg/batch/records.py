"""What is known about a case: finished or failed, from which content and with which settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reg2rg.batch.remote import RemoteFile, read_content
from reg2rg.errors import InputError
from reg2rg.runtime.dataclass_io import from_plain, parse_json, to_plain

RECORD_FILE = "case.json"
"""Record of a finished case, in its report folder."""


@dataclass(frozen=True)
class CaseRecord:
    """The file that makes a report folder the folder of a finished case, or says why a case has failed.

    Attributes:
        id: the case's ID.
        content: hash of the content of the scan and its masks.
        settings: the settings' identity.
        cause: why it has failed, without names of files; empty if it has not.
        superseded_by: ID of the case that the same scan became when it grew; empty if it did not.
    """

    id: str
    content: str
    settings: Mapping[str, Any]
    cause: str = ""
    superseded_by: str = ""


def read_record(path: Path | RemoteFile) -> CaseRecord | None:
    """Return the record in a file; None if there is none that is complete."""
    try:
        content = read_content(path.url) if isinstance(path, RemoteFile) else path.read_bytes()
        text = content.decode()
        return from_plain(CaseRecord, parse_json(text, path.name), path.name)
    except (FileNotFoundError, NotADirectoryError, UnicodeDecodeError, InputError):
        return None


def write_record(record: CaseRecord, path: Path) -> None:
    """Write a record. The file is complete or absent."""
    replace_text(path, json.dumps(to_plain(record), indent=2) + "\n")


def replace_text(path: Path, text: str) -> None:
    """Write a file that appears at once; its folder is created if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.new")
    try:
        unfinished.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

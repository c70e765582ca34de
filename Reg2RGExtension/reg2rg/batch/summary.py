"""summary.html: all cases on one page that needs no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reg2rg.about import DRAFT_LABEL, __version__
from reg2rg.batch.entries import Entry
from reg2rg.batch.records import replace_text
from reg2rg.batch.thumbnails import THUMBNAIL_FILE
from reg2rg.exports.measurements import PICTURE_FILE
from reg2rg.exports.templates import template
from reg2rg.measurements import measurement_words
from reg2rg.report import PREVIEW_FILE

SUMMARY_FILE = "summary.html"

_FOLDER = Path(__file__).parent
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def write_summary(entries: Sequence[Entry], left_out: Counter[str], output: Path) -> None:
    """Write the summary of all cases. It appears at once.

    Args:
        entries: the cases.
        left_out: why files and series were left out, to their number.
        output: the output folder.
    """
    import markupsafe

    style = (_FOLDER / "summary.css").read_text(encoding="utf-8")
    page = template(_FOLDER, "summary.html").render(
        banner=DRAFT_LABEL,
        version=__version__,
        style=markupsafe.Markup(style),
        style_hash="sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        states=sorted(Counter(entry.state for entry in entries).items()),
        left_out=sorted(left_out.items()),
        failures=_failures_by_cause(entries),
        cases=[_case(entry) for entry in entries],
    )
    replace_text(output / SUMMARY_FILE, page)


def _failures_by_cause(entries: Sequence[Entry]) -> list[tuple[str, list[str]]]:
    """Return causes and the IDs of the cases that failed for them, the most frequent cause first.

    Messages that differ only in numbers are the same cause.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.state == "failed":
            groups[_NUMBER.sub("0", entry.cause)].append(entry)
    ordered = sorted(groups.values(), key=lambda group: (-len(group), group[0].cause))
    return [(group[0].cause, [entry.id for entry in group]) for group in ordered]


def _case(entry: Entry) -> dict[str, Any]:
    """Return what the page shows of a case."""
    picture, thumbnail = "", ""
    if entry.folder is not None:
        names = (name for name in (PREVIEW_FILE, PICTURE_FILE) if (entry.folder / name).is_file())
        picture = next((f"cases/{entry.id}/{name}" for name in names), "")
        if (entry.folder / THUMBNAIL_FILE).is_file():
            encoded = base64.b64encode((entry.folder / THUMBNAIL_FILE).read_bytes()).decode()
            thumbnail = f"data:image/jpeg;base64,{encoded}"
    measured = [(each.name, measurement_words(each), each.adjective is not None) for each in entry.measurements]
    return {"entry": entry, "picture": picture, "thumbnail": thumbnail, "measured": measured}

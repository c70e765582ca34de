"""The files of an evaluation: metrics.json, evaluation.md, evaluation.html, a CSV file per table, and figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reg2rg.about import __version__
from reg2rg.evaluation.evaluate import Evaluation
from reg2rg.evaluation.inputs.predictions import DroppedItem, count_reasons
from reg2rg.evaluation.output.html_page import to_page
from reg2rg.evaluation.output.plots import draw_plots
from reg2rg.evaluation.tables import to_csv, to_json_dict, to_markdown
from reg2rg.runtime.csv_output import write_csv
from reg2rg.runtime.staging import staged_output

PAGE_FILE = "evaluation.html"
_OPTIONAL_FILES = ("comparison.csv", "recognition.csv", "confusion.csv", "confusion.png", "clinical_regions.csv")


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write all files, or none if that fails.

    Files from an earlier evaluation in the folder are replaced or removed.

    Args:
        evaluation: The results.
        folder: Folder to write into; created if it does not exist.
    """
    plots = draw_plots({table.key: table for table in evaluation.tables})
    metrics = json.dumps(_to_json_dict(evaluation), indent=1, ensure_ascii=False, allow_nan=False)
    with staged_output(folder, _OPTIONAL_FILES) as staging:
        for plot in plots:
            (staging / f"{plot.key}.png").write_bytes(plot.png)
        for table in evaluation.tables:
            _write(staging / f"{table.key}.csv", to_csv(table))
        _write_dropped(staging / "dropped.csv", evaluation.dropped)
        _write(staging / "metrics.json", metrics)
        _write(staging / "evaluation.md", _to_markdown(evaluation))
        _write(staging / PAGE_FILE, to_page(evaluation, plots))


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")


def _write_dropped(file: Path, dropped: tuple[DroppedItem, ...]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        rows = [(item.case, item.region or "", item.reason) for item in dropped]
        write_csv(stream, [("case", "region", "reason"), *rows])


def _to_json_dict(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "reg2rg": __version__,
        "about": evaluation.about,
        "notes": list(evaluation.notes),
        "dropped": [{"case": item.case, "region": item.region, "reason": item.reason} for item in evaluation.dropped],
        "tables": {table.key: to_json_dict(table) for table in evaluation.tables},
    }


def _to_markdown(evaluation: Evaluation) -> str:
    about = [f"- {name}: {value}" for name, value in evaluation.about.items()]
    dropped = [
        f"- Not scored: {kind}: {reason} ({count:,})."
        for (kind, reason), count in count_reasons(evaluation.dropped).items()
    ]
    notes = [f"- {note}" for note in evaluation.notes] + dropped
    parts = [
        "# Evaluation of chest CT reports",
        "\n".join(about),
        "\n".join(notes),
        *map(to_markdown, evaluation.tables),
    ]
    return "\n\n".join(part for part in parts if part)

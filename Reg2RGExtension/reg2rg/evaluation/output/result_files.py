"""The files of an evaluation: metrics.json, evaluation.md, evaluation.html, a CSV file for each table, pictures."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

from reg2rg import __version__
from reg2rg.evaluation.evaluate import Evaluation
from reg2rg.evaluation.inputs.predictions import count_reasons
from reg2rg.evaluation.output.html_page import to_page
from reg2rg.evaluation.output.plots import draw_plots
from reg2rg.evaluation.tables import to_csv, to_json_dict, to_markdown
from reg2rg.runtime.staging import staged_output

PAGE_FILE = "evaluation.html"
_NOT_ALWAYS = ("comparison.csv", "recognition.csv", "swaps.csv", "swaps.png", "clinical_regions.csv")


def write_evaluation(evaluation: Evaluation, folder: Path) -> None:
    """Write all files, or none if that fails; files of an earlier evaluation in the folder are replaced or removed."""
    plots = draw_plots({table.key: table for table in evaluation.tables})
    with staged_output(folder) as staging:
        for plot in plots:
            (staging / f"{plot.key}.png").write_bytes(plot.png)
        for table in evaluation.tables:
            _write(staging / f"{table.key}.csv", to_csv(table))
        _write_dropped(staging / "dropped.csv", evaluation)
        _write(staging / "metrics.json", json.dumps(_plain(evaluation), indent=1, ensure_ascii=False, allow_nan=False))
        _write(staging / "evaluation.md", _markdown(evaluation))
        _write(staging / PAGE_FILE, to_page(evaluation, plots))
        stale = [name for name in _NOT_ALWAYS if not (staging / name).exists()]
    for name in stale:
        (folder / name).unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8", newline="\n")


def _write_dropped(file: Path, evaluation: Evaluation) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        generator = csv.writer(stream, lineterminator="\n")
        generator.writerow(("case", "region", "reason"))
        generator.writerows((item.case, item.region or "", item.reason) for item in evaluation.dropped)


def _plain(evaluation: Evaluation) -> Mapping:
    return {
        "reg2rg": __version__,
        "about": evaluation.about,
        "notes": list(evaluation.notes),
        "dropped": [{"case": d.case, "region": d.region, "reason": d.reason} for d in evaluation.dropped],
        "tables": {table.key: to_json_dict(table) for table in evaluation.tables},
    }


def _markdown(evaluation: Evaluation) -> str:
    about = [f"- {name}: {value}" for name, value in evaluation.about.items()]
    left_out = [f"{what}: {reason} ({count:,})" for (what, reason), count in count_reasons(evaluation.dropped).items()]
    notes = [f"- {note}" for note in evaluation.notes] + [f"- Left out, {reason}." for reason in left_out]
    parts = [
        "# Evaluation of chest CT reports",
        "\n".join(about),
        "\n".join(notes),
        *map(to_markdown, evaluation.tables),
    ]
    return "\n\n".join(part for part in parts if part)

"""One HTML page with everything in it, pictures too, to be sent as it is."""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from reg2rg import __version__
from reg2rg.evaluation.evaluate import Evaluation
from reg2rg.evaluation.inputs.predictions import count_reasons
from reg2rg.evaluation.output.plots import Plot
from reg2rg.evaluation.tables import format_cell

_PLACES = {"lengths": "lengths", "labels": "labels", "swaps": "swaps", "collapse": "diversity"}
_NOT_SHOWN = {"histogram"}
"""The picture shows it better."""


def to_page(evaluation: Evaluation, plots: Sequence[Plot]) -> str:
    """The page."""
    import jinja2

    template = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined).from_string(
        Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    )
    placed = defaultdict(list)
    for plot in plots:
        placed[_PLACES[plot.key]].append((plot, b64encode(plot.png).decode()))
    tables = [
        {
            "key": table.key,
            "title": table.title,
            "caption": table.caption,
            "columns": table.columns,
            "rows": [[format_cell(cell) for cell in row] for row in table.rows],
        }
        for table in evaluation.tables
        if table.key not in _NOT_SHOWN
    ]
    return template.render(
        about=evaluation.about,
        notes=evaluation.notes,
        dropped=count_reasons(evaluation.dropped),
        tables=tables,
        plots=placed,
        version=__version__,
    )

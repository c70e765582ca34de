"""A self-contained HTML page with all tables and figures."""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from reg2rg.about import __version__
from reg2rg.evaluation.evaluate import Evaluation
from reg2rg.evaluation.inputs.predictions import count_reasons
from reg2rg.evaluation.output.plots import Plot
from reg2rg.evaluation.tables import format_cell

_TABLE_OF_PLOT = {"lengths": "lengths", "labels": "labels", "confusion": "confusion", "collapse": "diversity"}
_HIDDEN_TABLES = {"histogram"}
"""Tables that are better shown as a figure."""


def to_page(evaluation: Evaluation, plots: Sequence[Plot]) -> str:
    """Render the page.

    Args:
        evaluation: The results.
        plots: Figures, each shown above its table.
    """
    import jinja2

    template = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined).from_string(
        Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    )
    plots_by_table = defaultdict(list)
    for plot in plots:
        plots_by_table[_TABLE_OF_PLOT[plot.key]].append((plot, b64encode(plot.png).decode()))
    tables = [
        {
            "key": table.key,
            "title": table.title,
            "caption": table.caption,
            "columns": table.columns,
            "rows": [[format_cell(cell) for cell in row] for row in table.rows],
        }
        for table in evaluation.tables
        if table.key not in _HIDDEN_TABLES
    ]
    return template.render(
        about=evaluation.about,
        notes=evaluation.notes,
        dropped=count_reasons(evaluation.dropped),
        tables=tables,
        plots=plots_by_table,
        version=__version__,
    )

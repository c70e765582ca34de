"""A self-contained HTML page with tables and figures."""

from __future__ import annotations

from base64 import b64encode
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reg2rg.about import __version__
from reg2rg.evaluation.evaluate import Evaluation
from reg2rg.evaluation.inputs.predictions import count_reasons
from reg2rg.evaluation.output.figures import Plot
from reg2rg.evaluation.tables import Table, format_cell

_TABLE_OF_PLOT = {"lengths": "lengths", "labels": "labels", "confusion": "confusion", "collapse": "diversity"}
_HIDDEN_TABLES = {"histogram"}
"""Tables that are better shown as a figure."""


def to_page(evaluation: Evaluation, plots: Sequence[Plot]) -> str:
    """Render the page of an evaluation.

    Args:
        evaluation: The results.
        plots: Figures, each shown above its table.
    """
    return render_page(
        "Evaluation of chest CT reports",
        evaluation.about,
        evaluation.notes,
        [table for table in evaluation.tables if table.key not in _HIDDEN_TABLES],
        [(_TABLE_OF_PLOT[plot.key], plot) for plot in plots],
        dropped=count_reasons(evaluation.dropped),
    )


def render_page(
    title: str,
    about: Mapping[str, str],
    notes: Iterable[str],
    tables: Iterable[Table],
    plots: Iterable[tuple[str, Plot]],
    *,
    dropped: Mapping[tuple[str, str], int] | None = None,
) -> str:
    """Render a self-contained page.

    Args:
        title: Heading of the page.
        about: What was examined, as topic -> words.
        notes: What a reader must know first.
        tables: The tables, in order.
        plots: Pairs of a table's key and a figure shown above this table.
        dropped: Pairs of kind and reason -> number of cases that were left out, if that is listed.
    """
    import jinja2

    template = jinja2.Environment(autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined).from_string(
        Path(__file__).with_name("page.html").read_text(encoding="utf-8")
    )
    plots_by_table = defaultdict(list)
    for key, plot in plots:
        plots_by_table[key].append((plot, b64encode(plot.png).decode()))
    cells = [
        {
            "key": table.key,
            "title": table.title,
            "caption": table.caption,
            "columns": table.columns,
            "rows": [[format_cell(cell) for cell in row] for row in table.rows],
        }
        for table in tables
    ]
    return template.render(
        title=title,
        about=about,
        notes=tuple(notes),
        dropped=dropped or {},
        tables=cells,
        plots=plots_by_table,
        version=__version__,
    )

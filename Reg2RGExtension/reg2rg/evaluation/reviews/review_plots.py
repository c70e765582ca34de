"""Figures of what reviewers did to drafts."""

from __future__ import annotations

import numpy as np

from reg2rg.evaluation.output.figures import Plot, new_figure, style_axes, to_plot
from reg2rg.evaluation.reviews.review_tables import DRIFT, FINDINGS, REGIONS
from reg2rg.evaluation.tables import Table

_COLORS = {"kept": "#2f6db5", "edited": "#e0a030", "rejected": "#a33c2c", "added": "#5b5f66"}
_HATCHES = {"kept": "", "edited": "//", "rejected": "xx", "added": ".."}
"""Nothing is told by color alone."""

MOST_FINDINGS = 25
"""Findings in the figure; the table lists all of them."""


def review_plots(tables: dict[str, Table]) -> list[tuple[str, Plot]]:
    """Draw the figures.

    Args:
        tables: the tables by key.

    Returns:
        Pairs of the key of a table and its figure.
    """
    return [
        (REGIONS, _outcomes(REGIONS, tables[REGIONS], "region", "share of the reviewed sections")),
        (FINDINGS, _outcomes(FINDINGS, tables[FINDINGS], "finding", "findings")),
        (DRIFT, _over_time(tables[DRIFT])),
    ]


def _outcomes(key: str, table: Table, first: str, label: str) -> Plot:
    """Draw stacked bars, one per row except the last, which is the total."""
    rows = min(len(table.rows) - 1, MOST_FINDINGS)
    names = table.texts(first)[:rows]
    if "region" in table.columns[1:]:
        names = [f"{name} ({region})" for name, region in zip(names, table.texts("region")[:rows], strict=True)]
    figure = new_figure(7.5, 0.28 * rows + 1.4)
    axes = figure.add_subplot()
    left = np.zeros(rows)
    for outcome in (name for name in _COLORS if name in table.columns):
        values = np.nan_to_num(table.numbers(outcome)[:rows])
        bars = axes.barh(range(rows), values, left=left, label=outcome, color=_COLORS[outcome], edgecolor="white")
        for bar in bars:
            bar.set_hatch(_HATCHES[outcome])
        left += values
    axes.set_yticks(range(rows), names)
    axes.invert_yaxis()
    style_axes(axes)
    axes.set_xlabel(label)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=4, frameon=False, fontsize=9)
    return to_plot(key, f"{table.title}.", figure)


def _over_time(table: Table) -> Plot:
    figure = new_figure(7.5, 3.2)
    axes = figure.add_subplot()
    periods = range(len(table.rows))
    for name, marker in (("sections kept", "o"), ("sections rejected", "s"), ("findings kept", "^")):
        axes.plot(periods, table.numbers(name), marker=marker, label=name)
    axes.set_xticks(periods, table.texts("period"), rotation=40, ha="right", rotation_mode="anchor")
    style_axes(axes)
    axes.set(ylabel="share", ylim=(-0.03, 1.03))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=3, frameon=False, fontsize=9)
    return to_plot(DRIFT, f"{table.title}.", figure)

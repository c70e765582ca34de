"""Figures made from the tables: text lengths, F1 by label, region confusion and template collapse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from reg2rg.evaluation.output.figures import Plot, new_figure, style_axes, to_plot
from reg2rg.evaluation.tables import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REFERENCE, PREDICTION = "#8a8f98", "#2f6db5"
_ERROR_BAR = {"ecolor": "#222", "lw": 1}
_SIDES = ("references", "predictions")
_PANELS = ("distinct texts", "most frequent text", "self-BLEU", "normal by labels")


def draw_plots(tables: Mapping[str, Table]) -> list[Plot]:
    """Draw all figures for which there are tables.

    Args:
        tables: Tables by key.
    """
    plots = [_plot_lengths(tables["histogram"], tables["lengths"]), _plot_labels(tables["labels"])]
    if "confusion" in tables:
        plots.append(_plot_confusion(tables["confusion"]))
    return [*plots, _plot_collapse(tables["diversity"], tables["normal_bias"], tables["rare_findings"])]


def _plot_lengths(histogram: Table, lengths: Table) -> Plot:
    figure = new_figure(7.5, 3.4)
    axes = figure.add_subplot()
    starts = np.array(histogram.numbers("from"))
    width = float(starts[1] - starts[0]) if len(starts) > 1 else 10.0
    for name, color, offset in (("references", REFERENCE, 0.0), ("predictions", PREDICTION, 0.45)):
        axes.bar(starts + offset * width, histogram.numbers(name), 0.45 * width, align="edge", color=color, label=name)
    style_axes(axes)
    axes.set(xlabel="words", ylabel="texts", xlim=(0, float(starts[-1]) + width))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False)
    reference, prediction, kl = (lengths.numbers(name)[-1] for name in ("mean, references", "mean, predictions", "KL"))
    caption = (
        f"Text lengths. References have {reference:.0f} words on average, predictions {prediction:.0f}. "
        f"KL(references || predictions) is {kl:.3f} nats."
    )
    return to_plot("lengths", caption, figure)


def _plot_labels(table: Table) -> Plot:
    columns = table.numbers("in references"), table.texts("label"), table.intervals("F1")
    rows = sorted(zip(*columns, strict=True), key=lambda row: row[:2])
    figure = new_figure(7.5, 5.2)
    axes = figure.add_subplot()
    values = [f1.value for _, _, f1 in rows]
    bounds = [[f1.value - f1.low for *_, f1 in rows], [f1.high - f1.value for *_, f1 in rows]]
    axes.barh(range(len(rows)), values, color=PREDICTION, xerr=np.maximum(bounds, 0), error_kw=_ERROR_BAR)
    axes.set_yticks(range(len(rows)), [f"{label} ({support:,.0f})" for support, label, _ in rows])
    style_axes(axes)
    axes.set(xlabel="F1 with 95% interval", xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4))
    _, best, highest = max(rows, key=lambda row: row[2].value)
    never = ", ".join(label for support, label, f1 in reversed(rows) if support and f1.value == 0)
    result = f"Best: {best} ({highest.value:.2f}). Never found: {never or 'none'}."
    caption = (
        "F1 by label, sorted by frequency in the references, with the number of cases in parentheses. "
        f"{result if highest.value else 'No finding is found.'} Findings extracted by {table.labeler}."
    )
    return to_plot("labels", caption, figure)


def _plot_confusion(table: Table) -> Plot:
    names, columns = table.texts("true region"), table.columns[1:]
    counts = np.array([row[1:] for row in table.rows], float)
    shares = counts / counts.sum(axis=1, keepdims=True)
    figure = new_figure(8.2, 5.6)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > 0.55 else "#222"
            axes.text(column, row, f"{int(count):,}", ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted region", ylabel="true region")
    figure.colorbar(image, label="share of the region's slots", shrink=0.8)
    summary = table.caption.split(". ")[0]
    return to_plot("confusion", f"Region recognition, number of slots. {summary}.", figure)


def _plot_collapse(diversity: Table, normal_bias: Table, rare_findings: Table) -> Plot:
    names = diversity.texts("texts")
    panel_height = 0.28 * len(names) + 0.7
    figure = new_figure(9.5, panel_height + 2.2)
    grid = figure.add_gridspec(2, len(_PANELS), height_ratios=[panel_height, 1.4])
    first = figure.add_subplot(grid[0, 0])
    panels = [first, *(figure.add_subplot(grid[0, column], sharey=first) for column in range(1, len(_PANELS)))]
    for axes, metric in zip(panels, _PANELS, strict=True):
        table = normal_bias if metric == "normal by labels" else diversity
        _dumbbells(axes, *(np.array(table.numbers(f"{metric}, {side}")) for side in _SIDES))
        axes.set_title(metric, fontsize=10)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(labelleft=axes is first)
    first.invert_yaxis()
    figure.legend(*first.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    _plot_recalls(figure.add_subplot(grid[1, :]), rare_findings)
    return to_plot("collapse", _collapse_caption(diversity, normal_bias, rare_findings), figure)


def _dumbbells(axes: Axes, references: np.ndarray, predictions: np.ndarray) -> None:
    places = np.arange(len(references))
    axes.hlines(places, np.minimum(references, predictions), np.maximum(references, predictions), color="#c9ced6", lw=2)
    axes.scatter(references, places, color=REFERENCE, s=28, zorder=3, label="references")
    axes.scatter(predictions, places, color=PREDICTION, s=28, zorder=3, label="predictions")
    style_axes(axes)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.6, len(places) - 0.4))


def _plot_recalls(axes: Axes, rare_findings: Table) -> None:
    recalls = rare_findings.intervals("recall")
    values = np.nan_to_num([recall.value for recall in recalls])
    bounds = np.nan_to_num([[r.value - r.low for r in recalls], [r.high - r.value for r in recalls]])
    axes.barh(range(len(values)), values, color=PREDICTION, xerr=np.maximum(bounds, 0), error_kw=_ERROR_BAR)
    axes.set_yticks(range(len(values)), rare_findings.texts("labels"))
    style_axes(axes)
    axes.invert_yaxis()
    axes.set(xlabel="recall with 95% interval", xlim=(0, 1))


def _collapse_caption(diversity: Table, normal_bias: Table, rare_findings: Table) -> str:
    def shares(table: Table, metric: str) -> str:
        references, predictions = (table.numbers(f"{metric}, {side}")[-1] for side in _SIDES)
        return f"{predictions:.0%} (references: {references:.0%})"

    recalls = [f"{recall:.2f}" for recall in rare_findings.numbers("recall") if np.isfinite(recall)]
    return (
        f"Template collapse. Distinct predictions: {shares(diversity, 'distinct texts')}. Most frequent text: "
        f"{shares(diversity, 'most frequent text')}. Normal by labels: {shares(normal_bias, 'normal by labels')}. "
        f"Recall from the rarest to the most frequent labels: {', '.join(recalls) or 'no findings'}."
    )

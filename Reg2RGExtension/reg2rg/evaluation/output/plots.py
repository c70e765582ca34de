"""Pictures of the tables: lengths, F1 by label, swapped regions, collapse; each with a caption of what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reg2rg.evaluation.tables import Table

REFERENCE, PREDICTION = "#8a8f98", "#2f6db5"
_ERROR_BAR = {"ecolor": "#222", "lw": 1}
_SIDES = ("references", "predictions")
_PANELS = ("distinct texts", "most frequent text", "self-BLEU", "free of the 18")
_STYLE = {"dpi": 150, "layout": "constrained"}


@dataclass(frozen=True)
class Plot:
    """A picture.

    Attributes:
        key: name of its file without ending.
        caption: what is seen.
        width: pixels to show it in; the file has more.
        png: the file's content.
    """

    key: str
    caption: str
    width: int
    png: bytes


def draw_plots(tables: Mapping[str, Table]) -> list[Plot]:
    """The plots that these tables allow."""
    plots = [_lengths(tables["histogram"], tables["lengths"]), _labels(tables["labels"])]
    if "swaps" in tables:
        plots.append(_swaps(tables["swaps"]))
    return [*plots, _collapse(tables["diversity"], tables["normal"], tables["survival"])]


def _lengths(histogram: Table, lengths: Table) -> Plot:
    figure = Figure(figsize=(7.5, 3.4), **_STYLE)
    axes = figure.add_subplot()
    begins = np.array(histogram.column("from"))
    width = float(begins[1] - begins[0]) if len(begins) > 1 else 10.0
    for name, color, offset in (("references", REFERENCE, 0.0), ("predictions", PREDICTION, 0.45)):
        axes.bar(begins + offset * width, histogram.column(name), 0.45 * width, align="edge", color=color, label=name)
    _plain(axes)
    axes.set(xlabel="words", ylabel="texts", xlim=(0, float(begins[-1]) + width))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.legend(frameon=False)
    last = dict(zip(lengths.columns, lengths.rows[-1], strict=True))
    caption = (
        f"Length of texts. References have {last['mean, references']:.0f} words on average, predictions "
        f"{last['mean, predictions']:.0f}; KL(references || predictions) is {last['KL']:.3f} nats."
    )
    return _plot("lengths", caption, figure)


def _labels(table: Table) -> Plot:
    columns = (table.column(name) for name in ("in references", "label", "F1"))
    rows = sorted(zip(*columns, strict=True), key=lambda row: row[:2])
    figure = Figure(figsize=(7.5, 5.2), **_STYLE)
    axes = figure.add_subplot()
    f1 = [interval.value for _, _, interval in rows]
    bounds = [[i.value - i.low for *_, i in rows], [i.high - i.value for *_, i in rows]]
    axes.barh(range(len(rows)), f1, color=PREDICTION, xerr=np.maximum(bounds, 0), error_kw={"ecolor": "#222", "lw": 1})
    axes.set_yticks(range(len(rows)), [f"{label} ({support:,})" for support, label, _ in rows])
    _plain(axes)
    axes.set(xlabel="F1 with 95% interval", xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4))
    _, best, highest = max(rows, key=lambda row: row[2].value)
    never = ", ".join(label for support, label, interval in reversed(rows) if support and interval.value == 0)
    seen = f"Best: {best} ({highest.value:.2f}). Never found: {never or 'none'}." if highest.value else "None is found."
    caption = (
        "F1 by label, the most frequent in the references at the top; in brackets in how many cases. "
        f"{seen} Findings read by {table.reader}."
    )
    return _plot("labels", caption, figure)


def _swaps(table: Table) -> Plot:
    names, columns = table.column("region"), table.columns[1:]
    counts = np.array([row[1:] for row in table.rows], float)
    shares = counts / counts.sum(axis=1, keepdims=True)
    figure = Figure(figsize=(8.2, 5.6), **_STYLE)
    axes = figure.add_subplot()
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if shares[row, column] > 0.55 else "#222"
            axes.text(column, row, f"{int(count):,}", ha="center", va="center", color=color, fontsize=8)
    axes.set_xticks(range(len(columns)), columns, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="was taken for", ylabel="slot of the region")
    figure.colorbar(image, label="share of the region's slots", shrink=0.8)
    return _plot("swaps", f"Recognised regions, counts of slots. {table.caption.split('. ')[0]}.", figure)


def _collapse(diversity: Table, normal: Table, survival: Table) -> Plot:
    names = [str(name) for name in diversity.column("texts")]
    above = 0.28 * len(names) + 0.7
    figure = Figure(figsize=(9.5, above + 2.2), **_STYLE)
    grid = figure.add_gridspec(2, len(_PANELS), height_ratios=[above, 1.4])
    first = None
    for column, measure in enumerate(_PANELS):
        table = normal if measure == "free of the 18" else diversity
        axes = figure.add_subplot(grid[0, column], sharey=first)
        _dumbbells(axes, *(np.array(table.column(f"{measure}, {side}"), float) for side in _SIDES))
        axes.set_title(measure, fontsize=10)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(labelleft=column == 0)
        first = first or axes
    first.invert_yaxis()
    figure.legend(*first.get_legend_handles_labels(), loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    _bands(figure.add_subplot(grid[1, :]), survival)
    return _plot("collapse", _collapse_caption(diversity, normal, survival), figure)


def _dumbbells(axes: Any, references: np.ndarray, predictions: np.ndarray) -> None:
    places = np.arange(len(references))
    axes.hlines(places, np.minimum(references, predictions), np.maximum(references, predictions), color="#c9ced6", lw=2)
    axes.scatter(references, places, color=REFERENCE, s=28, zorder=3, label="references")
    axes.scatter(predictions, places, color=PREDICTION, s=28, zorder=3, label="predictions")
    _plain(axes)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.6, len(places) - 0.4))


def _bands(axes: Any, survival: Table) -> None:
    recalls = survival.column("recall")
    values = np.nan_to_num([cell.value for cell in recalls])
    bounds = np.nan_to_num([[c.value - c.low for c in recalls], [c.high - c.value for c in recalls]])
    axes.barh(range(len(values)), values, color=PREDICTION, xerr=np.maximum(bounds, 0), error_kw=_ERROR_BAR)
    axes.set_yticks(range(len(values)), [f"labels {name}" for name in survival.column("labels")])
    _plain(axes)
    axes.invert_yaxis()
    axes.set(xlabel="recall with 95% interval", xlim=(0, 1))


def _collapse_caption(diversity: Table, normal: Table, survival: Table) -> str:
    def share(table: Table, measure: str) -> str:
        references, predictions = (table.column(f"{measure}, {side}")[-1] for side in _SIDES)
        return f"{predictions:.0%} (references {references:.0%})"

    recalls = [f"{cell.value:.2f}" for cell in survival.column("recall") if np.isfinite(cell.value)]
    return (
        f"Template collapse. Of all predictions {share(diversity, 'distinct texts')} are distinct, one makes up "
        f"{share(diversity, 'most frequent text')}, and {share(normal, 'free of the 18')} name none of the 18. "
        f"Recall from the rarest labels to the most frequent: {', '.join(recalls) or 'no findings'}."
    )


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def _plot(key: str, caption: str, figure: Figure) -> Plot:
    FigureCanvasAgg(figure)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return Plot(key, caption, round(figure.get_size_inches()[0] * 96), content.getvalue())

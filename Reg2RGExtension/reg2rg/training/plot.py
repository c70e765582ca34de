"""Plots of training losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

History = Sequence[Mapping[str, Any]]
"""The log entries of a stage, in order."""


def plot_losses(histories: Mapping[str, History], file: Path) -> None:
    """Plot each loss over the steps, one panel per stage: lines for training, dots for validation.

    Args:
        histories: name of the stage -> its log entries.
        file: the PNG file to write.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(1, len(histories), figsize=(6 * len(histories), 4.2), squeeze=False)
    for axes, (title, history) in zip(panels[0], histories.items(), strict=True):
        names = sorted({name for row in history for name in row if name.startswith("loss_")})
        for name in names:
            steps, values = _curve(history, name)
            (line,) = axes.plot(steps, values, label=name.removeprefix("loss_"), linewidth=1.4)
            steps, values = _curve(history, f"eval_{name}")
            axes.plot(steps, values, "o", color=line.get_color(), markersize=4)
        axes.set_yscale("log")
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
        if names:
            axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.14))
    panels[0][0].set_ylabel("loss (lines: training, dots: validation)")
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    pyplot.close(figure)


def _curve(history: History, name: str) -> tuple[list[int], list[float]]:
    """Return the steps and values of a loss, excluding zeros, which a logarithmic axis cannot show."""
    rows = [(row["step"], row[name]) for row in history if row.get(name, 0) > 0]
    return [step for step, _ in rows], [value for _, value in rows]

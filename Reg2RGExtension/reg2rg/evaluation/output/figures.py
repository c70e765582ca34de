"""Figures as PNG data, in one style."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Plot:
    """A figure.

    Attributes:
        key: File name without extension.
        caption: What the figure shows.
        width: Display width in pixels; the file has a higher resolution.
        png: Content of the PNG file.
    """

    key: str
    caption: str
    width: int
    png: bytes


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; sizes in inches."""
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def style_axes(axes: Axes) -> None:
    """Give axes the look of all figures."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9)


def to_plot(key: str, caption: str, figure: Figure) -> Plot:
    """Draw a figure."""
    FigureCanvasAgg(figure)
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return Plot(key, caption, round(figure.get_size_inches()[0] * 96), content.getvalue())

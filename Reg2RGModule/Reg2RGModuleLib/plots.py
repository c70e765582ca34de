"""Small plots on cards: the densities of the lungs, and the densities of the vertebrae by level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib.densities import Histogram

HEIGHT, MARGIN, LABEL_HEIGHT = 88, 6, 15
EMPHYSEMA_HU = -950
TICKS_HU = (-1000, -800, -600, -400, -200, 0)
MARK_COLOR = (220, 60, 40)


class Level(NamedTuple):
    """A bar of the plot of vertebrae: the name of the level, and its density in HU."""

    name: str
    hu: float


class DensityPlot(qt.QWidget):
    """The histogram of a region's densities, with -950 HU marked. It is computed when it is first painted."""

    def __init__(self, histogram: Callable[[], Histogram | None]) -> None:
        qt.QWidget.__init__(self)
        self._compute = histogram
        self._histogram: Histogram | None = None
        self._isKnown = False
        self.setObjectName("densityPlot")
        self.setFixedHeight(HEIGHT)
        self.setAccessibleName(_("Histogram of the lung density"))

    def forget(self) -> None:
        """Compute the histogram again, because the region may have changed."""
        self._isKnown = False
        self.update()

    def histogram(self) -> Histogram | None:
        """Return the histogram, which is computed at the first call."""
        if not self._isKnown:
            self._isKnown = True
            self._histogram = self._compute()
        return self._histogram

    def paintEvent(self, event: qt.QPaintEvent) -> None:
        """Draw the histogram."""
        histogram = self.histogram()
        if histogram is None:
            return
        painter = qt.QPainter(self)
        text = self.palette.color(qt.QPalette.WindowText)
        bars = self.palette.color(qt.QPalette.Highlight)
        last = histogram.lowest + histogram.step * len(histogram.counts)
        scale = (self.width - 2 * MARGIN) / (last - histogram.lowest)
        bottom, top = HEIGHT - LABEL_HEIGHT, LABEL_HEIGHT
        highest = max(1, *histogram.counts)

        def xOf(hu: float) -> int:
            return MARGIN + round((hu - histogram.lowest) * scale)

        for index, count in enumerate(histogram.counts):
            start = histogram.lowest + index * histogram.step
            left, height = xOf(start), round((bottom - top) * count / highest)
            painter.fillRect(left, bottom - height, max(1, xOf(start + histogram.step) - left), height, bars)
        painter.setPen(text)
        painter.drawLine(MARGIN, bottom, self.width - MARGIN, bottom)
        for hu in TICKS_HU:
            painter.drawLine(xOf(hu), bottom, xOf(hu), bottom + 3)
            _write(painter, xOf(hu), HEIGHT - 2, str(hu), self.width)
        painter.setPen(qt.QColor(*MARK_COLOR))
        painter.drawLine(xOf(EMPHYSEMA_HU), top - 2, xOf(EMPHYSEMA_HU), bottom)
        painter.setPen(text)
        _write(painter, xOf(EMPHYSEMA_HU), top - 4, _("{0} HU").format(EMPHYSEMA_HU), self.width)
        painter.end()


class VertebraPlot(qt.QWidget):
    """The densities of the vertebrae, from the head downward."""

    def __init__(self) -> None:
        qt.QWidget.__init__(self)
        self._levels: tuple[Level, ...] = ()
        self.setObjectName("vertebraPlot")
        self.setFixedHeight(HEIGHT)
        self.setAccessibleName(_("Density of the vertebrae by level"))

    def levels(self) -> tuple[Level, ...]:
        """Return the bars."""
        return self._levels

    def setLevels(self, levels: Sequence[Level]) -> None:
        """Show these bars."""
        self._levels = tuple(levels)
        self.update()

    def paintEvent(self, event: qt.QPaintEvent) -> None:
        """Draw one bar per vertebra, with its density above it."""
        if not self._levels:
            return
        painter = qt.QPainter(self)
        text = self.palette.color(qt.QPalette.WindowText)
        bars = self.palette.color(qt.QPalette.Highlight)
        pitch = (self.width - 2 * MARGIN) / len(self._levels)
        bottom, top = HEIGHT - LABEL_HEIGHT, LABEL_HEIGHT
        highest = max(1.0, *(level.hu for level in self._levels))
        painter.setPen(text)
        for index, level in enumerate(self._levels):
            left = MARGIN + round(index * pitch)
            width = max(2, round(0.7 * pitch))
            height = round((bottom - top) * max(level.hu, 0.0) / highest)
            painter.fillRect(left, bottom - height, width, height, bars)
            _write(painter, left + width // 2, bottom - height - 2, f"{level.hu:.0f}", self.width)
            _write(painter, left + width // 2, HEIGHT - 2, level.name, self.width)
        painter.drawLine(MARGIN, bottom, self.width - MARGIN, bottom)
        painter.end()


def _write(painter: qt.QPainter, center: int, baseline: int, text: str, width: int) -> None:
    """Write a text centered at a point, but within the width of the plot."""
    size = painter.fontMetrics().boundingRect(text).width()
    painter.drawText(min(max(center - size // 2, 1), width - size - 1), baseline, text)

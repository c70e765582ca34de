"""The panel in the application's scroll area: rows that stay in view, and scrolling to a card.

Slicer's module panel is a scroll area around the whole panel. A second one inside would compete with it for the height.
"""

from __future__ import annotations

from collections.abc import Callable

import qt

MARGIN = 6
"""Pixels between a card that is scrolled to and the rows that stay in view."""


class PanelScroll:
    """Keeps one row of the panel at the top of the visible part and one at the bottom, and scrolls to cards.

    While its place in the panel is visible, a row is there. Otherwise it covers the edge of the visible part. A card
    that was scrolled to stays in view when something above the cards appears or goes, such as the progress of a run,
    until the user scrolls elsewhere.
    """

    def __init__(self, root: qt.QWidget, topRow: qt.QWidget, cards: qt.QWidget, bottomRow: qt.QWidget) -> None:
        self._root = root
        self._cards = cards
        self._cardsTop = cards.y
        self._area: qt.QScrollArea | None = None
        self._isShown = False
        self._card: qt.QWidget | None = None
        self._topRow, self._bottomRow = topRow, bottomRow
        self._topPlace, self._bottomPlace = (
            _takeOut(root, topRow, self._onLayout),
            _takeOut(root, bottomRow, self._onLayout),
        )
        self._timer = qt.QTimer(root)  # fires when the layout has settled
        self._timer.setSingleShot(True)
        self._timer.setInterval(0)
        self._timer.connect("timeout()", self._reveal)

    def setShown(self, shown: bool) -> None:
        """Set whether the module is shown. Only then is the panel in the scroll area, at once or shortly afterwards."""
        self._isShown = shown
        if shown:
            self._attach()
        else:
            self.detach()

    def _attach(self) -> None:
        """Find the scroll area that the panel is in."""
        area = self._root
        while area is not None and not area.inherits("QScrollArea"):
            area = area.parent()
        if area is not None and area is not self._area:
            self.detach()
            self._area = area
            for signal, slot in self._slots():
                area.verticalScrollBar().connect(signal, slot)
            self._arrange()

    def detach(self) -> None:
        """Let go of the scroll area."""
        area, self._area = self._area, None
        if area is not None:
            for signal, slot in self._slots():
                area.verticalScrollBar().disconnect(signal, slot)

    def _slots(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        """Return the signals of the scroll bar, and what is called."""
        return (
            ("valueChanged(int)", self._arrange),
            ("rangeChanged(int,int)", self._onLayout),
            ("actionTriggered(int)", self._onScrolledByUser),
        )

    def refresh(self) -> None:
        """Give the rows the height that their contents need now."""
        for row, place in ((self._topRow, self._topPlace), (self._bottomRow, self._bottomPlace)):
            place.setVisible(not row.isHidden())
            height = row.heightForWidth(place.width) if row.hasHeightForWidth() else row.sizeHint.height()
            place.setFixedHeight(max(height, 0))
        self._arrange()

    def reveal(self, card: qt.QWidget | None) -> None:
        """Scroll to a card once the layout has settled. Its top is shown if it is too high. None: stay where it is."""
        self._card = card
        self._timer.start()

    def _onLayout(self, *values: int) -> None:
        """Follow a new layout: arrange the rows, and scroll to the card again if all cards have moved."""
        self._arrange()
        if self._cards.y != self._cardsTop:
            self._cardsTop = self._cards.y
            self._timer.start()

    def _onScrolledByUser(self, action: int) -> None:
        self._card = None

    def _reveal(self) -> None:
        card = self._card
        if self._area is None or card is None:
            return
        self.refresh()
        top, bottom = self._span()
        if not self._topRow.isHidden():
            top += self._topPlace.height
        if not self._bottomRow.isHidden():
            bottom -= self._bottomPlace.height
        room = bottom - top - card.height
        margin = min(MARGIN, room // 2) if room >= 0 else MARGIN
        first = card.mapTo(self._root, qt.QPoint(0, 0)).y() - margin
        last = first + card.height + 2 * margin
        if first < top or last - first > bottom - top:
            self._scrollBy(first - top)
        elif last > bottom:
            self._scrollBy(last - bottom)

    def _scrollBy(self, pixels: int) -> None:
        bar = self._area.verticalScrollBar()
        bar.setValue(bar.value + pixels)

    def _span(self) -> tuple[int, int]:
        """Return the first and last visible line of the panel, in its own coordinates."""
        if self._area is None:
            return 0, self._root.height
        viewport = self._area.viewport()
        top = self._root.mapFrom(viewport, qt.QPoint(0, 0)).y()
        return top, top + viewport.height

    def _arrange(self, *values: int) -> None:
        """Move the rows to their places, or to the edges of the visible part."""
        if self._isShown and self._area is None:
            self._attach()
        top, bottom = self._span()
        place = self._topPlace
        self._topRow.setGeometry(place.x, max(place.y, top), place.width, place.height)
        place = self._bottomPlace
        self._bottomRow.setGeometry(place.x, min(place.y, bottom - place.height), place.width, place.height)


class _Place(qt.QWidget):
    """Keeps the place of a row in the layout."""

    def __init__(self, onMoved: Callable[[], None]) -> None:
        qt.QWidget.__init__(self)
        self._onMoved = onMoved

    def moveEvent(self, event: qt.QMoveEvent) -> None:
        self._onMoved()

    def resizeEvent(self, event: qt.QResizeEvent) -> None:
        self._onMoved()


def _takeOut(root: qt.QWidget, row: qt.QWidget, onMoved: Callable[[], None]) -> _Place:
    """Replace a row in the layout by its place, and put the row in front of all other widgets."""
    layout = root.layout()
    index = layout.indexOf(row)
    layout.removeWidget(row)
    place = _Place(onMoved)
    layout.insertWidget(index, place)
    row.raise_()
    return place

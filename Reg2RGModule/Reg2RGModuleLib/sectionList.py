"""The cards of all sections, in reading order; one of them is selected and has the keyboard focus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import qt

from Reg2RGModuleLib.densities import Histogram
from Reg2RGModuleLib.panelScroll import PanelScroll
from Reg2RGModuleLib.review import Review
from Reg2RGModuleLib.sectionCard import SectionCard
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.regions import Region


TEXT_INPUTS = ("QPlainTextEdit", "QLineEdit", "QAbstractSpinBox")


class SectionList:
    """Fills a widget with one card per section.

    Signals:
        selected(str): the user selected the section for this region.
        findingChosen(str, int): the user selected a finding; passes region and finding index.
        corrected(str, str, bool): the user corrected a finding; passes region, label, and whether it is present.
        changeChosen(str, int): the user selected what changed since the prior CT; passes region and index.
        changeRemoved(str, int): the user removed what changed since the prior CT; passes region and index.
        measurementChosen(str): the user selected a measurement; passes its key.
        measurementEdited(str, bool): the user wants to move the lines of a measurement, or is done; passes its key.
        measurementRemoved(str): the user removed a measurement; passes its key.
    """

    def __init__(self, box: qt.QWidget, scroll: PanelScroll, histogram: Callable[[str], Histogram | None]) -> None:
        """Make an empty list.

        Args:
            box: the widget to fill.
            scroll: scrolls to cards.
            histogram: returns the densities of a region, or None if they are unknown.
        """
        self.selected = Signal()
        self.findingChosen = Signal()
        self.corrected = Signal()
        self.changeChosen = Signal()
        self.changeRemoved = Signal()
        self.measurementChosen = Signal()
        self.measurementEdited = Signal()
        self.measurementRemoved = Signal()
        self._histogram = histogram
        self._box = box
        self._scroll = scroll
        self._layout = qt.QVBoxLayout()
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)
        box.setLayout(self._layout)
        self._settled = qt.QTimer(box)
        self._settled.setSingleShot(True)
        self._settled.setInterval(0)
        self._settled.connect("timeout()", lambda: box.setUpdatesEnabled(True))
        self._cards: dict[str, SectionCard] = {}
        self._current: str | None = None
        self._correctable: bool | None = None

    @property
    def current(self) -> str | None:
        """Region of the selected card, or None."""
        return self._current

    @property
    def regions(self) -> list[str]:
        """Regions of the cards, in reading order."""
        return list(self._cards)

    def card(self, region: str | None) -> SectionCard | None:
        """Return the card of a region, or None."""
        return self._cards.get(region) if region is not None else None

    def clear(self) -> None:
        """Remove all cards."""
        for card in self._cards.values():
            self._layout.removeWidget(card)
            card.hide()
            card.deleteLater()
        self._cards = {}
        self.setCurrent(None)

    def showWaiting(self, regions: Iterable[str]) -> None:
        """Show a card for each region before its section is written."""
        self._setRegions(regions)
        for card in self._cards.values():
            card.showWaiting()

    def showReview(self, review: Review) -> None:
        """Show all sections of a review."""
        self._setRegions(review.regions)
        for region in review.regions:
            self.showSection(review, region)

    def showSection(self, review: Review, region: str) -> None:
        """Show a section of a review in its card."""
        card = self._cards[region]
        card.showSection(review.section(region), review.state(region), review.text(region), review.changes(region))
        card.showMeasurements(review.measurements(region), review.removedMeasurements(region))
        if region == self._current:
            self.reveal()

    def setCurrent(self, region: str | None) -> None:
        """Select the card of a region and scroll to it."""
        if self._current in self._cards:
            self._cards[self._current].setSelected(False)
        self._current = region if region in self._cards else None
        if self._current is not None:
            self._cards[self._current].setSelected(True)
        self.reveal()

    def reveal(self) -> None:
        """Scroll to the selected card once the layout has settled."""
        self._scroll.reveal(self.card(self._current))

    def takeFocus(self) -> None:
        """Give the keyboard focus to the selected card, or to the box if none is selected."""
        card = self.card(self._current)
        if card is not None:
            card.takeFocus()
        else:
            self._box.setFocus()

    def takeIdleFocus(self) -> None:
        """Take the focus unless the user is typing, because something has happened that the user did not do."""
        focused = qt.QApplication.focusWidget()
        if focused is None or not any(map(focused.inherits, TEXT_INPUTS)):
            self.takeFocus()

    def setCorrectable(self, correctable: bool) -> None:
        """Enable or disable the correction buttons."""
        if correctable != self._correctable:
            self._correctable = correctable
            for card in self._cards.values():
                card.setCorrectable(correctable)

    def neighbor(self, step: int) -> str | None:
        """Return the region of the card before or after the selected one.

        Args:
            step: 1 for the next card, -1 for the previous one.

        Returns:
            The region of that card. At either end of the list, the region of the selected card; if none is selected,
            the first region; if there are no cards, None.
        """
        regions = self.regions
        if not regions:
            return None
        if self._current is None:
            return regions[0]
        index = regions.index(self._current) + step
        return regions[min(max(index, 0), len(regions) - 1)]

    def _setRegions(self, names: Iterable[str]) -> None:
        """Make one card per region, in reading order. If the regions have not changed, the existing cards are kept."""
        from reg2rg.regions import in_reading_order

        regions = in_reading_order(names)
        if [region.name for region in regions] == self.regions:
            return
        selected = self._current
        self._box.setUpdatesEnabled(False)  # until the layout has settled, cards are squashed
        self.clear()
        for index, region in enumerate(regions):
            card = self._newCard(region)
            self._cards[region.name] = card
            self._layout.insertWidget(index, card)
        self.setCurrent(selected)
        self._settled.start()

    def _newCard(self, region: Region) -> SectionCard:
        card = SectionCard(region, lambda: self._histogram(region.name))
        card.clicked.connect(self.selected.emit)
        card.findingClicked.connect(self.findingChosen.emit)
        card.corrected.connect(self.corrected.emit)
        card.changeClicked.connect(self.changeChosen.emit)
        card.changeRemoved.connect(self.changeRemoved.emit)
        card.measurementClicked.connect(self.measurementChosen.emit)
        card.measurementEdited.connect(self.measurementEdited.emit)
        card.measurementRemoved.connect(self.measurementRemoved.emit)
        return card

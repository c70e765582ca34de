"""All sections of a report in reading order, one of them selected."""

import qt

from Reg2RGModuleLib.sectionCard import SectionCard
from Reg2RGModuleLib.signal import Signal


class SectionList:
    """Fills a scroll area with cards.

    Signals:
        selected(str): region the user chose here.
        findingChosen(str, int): region and index of the finding that the user chose here.
        corrected(str, str, bool): region and label of a finding, and whether the user says that it is there.
    """

    def __init__(self, area):
        self.selected = Signal()
        self.findingChosen = Signal()
        self.corrected = Signal()
        self._area = area
        self._holder = qt.QWidget()
        self._layout = qt.QVBoxLayout()
        self._layout.setContentsMargins(0, 0, 4, 0)
        self._layout.setSpacing(6)
        self._holder.setLayout(self._layout)
        self._layout.addStretch(1)
        area.setWidget(self._holder)
        self._revealing = qt.QTimer()  # once the layout has come to rest
        self._revealing.setSingleShot(True)
        self._revealing.setInterval(0)
        self._revealing.connect("timeout()", self._reveal)
        self._cards = {}
        self._current = None
        self._correctable = None

    @property
    def current(self):
        """Region of the selected card, None if none is."""
        return self._current

    @property
    def regions(self):
        """Regions of the cards, in reading order."""
        return list(self._cards)

    def card(self, region):
        return self._cards.get(region)

    def clear(self):
        for card in self._cards.values():
            self._layout.removeWidget(card)
            card.hide()
            card.deleteLater()
        self._cards = {}
        self._current = None

    def show(self, names):
        """Cards of these regions and no others, in reading order; cards that are there stay."""
        from reg2rg.regions import in_reading_order

        regions = in_reading_order(names)
        if [region.name for region in regions] == self.regions:
            return
        kept = self._current
        self.clear()
        for place, region in enumerate(regions):
            card = SectionCard(region)
            card.clicked.connect(self.selected.emit)
            card.findingClicked.connect(self.findingChosen.emit)
            card.corrected.connect(self.corrected.emit)
            self._cards[region.name] = card
            self._layout.insertWidget(place, card)
        if kept in self._cards:
            self.setCurrent(kept)

    def setCurrent(self, region):
        """Mark a card as selected and bring it into sight."""
        if self._current in self._cards:
            self._cards[self._current].setSelected(False)
        self._current = region if region in self._cards else None
        if self._current is not None:
            card = self._cards[self._current]
            card.setSelected(True)
            self.reveal()

    def reveal(self):
        """Scroll to the selected card, also after it has grown."""
        self._revealing.start()

    def _reveal(self):
        card = self._cards.get(self._current)
        if card is not None:
            self._area.ensureWidgetVisible(card, 0, 8)

    def setCorrectable(self, correctable):
        """Whether findings can be corrected now."""
        if correctable != self._correctable:
            self._correctable = correctable
            for card in self._cards.values():
                card.setCorrectable(correctable)

    def neighbour(self, step):
        """Region ``step`` places further on (-1 back); the ends stay ends. None if there is no card."""
        if not self._cards:
            return None
        if self._current is None:
            return self.regions[0]
        place = self.regions.index(self._current) + step
        return self.regions[min(max(place, 0), len(self.regions) - 1)]

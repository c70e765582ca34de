"""The findings of a section, a line or two each: what and where, how probable, who says so; and a way to correct it."""

import html

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib import findingWords
from Reg2RGModuleLib.signal import Signal

SPOT, CURRENT_SPOT = "◎", "◉ ▸"


class FindingList(qt.QWidget):
    """Shows findings and tells of clicks; it decides nothing.

    Signals:
        chosen(int): the finding of that index, which has a location, was clicked.
        overLink(bool): the mouse is over something that can be clicked, or not any more.
        corrected(str, bool): the user says that the finding of this label is there, or not.
    """

    def __init__(self):
        qt.QWidget.__init__(self)
        self.chosen = Signal()
        self.overLink = Signal()
        self.corrected = Signal()
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(2)
        self.setLayout(layout)
        self._rows = {}
        self._content = None
        self._current = None

    def showFindings(self, section):
        """The findings of a section that are worth a line."""
        if section["findings"] != self._content:
            self._content = section["findings"]
            self._fill(section)
        self.setVisible(bool(self._rows))

    def setCurrent(self, index):
        """Mark the finding that the views are at, None for none of them."""
        for each in {index, self._current} & set(self._rows):
            self._rows[each].setCurrent(each == index)
        self._current = index

    def setCorrectable(self, correctable):
        for row in self._rows.values():
            row.button.setEnabled(correctable)

    def _fill(self, section):
        for row in self._rows.values():
            row.remove(self.layout())
        self._rows = {}
        if not findingWords.hasHead(section):
            return
        for index, finding in enumerate(section["findings"]):
            if findingWords.isListed(finding):
                self._rows[index] = self._addRow(section["region"], index, finding)
                self._rows[index].setCurrent(index == self._current)

    def _addRow(self, region, index, finding):
        row = _Row(region, finding)
        there = not findingWords.isClaimed(finding)
        row.button.connect("clicked()", lambda: self.corrected.emit(finding["label"], there))
        row.label.connect("linkActivated(QString)", lambda link: self.chosen.emit(index))
        row.label.connect("linkHovered(QString)", lambda link: self.overLink.emit(bool(link)))
        self.layout().addWidget(row.widget)
        return row


class _Row:
    """One finding."""

    def __init__(self, region, finding):
        self._finding = finding
        self._details = html.escape(findingWords.detailsOf(region, finding))
        self.label = wrappedLabel()
        self.button = qt.QPushButton(_("Not there") if findingWords.isClaimed(finding) else _("It is there"))
        self.button.setObjectName("correctButton")
        self.button.setToolTip(_("Say so, and have the section written again."))
        self.button.setFocusPolicy(qt.Qt.TabFocus)
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button, 0, qt.Qt.AlignTop)
        self.widget = qt.QWidget()
        self.widget.setLayout(layout)

    def setCurrent(self, current):
        name = html.escape(self._finding["label"])
        if self._finding["location"] is not None:
            name = f'{CURRENT_SPOT if current else SPOT} <a href="spot">{name}</a>'
        self.label.setText(f"<b>{name}</b><br><small>{self._details}</small>")

    def remove(self, layout):
        layout.removeWidget(self.widget)
        self.widget.hide()
        self.widget.deleteLater()


def wrappedLabel():
    """A label that wraps; links in it can be clicked, other clicks are for what lies under it."""
    label = qt.QLabel()
    label.setWordWrap(True)
    label.setTextFormat(qt.Qt.RichText)
    label.setTextInteractionFlags(qt.Qt.LinksAccessibleByMouse)
    return label

"""The list of a section's findings: label, location, probability and source, each with a button to correct it."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib import findingText
from Reg2RGModuleLib.fold import wrappedLabel
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.report import Finding, Section


LOCATED_MARK, CURRENT_MARK = "◎", "◉ ▸"


class FindingList(qt.QWidget):
    """Lists the findings of a section and emits signals when they are clicked.

    Signals:
        chosen(int): the name of a located finding was clicked; passes its index.
        overLink(bool): the mouse moved onto a link (True) or off it (False).
        corrected(str, bool): a finding was corrected; passes its label and whether it is present.
    """

    def __init__(self) -> None:
        qt.QWidget.__init__(self)
        self.chosen = Signal()
        self.overLink = Signal()
        self.corrected = Signal()
        layout = qt.QVBoxLayout()
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(2)
        self.setLayout(layout)
        self._rows: dict[int, _Row] = {}
        self._findings: tuple[Finding, ...] | None = None
        self._current: int | None = None

    def showFindings(self, section: Section) -> None:
        """Show the listed findings of a section."""
        if section.findings != self._findings:
            self._findings = section.findings
            self._fill(section)
        self.setVisible(bool(self._rows))

    def setCurrent(self, index: int | None) -> None:
        """Mark the finding that the views are centered on, or no finding if ``index`` is None."""
        for changed, row in self._rows.items():
            if changed in (index, self._current):
                row.setCurrent(changed == index)
        self._current = index

    def setCorrectable(self, correctable: bool) -> None:
        """Enable or disable the correction buttons."""
        for row in self._rows.values():
            row.button.setEnabled(correctable)

    def _fill(self, section: Section) -> None:
        for row in self._rows.values():
            row.remove(self.layout())
        self._rows = {}
        if not findingText.hasFindingHead(section):
            return
        listed = section.listed_findings
        for index, finding in enumerate(section.findings):
            if finding in listed:
                self._rows[index] = self._addRow(section, index, finding)
                self._rows[index].setCurrent(index == self._current)

    def _addRow(self, section: Section, index: int, finding: Finding) -> _Row:
        row = _Row(section, finding)
        row.button.connect("clicked()", lambda: self.corrected.emit(finding.label, not finding.present))
        row.label.connect("linkActivated(QString)", lambda link: self.chosen.emit(index))
        row.label.connect("linkHovered(QString)", lambda link: self.overLink.emit(bool(link)))
        self.layout().addWidget(row.widget)
        return row


class _Row:
    """The row of one finding."""

    def __init__(self, section: Section, finding: Finding) -> None:
        self._finding = finding
        self._isLink = finding.location is not None and not section.model_text_hidden
        self._details = html.escape(findingText.detailsOf(section, finding))
        self.label = wrappedLabel()
        self.button = qt.QPushButton(_("Mark as absent") if finding.present else _("Mark as present"))
        self.button.setObjectName("correctButton")
        self.button.setToolTip(_("Correct this finding and regenerate its section."))
        self.button.setFocusPolicy(qt.Qt.TabFocus)
        layout = qt.QHBoxLayout()
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label, 1)
        layout.addWidget(self.button, 0, qt.Qt.AlignTop)
        self.widget = qt.QWidget()
        self.widget.setLayout(layout)

    def setCurrent(self, current: bool) -> None:
        name = html.escape(self._finding.label)
        if self._isLink:
            name = f'{CURRENT_MARK if current else LOCATED_MARK} <a href="finding">{name}</a>'
        self.label.setText(f"<b>{name}</b><br><small>{self._details}</small>")

    def remove(self, layout: qt.QLayout) -> None:
        layout.removeWidget(self.widget)
        self.widget.hide()
        self.widget.deleteLater()

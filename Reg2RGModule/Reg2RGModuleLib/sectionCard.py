"""The card of a section: region with its color, review state, warnings, text, findings and measurements."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib.findingList import FindingList, wrappedLabel
from Reg2RGModuleLib.review import State
from Reg2RGModuleLib.sectionText import bodyHtml, contradictionsOf, factsOf
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.regions import Region
    from reg2rg.report import Section


CHIP_PIXELS = 14


class SectionCard(qt.QFrame):
    """Shows one section and emits signals when it is clicked.

    Signals:
        clicked(str): the card was clicked; passes its region.
        findingClicked(str, int): a finding or a sentence that mentions it was clicked; passes region and finding index.
        corrected(str, str, bool): a finding was corrected; passes region, label, and whether it is present.
    """

    def __init__(self, region: Region) -> None:
        qt.QFrame.__init__(self)
        self.region = region
        self.clicked = Signal()
        self.findingClicked = Signal()
        self.corrected = Signal()
        self.setObjectName("sectionCard")
        self.setFocusPolicy(qt.Qt.ClickFocus)
        palette = self.palette  # read before a style sheet changes it
        self._background = palette.color(qt.QPalette.Base).name()
        self._frameColor = palette.color(qt.QPalette.Mid).name()
        self._selectedFrameColor = palette.color(qt.QPalette.Highlight).name()
        self.setFrameShape(qt.QFrame.StyledPanel)
        self._chip = qt.QLabel()
        self._chip.setPixmap(chipPixmap(region.color))
        self._title = qt.QLabel(f"<b>{html.escape(region.display_name)}</b>")
        self._state = qt.QLabel()
        self._warning = wrappedLabel()
        self._body = wrappedLabel()
        self._body.setObjectName("sectionText")
        self._findings = FindingList()
        self._facts = wrappedLabel()
        self._overLink = False
        self._contradictions: dict[str, str] = {}
        self._editor = qt.QPlainTextEdit()
        self._editor.setTabChangesFocus(True)
        self._editor.setObjectName("sectionEditor")
        self._editor.setFixedHeight(96)
        self._editor.setVisible(False)
        self._arrange()
        self._connect()
        self.setSelected(False)

    def _arrange(self) -> None:
        heading = qt.QHBoxLayout()
        heading.addWidget(self._chip)
        heading.addWidget(self._title)
        heading.addStretch(1)
        heading.addWidget(self._state)
        layout = qt.QVBoxLayout()
        layout.setSpacing(3)
        layout.addLayout(heading)
        for widget in (self._warning, self._body, self._editor, self._findings, self._facts):
            layout.addWidget(widget)
        self.setLayout(layout)

    def _connect(self) -> None:
        name = self.region.name
        self._body.connect("linkActivated(QString)", self._followLink)
        self._body.connect("linkHovered(QString)", self._hoverLink)
        self._findings.overLink.connect(self._setOverLink)
        self._findings.chosen.connect(lambda index: self.findingClicked.emit(name, index))
        self._findings.corrected.connect(lambda label, present: self.corrected.emit(name, label, present))

    @property
    def editing(self) -> bool:
        """Whether the editor is open."""
        return self._editor.isVisibleTo(self)

    def showWaiting(self) -> None:
        """Show that the section has not been started yet."""
        self._showUnfinished(_("… waiting"), "")

    def showGrowing(self, text: str) -> None:
        """Show the partial text of a section that is being written."""
        self._showUnfinished(_("… writing"), text)

    def showSection(self, section: Section, state: State, text: str) -> None:
        """Show a section.

        Args:
            section: the section as the model wrote it.
            state: its review state.
            text: its current text.
        """
        from reg2rg.report import section_warnings

        acceptedWithEdits = state == State.ACCEPTED and text != section.draft
        self._state.setText(_("✓ accepted, edited") if acceptedWithEdits else stateText(state))
        self._body.setText(bodyHtml(section, text, state, self._textColor()))
        self._contradictions = contradictionsOf(section)
        warnings = section_warnings(section)
        self._warning.setText(html.escape("⚠ " + " ".join(warnings)))
        self._warning.setVisible(bool(warnings))
        self._facts.setText(f"<small>{html.escape(factsOf(section, text))}</small>")
        self._facts.setVisible(True)
        self._findings.showFindings(section)
        self._overLink = False  # the link under the mouse may no longer exist

    def setCurrentFinding(self, index: int | None) -> None:
        """Mark the finding that the views are centered on, or no finding if ``index`` is None."""
        self._findings.setCurrent(index)

    def setCorrectable(self, correctable: bool) -> None:
        """Enable or disable the correction buttons."""
        self._findings.setCorrectable(correctable)

    def setSelected(self, selected: bool) -> None:
        """Show whether the card is selected, with a thick bar and a frame rather than by color alone."""
        bar = "#{:02x}{:02x}{:02x}".format(*self.region.color)
        background = self._background if selected else "transparent"
        frame = self._selectedFrameColor if selected else self._frameColor
        thin, thick = (2, 8) if selected else (1, 4)
        self.setStyleSheet(
            f"#sectionCard {{ background: {background}; border: {thin}px solid {frame};"
            f" border-left: {thick}px solid {bar}; border-radius: 3px; }}"
        )
        # The margins compensate for the frame, so that the text wraps in the same places.
        self.layout().setContentsMargins(14 - thick, 7 - thin, 9 - thin, 7 - thin)

    def beginEditing(self, text: str) -> None:
        """Open the editor."""
        self._editor.setPlainText(text)
        self._body.setVisible(False)
        self._editor.setVisible(True)
        self.takeFocus()
        self._editor.moveCursor(qt.QTextCursor.End)

    def endEditing(self) -> str:
        """Close the editor and return its text."""
        text = self._editor.toPlainText()
        self._editor.setVisible(False)
        self._body.setVisible(True)
        return text.strip()

    def takeFocus(self) -> None:
        """Give the keyboard focus to the editor if it is open, else to the card, so that the shortcuts work."""
        (self._editor if self.editing else self).setFocus()

    def mousePressEvent(self, event: qt.QMouseEvent) -> None:
        """Emit ``clicked``, unless the mouse is on a link, which handles the click when the button is released."""
        if not self._overLink:
            self.clicked.emit(self.region.name)

    def _showUnfinished(self, state: str, text: str) -> None:
        self._state.setText(state)
        self._body.setText(html.escape(text))
        for widget in (self._warning, self._findings, self._facts):
            widget.setVisible(False)

    def _followLink(self, link: str) -> None:
        if link not in self._contradictions:
            self.findingClicked.emit(self.region.name, int(link))

    def _hoverLink(self, link: str) -> None:
        """Explain a contradicted sentence; labels do not show tooltips of parts of their text."""
        self._setOverLink(bool(link))
        self._body.setToolTip(self._contradictions.get(link, ""))

    def _setOverLink(self, overLink: bool) -> None:
        self._overLink = overLink

    def _textColor(self) -> str:
        return self.palette.color(qt.QPalette.WindowText).name()


def stateText(state: State) -> str:
    """Return the label of a review state."""
    return {
        State.DRAFT: _("○ draft"),
        State.EDITED: _("✎ edited"),
        State.ACCEPTED: _("✓ accepted"),
        State.REJECTED: _("✗ rejected"),
    }[state]


def chipPixmap(color: tuple[int, int, int]) -> qt.QPixmap:
    """Return a colored square with a dark frame, which is visible on light and dark backgrounds."""
    pixmap = qt.QPixmap(CHIP_PIXELS, CHIP_PIXELS)
    pixmap.fill(qt.QColor(40, 40, 40))
    painter = qt.QPainter(pixmap)
    painter.fillRect(1, 1, CHIP_PIXELS - 2, CHIP_PIXELS - 2, qt.QColor(*color))
    painter.end()
    return pixmap

"""A section on the screen: colour chip, region, state, warnings, text with unsure sentences marked, measured facts."""

import html

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib import review as reviewing
from Reg2RGModuleLib.findingList import FindingList, wrappedLabel
from Reg2RGModuleLib.sectionWords import bodyHtml, factsOf, warningsOf
from Reg2RGModuleLib.signal import Signal

CHIP = 14
STATE_WORDS = {
    reviewing.DRAFT: "○ draft",
    reviewing.EDITED: "✎ edited",
    reviewing.ACCEPTED: "✓ accepted",
    reviewing.REJECTED: "✗ rejected",
}


class SectionCard(qt.QFrame):
    """One section. It shows what it is given and tells of clicks; it decides nothing.

    Signals:
        clicked(str): the region's name.
        findingClicked(str, int): the region and which of its findings, by its line or by a sentence that tells of it.
        corrected(str, str, bool): the region, a finding's label, and whether the user says that it is there.
    """

    def __init__(self, region):
        qt.QFrame.__init__(self)
        self.region = region
        self.clicked = Signal()
        self.findingClicked = Signal()
        self.corrected = Signal()
        self.setObjectName("sectionCard")
        palette = self.palette  # read before a style sheet changes it
        self._ground = palette.color(qt.QPalette.Base).name()
        self._frames = (palette.color(qt.QPalette.Mid).name(), palette.color(qt.QPalette.Highlight).name())
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
        self._editor = qt.QPlainTextEdit()
        self._editor.setTabChangesFocus(True)
        self._editor.setObjectName("sectionEditor")
        self._editor.setFixedHeight(96)
        self._editor.setVisible(False)
        self._arrange()
        self._connect()
        self.setSelected(False)

    def _arrange(self):
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

    def _connect(self):
        name = self.region.name
        self._body.connect("linkActivated(QString)", lambda link: self.findingClicked.emit(name, int(link)))
        self._body.connect("linkHovered(QString)", lambda link: self._setOverLink(bool(link)))
        self._findings.overLink.connect(self._setOverLink)
        self._findings.chosen.connect(lambda index: self.findingClicked.emit(name, index))
        self._findings.corrected.connect(lambda label, there: self.corrected.emit(name, label, there))

    @property
    def editing(self):
        return self._editor.isVisibleTo(self)

    def showWaiting(self):
        """Nothing yet, while other sections are being written."""
        self._showUnfinished(_("… waiting"), "")

    def showGrowing(self, text):
        """The text so far, while the section is being written."""
        self._showUnfinished(_("… writing"), text)

    def _showUnfinished(self, state, text):
        self._state.setText(state)
        self._body.setText(html.escape(text))
        for widget in (self._warning, self._findings, self._facts):
            widget.setVisible(False)

    def showSection(self, section, state, text):
        """A section as the model wrote it, with its state of review and its text as it stands now."""
        edited = text != section["text"]
        word = _(STATE_WORDS[state])
        self._state.setText(f"{word}, {_('edited')}" if edited and state == reviewing.ACCEPTED else word)
        self._body.setText(bodyHtml(section, text, state, self._ink()))
        warnings = warningsOf(section)
        self._warning.setText(html.escape("⚠ " + " ".join(warnings)))
        self._warning.setVisible(bool(warnings))
        self._facts.setText(f"<small>{html.escape(factsOf(section, text))}</small>")
        self._facts.setVisible(True)
        self._findings.showFindings(section)
        self._overLink = False  # what was under the mouse may be gone

    def setCurrentFinding(self, index):
        """Mark the finding that the views are at; None for none."""
        self._findings.setCurrent(index)

    def setCorrectable(self, correctable):
        """Whether findings can be corrected now."""
        self._findings.setCorrectable(correctable)

    def setSelected(self, selected):
        """Selected is told by a thick bar and a frame, not by colour alone."""
        bar = "#{:02x}{:02x}{:02x}".format(*self.region.color)
        ground = self._ground if selected else "transparent"
        frame = self._frames[int(selected)]
        thin, thick = (2, 8) if selected else (1, 4)
        self.setStyleSheet(
            f"#sectionCard {{ background: {ground}; border: {thin}px solid {frame};"
            f" border-left: {thick}px solid {bar}; border-radius: 3px; }}"
        )
        # The text stays where it is, so that its lines do not break anew.
        self.layout().setContentsMargins(14 - thick, 7 - thin, 9 - thin, 7 - thin)

    def beginEditing(self, text):
        self._editor.setPlainText(text)
        self._body.setVisible(False)
        self._editor.setVisible(True)
        self._editor.setFocus()
        self._editor.moveCursor(qt.QTextCursor.End)

    def endEditing(self):
        """Close the editor; returns its text."""
        text = self._editor.toPlainText()
        self._editor.setVisible(False)
        self._body.setVisible(True)
        return text.strip()

    def mousePressEvent(self, event):
        if not self._overLink:  # the link tells of the click itself, when the button is released
            self.clicked.emit(self.region.name)

    def _setOverLink(self, over):
        self._overLink = over

    def _ink(self):
        return self.palette.color(qt.QPalette.WindowText).name()


def chipPixmap(color):
    """A square of the region's colour with a dark rim, seen on light and dark ground."""
    pixmap = qt.QPixmap(CHIP, CHIP)
    pixmap.fill(qt.QColor(40, 40, 40))
    painter = qt.QPainter(pixmap)
    painter.fillRect(1, 1, CHIP - 2, CHIP - 2, qt.QColor(*color))
    painter.end()
    return pixmap

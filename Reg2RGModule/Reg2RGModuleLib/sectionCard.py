"""A section on the screen: colour chip, region, state, warnings, text with unsure sentences marked, measured facts."""

import html

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib import review as reviewing
from Reg2RGModuleLib.signal import Signal

CHIP = 14
STATE_WORDS = {
    reviewing.DRAFT: "○ draft",
    reviewing.EDITED: "✎ edited",
    reviewing.ACCEPTED: "✓ accepted",
    reviewing.REJECTED: "✗ rejected",
}


class SectionCard(qt.QFrame):
    """One section. It shows what it is given and tells of clicks; it decides nothing."""

    def __init__(self, region):
        qt.QFrame.__init__(self)
        self.region = region
        self.clicked = Signal()
        self.setObjectName("sectionCard")
        palette = self.palette  # read before a style sheet changes it
        self._ground = palette.color(qt.QPalette.Base).name()
        self._frames = (palette.color(qt.QPalette.Mid).name(), palette.color(qt.QPalette.Highlight).name())
        self.setFrameShape(qt.QFrame.StyledPanel)
        self._chip = qt.QLabel()
        self._chip.setPixmap(chipPixmap(region.color))
        self._title = qt.QLabel(f"<b>{html.escape(region.display_name)}</b>")
        self._state = qt.QLabel()
        self._warning = _wrapped()
        self._body = _wrapped()
        self._facts = _wrapped()
        self._editor = qt.QPlainTextEdit()
        self._editor.setTabChangesFocus(True)
        self._editor.setObjectName("sectionEditor")
        self._editor.setFixedHeight(96)
        self._editor.setVisible(False)
        self._arrange()
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
        for widget in (self._warning, self._body, self._editor, self._facts):
            layout.addWidget(widget)
        self.setLayout(layout)

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
        self._warning.setVisible(False)
        self._facts.setVisible(False)

    def showSection(self, section, state, text):
        """A section as the model wrote it, with its state of review and its text as it stands now."""
        edited = text != section["text"]
        word = _(STATE_WORDS[state])
        self._state.setText(f"{word}, {_('edited')}" if edited and state == reviewing.ACCEPTED else word)
        self._body.setText(bodyHtml(section, text, state))
        warnings = warningsOf(section)
        self._warning.setText(html.escape("⚠ " + " ".join(warnings)))
        self._warning.setVisible(bool(warnings))
        self._facts.setText(f"<small>{html.escape(factsOf(section, text))}</small>")
        self._facts.setVisible(True)

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
        self.clicked.emit(self.region.name)


def chipPixmap(color):
    """A square of the region's colour with a dark rim, seen on light and dark ground."""
    pixmap = qt.QPixmap(CHIP, CHIP)
    pixmap.fill(qt.QColor(40, 40, 40))
    painter = qt.QPainter(pixmap)
    painter.fillRect(1, 1, CHIP - 2, CHIP - 2, qt.QColor(*color))
    painter.end()
    return pixmap


def bodyHtml(section, text, state):
    """The text as HTML: unsure sentences underlined and marked, as long as the words are the model's."""
    if not text:
        return f"<i>{_('no text')}</i>"
    if text != section["text"]:
        body = html.escape(text)
    else:
        body, place = "", 0
        for sentence in section["sentences"]:
            body += html.escape(text[place : sentence["start"]])
            words = html.escape(text[sentence["start"] : sentence["end"]])
            body += f"<u>{words}</u>&nbsp;<b>(?)</b>" if reviewing.lowProbability(sentence) else words
            place = sentence["end"]
        body += html.escape(text[place:])
    return f"<s>{body}</s>" if state == reviewing.REJECTED else body


def warningsOf(section):
    """What a reviewer must know, in words."""
    from reg2rg.regions import REGION_NAMES, get_region

    told = []
    if not section["grounded"]:
        name = section["recognised"]
        if name is None:
            told.append(_("The model named no region here."))
        else:
            shown = get_region(name).display_name if name in REGION_NAMES else name
            told.append(_("The model took this region for: {0}.").format(shown))
    if not section["complete"]:
        told.append(_("The text was cut off at the length limit."))
    return told


def factsOf(section, text):
    """What was measured in the region, and what the marks in the text mean if it has any, one line."""
    facts = [_("{0:,.0f} mL").format(section["volume_ml"]), _("mean {0:.0f} HU").format(section["mean_hu"])]
    if section["approximate"]:
        facts.append(_("region estimated, not segmented"))
    if text == section["text"] and any(reviewing.lowProbability(each) for each in section["sentences"]):
        facts.append(_("(?) the model was unsure of these words"))
    return " · ".join(facts)


def _wrapped():
    label = qt.QLabel()
    label.setWordWrap(True)
    label.setTextFormat(qt.Qt.RichText)
    label.setTextInteractionFlags(qt.Qt.NoTextInteraction)  # clicks are for the card
    return label

"""The card of a section: region with its color, review state, warnings, text, findings and measurements."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import qt
from slicer.i18n import tr as _

from Reg2RGModuleLib.densities import Histogram
from Reg2RGModuleLib.findingList import FindingList
from Reg2RGModuleLib.fold import Fold, toolTipOf, wrappedLabel
from Reg2RGModuleLib.measurementList import MeasurementList
from Reg2RGModuleLib.plots import DensityPlot, Level, VertebraPlot
from Reg2RGModuleLib.sectionText import REMOVE, bodyHtml, changesHtml, contradictionsOf, factsOf
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.measurements import Measurement
    from reg2rg.regions import Region
    from reg2rg.report import IntervalChange, ReviewState, Section


CHIP_PIXELS = 14
LUNG_DENSITIES = ("low_attenuation", "low_attenuation_part", "percentile_15", "high_attenuation")
"""Measures that are read off the histogram of the lungs, which is shown beside them."""
VERTEBRA_DENSITY = "vertebra_hu"
_FRAME_WIDTHS = {False: (1, 4), True: (2, 8)}
"""Width of a card's frame and of the bar on its left, by whether it is selected."""


class SectionCard(qt.QFrame):
    """Shows one section and emits signals when it is clicked.

    Signals:
        clicked(str): the card was clicked; passes its region.
        findingClicked(str, int): a finding or a sentence that mentions it was clicked; passes region and finding index.
        corrected(str, str, bool): a finding was corrected; passes region, label, and whether it is present.
        changeClicked(str, int): what changed since the prior CT was clicked; passes region and index of the change.
        changeRemoved(str, int): a change is to be removed from the report; passes region and index of the change.
        measurementClicked(str): a measurement was clicked; passes its key.
        measurementEdited(str, bool): the lines of a measurement are to be unlocked or locked; passes its key.
        measurementRemoved(str): a measurement is to be removed from the report; passes its key.
    """

    def __init__(self, region: Region, histogram: Callable[[], Histogram | None]) -> None:
        """Make the card.

        Args:
            region: the region of the section.
            histogram: returns the densities of the region, or None if they are unknown.
        """
        qt.QFrame.__init__(self)
        self.region = region
        self.clicked = Signal()
        self.findingClicked = Signal()
        self.corrected = Signal()
        self.changeClicked = Signal()
        self.changeRemoved = Signal()
        self.measurementClicked = Signal()
        self.measurementEdited = Signal()
        self.measurementRemoved = Signal()
        self.setObjectName("sectionCard")
        self.setFocusPolicy(qt.Qt.ClickFocus)
        self.setStyleSheet(self._styleOf(False) + self._styleOf(True))
        self.setFrameShape(qt.QFrame.StyledPanel)
        self._chip = qt.QLabel()
        self._chip.setPixmap(chipPixmap(region.color))
        self._title = qt.QLabel(f"<b>{html.escape(region.display_name)}</b>")
        self._state = qt.QLabel()
        self._warning = wrappedLabel()
        self._body = wrappedLabel()
        self._body.setObjectName("sectionText")
        self._changes = wrappedLabel()
        self._changes.setObjectName("sectionChanges")
        self._changes.setVisible(False)
        self._modelText = Fold("modelTextButton")
        self._modelTextBody = wrappedLabel()
        self._modelTextBody.setObjectName("modelText")
        self._modelText.boxLayout.addWidget(self._modelTextBody)
        self._modelText.setVisible(False)
        self._findings = FindingList()
        self._measurements = MeasurementList()
        self._measurements.setVisible(False)
        self._densityPlot = DensityPlot(histogram)
        self._vertebraPlot = VertebraPlot()
        for plot in (self._densityPlot, self._vertebraPlot):
            plot.setVisible(False)
        self._facts = wrappedLabel()
        self._overLink = False
        self._contradictions: dict[str, str] = {}
        self._editor = qt.QPlainTextEdit()
        self._editor.setTabChangesFocus(True)
        self._editor.setObjectName("sectionEditor")
        self._editor.setFixedHeight(96)
        self._editor.setVisible(False)
        # What a section has below its text; hidden while it is being written.
        self._details = (
            self._changes,
            self._modelText,
            self._findings,
            self._measurements,
            self._densityPlot,
            self._vertebraPlot,
            self._facts,
        )
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
        for widget in (self._warning, self._body, self._editor, *self._details):
            layout.addWidget(widget)
        self.setLayout(layout)

    def _connect(self) -> None:
        name = self.region.name
        self._body.connect("linkActivated(QString)", self._followLink)
        self._body.connect("linkHovered(QString)", self._hoverLink)
        self._changes.connect("linkActivated(QString)", self._followChange)
        self._changes.connect("linkHovered(QString)", self._hoverChange)
        for part in (self._findings, self._measurements, self._modelText):
            part.overLink.connect(self._setOverLink)
        self._measurements.chosen.connect(self.measurementClicked.emit)
        self._measurements.edited.connect(self.measurementEdited.emit)
        self._measurements.removed.connect(self.measurementRemoved.emit)
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

    def showSection(
        self, section: Section, state: ReviewState, text: str, changes: Sequence[IntervalChange] = ()
    ) -> None:
        """Show a section.

        Args:
            section: the section as the model wrote it.
            state: its review state.
            text: its current text.
            changes: what changed in the region since the prior CT, one sentence each.
        """
        from reg2rg.report import ReviewState, change_warnings, section_warnings

        acceptedWithEdits = state == ReviewState.ACCEPTED and text != section.draft
        self._state.setText(_("✓ accepted, edited") if acceptedWithEdits else stateText(state))
        self._body.setText(bodyHtml(section, text, state, self._textColor()))
        self._contradictions = contradictionsOf(section)
        self._changes.setText(changesHtml(changes, self._textColor()))
        self._changes.setVisible(bool(changes))
        warnings = (*section_warnings(section), *change_warnings(section, changes))
        self._warning.setText(html.escape("⚠ " + " ".join(warnings)))
        self._warning.setVisible(bool(warnings))
        self._facts.setText(f"<small>{html.escape(factsOf(section, text))}</small>")
        self._facts.setVisible(True)
        self._findings.showFindings(section)
        self._showModelText(section)
        self._overLink = False  # the link under the mouse may no longer exist

    def showMeasurements(self, measurements: Sequence[Measurement], removed: Sequence[Measurement]) -> None:
        """Show the measurements of the region.

        Args:
            measurements: the measurements, with and without values.
            removed: those that were removed from the report.
        """
        self._measurements.showMeasurements(measurements, removed)
        given = [measurement for measurement in measurements if measurement.value is not None]
        self._densityPlot.setVisible(any(measurement.measure in LUNG_DENSITIES for measurement in given))
        self._densityPlot.forget()
        levels = [Level(levelName(each.part), each.value) for each in given if each.measure == VERTEBRA_DENSITY]
        self._vertebraPlot.setVisible(len(levels) > 1)
        self._vertebraPlot.setLevels(levels)

    def setCurrentMeasurement(self, key: str | None, editing: bool) -> None:
        """Mark the measurement that is shown in the views, or none; its lines may be unlocked."""
        self._measurements.setCurrent(key, editing)

    def setCurrentFinding(self, index: int | None) -> None:
        """Mark the finding that the views are centered on, or no finding if ``index`` is None."""
        self._findings.setCurrent(index)

    def setCorrectable(self, correctable: bool) -> None:
        """Enable or disable the correction buttons."""
        self._findings.setCorrectable(correctable)

    def setSelected(self, selected: bool) -> None:
        """Show whether the card is selected, with a thick bar and a frame rather than by color alone."""
        thin, thick = _FRAME_WIDTHS[selected]
        self.setProperty("selected", selected)
        self.style().unpolish(self)  # Another style sheet would style all child widgets again, which takes 7 ms.
        self.style().polish(self)
        # The margins compensate for the frame, so that the text wraps in the same places.
        self.layout().setContentsMargins(14 - thick, 7 - thin, 9 - thin, 7 - thin)

    def _styleOf(self, selected: bool) -> str:
        """Return the style of the card when its property ``selected`` has a value."""
        palette = self.palette
        background = palette.color(qt.QPalette.Base).name() if selected else "transparent"
        frame = palette.color(qt.QPalette.Highlight if selected else qt.QPalette.Mid).name()
        bar = "#{:02x}{:02x}{:02x}".format(*self.region.color)
        thin, thick = _FRAME_WIDTHS[selected]
        return (
            f'#sectionCard[selected="{str(selected).lower()}"] {{ background: {background}; border-radius: 3px;'
            f" border: {thin}px solid {frame}; border-left: {thick}px solid {bar}; }}"
        )

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
        for widget in (self._warning, *self._details):
            widget.setVisible(False)

    def _showModelText(self, section: Section) -> None:
        """Fold the model's text, findings and warnings away if they are not a part of the draft."""
        from reg2rg.report import folded_text

        folded = folded_text(section)
        self._modelText.setVisible(folded is not None)
        if folded is not None:
            lines = [folded.text or _("no text"), *(f"- {line}" for line in folded.finding_lines)]
            lines += [f"[{warning}]" for warning in folded.warnings]
            self._modelText.setHeading(folded.heading)
            self._modelTextBody.setText("<br>".join(html.escape(line) for line in lines))

    def _followLink(self, link: str) -> None:
        if link not in self._contradictions:
            self.findingClicked.emit(self.region.name, int(link))

    def _followChange(self, link: str) -> None:
        signal = self.changeRemoved if link.startswith(REMOVE) else self.changeClicked
        signal.emit(self.region.name, int(link.removeprefix(REMOVE)))

    def _hoverChange(self, link: str) -> None:
        self._setOverLink(bool(link))
        removes = link.startswith(REMOVE)
        self._changes.setToolTip(_("Remove this sentence from the report. Undo brings it back.") if removes else "")

    def _hoverLink(self, link: str) -> None:
        """Explain a contradicted sentence; labels do not show tooltips of parts of their text."""
        self._setOverLink(bool(link))
        self._body.setToolTip(toolTipOf(self._contradictions.get(link, "")))

    def _setOverLink(self, overLink: bool) -> None:
        self._overLink = overLink

    def _textColor(self) -> str:
        return self.palette.color(qt.QPalette.WindowText).name()


def stateText(state: ReviewState) -> str:
    """Return the label of a review state."""
    return {
        "draft": _("○ draft"),
        "edited": _("✎ edited"),
        "accepted": _("✓ accepted"),
        "rejected": _("✗ rejected"),
    }[state.value]


def levelName(part: str) -> str:
    """Return the name of a vertebra below its bar: its level, or its number if the level is unknown."""
    return next((word for word in part.split() if word.isdigit()), part)


def chipPixmap(color: tuple[int, int, int]) -> qt.QPixmap:
    """Return a colored square with a dark frame, which is visible on light and dark backgrounds."""
    pixmap = qt.QPixmap(CHIP_PIXELS, CHIP_PIXELS)
    pixmap.fill(qt.QColor(40, 40, 40))
    painter = qt.QPainter(pixmap)
    painter.fillRect(1, 1, CHIP_PIXELS - 2, CHIP_PIXELS - 2, qt.QColor(*color))
    painter.end()
    return pixmap

"""A report under review: what the model wrote, what the radiologist decided, and the steps to undo."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from Reg2RGModuleLib import reviewJson, reviewText
from Reg2RGModuleLib.measurementReview import MeasurementDecision, Statistics
from Reg2RGModuleLib.reviewDocument import (
    Document,
    SectionReview,
    State,
    draftImpression,
    followed,
    logged,
    newDocument,
    reviewedReport,
    withEvidence,
    withRegenerated,
    withSection,
    withStatistics,
)
from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.measurements import Evidence, Line, Measurement
    from reg2rg.report import Report, Section


class Review:
    """The report of one volume under review.

    Signals:
        changed(str): the section for this region has changed, or the report as a whole if the region is "".
    """

    def __init__(self, document: Document) -> None:
        self.changed = Signal()
        self._document = document
        self._report = reviewedReport(document)
        self._undoSteps: list[tuple[str, Document]] = []

    @classmethod
    def ofReport(cls, report: Report) -> Review:
        """Return a new review of a report. Every section is a draft."""
        return cls(newDocument(report))

    @classmethod
    def fromJson(cls, text: str) -> Review:
        """Return the review that ``toJson`` wrote. Reports of older schema versions are upgraded.

        Raises:
            ValueError: the text is not a valid review.
        """
        return cls(reviewJson.fromJson(text))

    def toJson(self) -> str:
        """Return the review as JSON."""
        return reviewJson.toJson(self._document)

    @property
    def report(self) -> Report:
        """The report as the engine wrote it, except for what was decided about measurements."""
        return self._report

    @property
    def regions(self) -> list[str]:
        """The regions that have a section, in reading order."""
        return [section.region for section in self.report.sections]

    @property
    def impression(self) -> str:
        """The impression."""
        return self._document.impression

    @property
    def allReviewed(self) -> bool:
        """Whether every section has been accepted or rejected."""
        return self._document.allReviewed

    @property
    def canUndo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._undoSteps)

    @property
    def hasDecisions(self) -> bool:
        """Whether the user has made any changes that a new report would discard."""
        decided = any(self.state(region) != State.DRAFT or self.corrections(region) for region in self.regions)
        return decided or self._document.impressionEdited or bool(self._document.measurements)

    @property
    def visibleSegments(self) -> set[str]:
        """Segment IDs of the findings to show. A finding that is not focal is represented by its region instead."""
        return {
            finding.segment
            for section in self.report.sections
            if not section.model_text_hidden
            for finding in section.findings
            if finding.segment is not None and finding.location is not None and finding.location.focal
        }

    def section(self, region: str) -> Section:
        """Return the section of a region as the engine wrote it, except for what was decided about measurements."""
        return self.report.section(region)

    def state(self, region: str) -> State:
        """Return the state of a section."""
        return self._document.sections[region].state

    def text(self, region: str) -> str:
        """Return the current text of a section."""
        return self._document.sections[region].text

    def isReviewed(self, region: str) -> bool:
        """Return whether a section has been accepted or rejected."""
        return self._document.sections[region].isReviewed

    def corrections(self, region: str) -> dict[str, bool]:
        """Return the corrections that a section was written with: label of a finding -> whether it is present."""
        findings = self.section(region).findings
        return {finding.label: finding.correction for finding in findings if finding.correction is not None}

    def locatedFindings(self, region: str) -> list[int]:
        """Return the indices of a section's findings that have a location; none if the model's text is hidden."""
        section = self.section(region)
        if section.model_text_hidden:
            return []
        return [index for index, finding in enumerate(section.findings) if finding.location is not None]

    def measurements(self, region: str) -> tuple[Measurement, ...]:
        """Return the measurements of a section, after the decisions about them. Some may have no value."""
        evidence = self.report.evidence
        return evidence.of(region) if evidence is not None else ()

    def removedMeasurements(self, region: str) -> tuple[Measurement, ...]:
        """Return the measurements of a section that were removed, as they were measured."""
        evidence, decisions = self._document.report.evidence, self._document.measurements
        measured = evidence.of(region) if evidence is not None else ()
        return tuple(m for m in measured if m.key in decisions and decisions[m.key].removed)

    def measurement(self, key: str) -> Measurement | None:
        """Return the measurement with a key, after the decisions about it, or None if the report has none."""
        evidence = self.report.evidence
        found = (m for m in evidence.measurements if m.key == key) if evidence is not None else iter(())
        return next(found, None)

    def accept(self, region: str) -> None:
        """Accept a section."""
        self._setState(region, State.ACCEPTED)

    def acceptAll(self) -> None:
        """Accept all sections that are drafts, in one step. Model text that is hidden is not a part of a draft."""
        drafts = [region for region in self.regions if self.state(region) == State.DRAFT]
        if not drafts:
            return
        accepted = {region: SectionReview(State.ACCEPTED, self.text(region)) for region in drafts}
        self._change(
            drafts[0], "accept-all", lambda document: replace(document, sections={**document.sections, **accepted})
        )

    def reject(self, region: str) -> None:
        """Reject a section. It is left out of the impression and of the copied report."""
        self._setState(region, State.REJECTED)

    def edit(self, region: str, text: str) -> None:
        """Change the text of a section. It must then be accepted again."""
        if text == self.text(region):
            return
        state = State.DRAFT if text == self.section(region).draft else State.EDITED
        self._change(region, "edit", lambda document: withSection(document, region, SectionReview(state, text)))

    def replace(self, section: Section, evidence: Evidence | None = None) -> None:
        """Replace a section with a regenerated one, which is a draft.

        Args:
            section: the regenerated section.
            evidence: what was measured while it was regenerated, or None to keep the evidence.
        """

        def change(document: Document) -> Document:
            document = withRegenerated(document, section)
            return document if evidence is None else withEvidence(document, evidence, {section.region})

        self._change(section.region, "regenerate", change)

    def removeMeasurement(self, key: str) -> None:
        """Remove a measurement from the report."""
        self._decide(key, "remove-measurement", lambda decision: replace(decision, removed=True))

    def moveMeasurement(self, key: str, lines: tuple[Line, ...]) -> None:
        """Move the lines of a measurement, so that it gets another value.

        Args:
            key: key of the measurement.
            lines: all of its lines, moved.
        """
        self._decide(key, "move-measurement", lambda decision: replace(decision, lines=lines))

    def measureAgain(self, evidence: Evidence, regions: Collection[str], statistics: Statistics) -> None:
        """Replace the evidence, because regions were corrected. This is not an undo step: the regions stay corrected.

        Args:
            evidence: what was measured now.
            regions: the regions that were corrected.
            statistics: region -> its volume and mean density now.
        """
        changed = {region: statistics[region] for region in regions if region in statistics}

        def change(document: Document) -> Document:
            return withStatistics(withEvidence(document, evidence, regions), changed)

        self._undoSteps = [(region, change(document)) for region, document in self._undoSteps]
        self._set(logged(change(self._document), "measure", ""))

    def setImpression(self, text: str) -> None:
        """Set the impression to the user's text. This is not an undo step, because the text field has its own undo."""
        if text != self.impression:
            self._document = replace(self._document, impression=text, impressionEdited=True)
            self.changed.emit("")

    def undo(self) -> str | None:
        """Undo the last change.

        Returns:
            The region of the section that was changed, or None if there was nothing to undo.
        """
        if not self._undoSteps:
            return None
        region, earlier = self._undoSteps.pop()
        if self._document.impressionEdited:
            earlier = replace(earlier, impression=self._document.impression, impressionEdited=True)
        self._set(logged(earlier, "undo", region), region)
        return region

    def asText(self, withModelText: bool = False) -> str:
        """Return the whole report as plain text for the clipboard, including its label and all warnings.

        Args:
            withModelText: whether to append the model's text, marked as such, to sections that hide it.
        """
        return reviewText.asText(self._document, withModelText)

    def _setState(self, region: str, state: State) -> None:
        if self.state(region) != state:
            text = self.text(region)
            self._change(
                region, state.value, lambda document: withSection(document, region, SectionReview(state, text))
            )

    def _decide(self, key: str, action: str, decide: Callable[[MeasurementDecision], MeasurementDecision]) -> None:
        """Change what was decided about a measurement. Nothing happens if the report does not contain it."""
        measurement, before = self.measurement(key), self.report
        if measurement is None:
            return
        decision = decide(self._document.measurements.get(key, MeasurementDecision()))

        def change(document: Document) -> Document:
            return followed(before, replace(document, measurements={**document.measurements, key: decision}))

        self._change(measurement.region, action, change)

    def _change(self, region: str, action: str, change: Callable[[Document], Document]) -> None:
        self._undoSteps.append((region, self._document))
        self._set(logged(change(self._document), action, region), region)

    def _set(self, document: Document, region: str = "") -> None:
        """Set the document, and emit ``changed`` for each section that differs.

        Args:
            document: the new content.
            region: a region whose section counts as changed in any case.
        """
        if not document.impressionEdited:
            document = replace(document, impression=draftImpression(document))
        before = {name: self._content(name) for name in self.regions}
        self._document, self._report = document, reviewedReport(document)
        changed = [name for name in self.regions if name == region or before.get(name) != self._content(name)]
        for name in changed or [""]:
            self.changed.emit(name)

    def _content(self, region: str) -> tuple[object, ...]:
        """Return everything that the card of a section shows."""
        return self.section(region), self._document.sections[region], self.measurements(region)

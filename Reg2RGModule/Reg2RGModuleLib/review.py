"""A report under review: its changes are stored step by step, so that they can be undone, and announced by a signal."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

from Reg2RGModuleLib.signal import Signal

if TYPE_CHECKING:
    from reg2rg.measurements import Evidence, Line, Measurement
    from reg2rg.report import IntervalChange, MeasurementDecision, Report, ReviewState, Section, Signature
    from reg2rg.report.review_changes import Statistics


class Review:
    """The report of one volume under review.

    Signals:
        changed(str): the section for this region has changed, or the report as a whole if the region is "".
    """

    def __init__(self, record: Report) -> None:
        """Start or continue the review of a report."""
        from reg2rg.report.review_changes import begin_review, decided_report

        self.changed = Signal()
        self._record = begin_review(record)
        self._report = decided_report(self._record)
        self._undoSteps: list[tuple[str, Report]] = []

    @classmethod
    def ofReport(cls, report: Report) -> Review:
        """Return a new review of a report. Every section is a draft."""
        return cls(replace(report, review=None))

    @classmethod
    def fromJson(cls, text: str) -> Review:
        """Return the review that ``toJson`` wrote. Reports and reviews of older versions are upgraded.

        Raises:
            ValueError: the text is not a valid report, or it was changed after it was signed.
        """
        from reg2rg.errors import InputError
        from reg2rg.report import parse_report

        try:
            return cls(parse_report(text))
        except InputError as error:
            message = _("The review stored in the scene cannot be read ({0}).")
            raise ValueError(message.format(error)) from error

    def toJson(self) -> str:
        """Return the report with its review as JSON, as ``report.json`` contains it."""
        return self._record.to_json()

    @property
    def record(self) -> Report:
        """The report with its review, as it is stored and exported."""
        return self._record

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
        return self._record.review.impression

    @property
    def allReviewed(self) -> bool:
        """Whether every section has been accepted, edited or rejected."""
        return self._record.review.all_reviewed

    @property
    def signature(self) -> Signature | None:
        """Who signed the report, or None if it is a draft."""
        return self._record.review.signature

    @property
    def label(self) -> str:
        """The label that is shown wherever the report is shown."""
        return self._record.disclaimer

    @property
    def canUndo(self) -> bool:
        """Whether there is a change to undo."""
        return bool(self._undoSteps)

    @property
    def hasDecisions(self) -> bool:
        """Whether the user has made any changes that a new report would discard."""
        review = self._record.review
        decided = any(self.isReviewed(region) or self.corrections(region) for region in self.regions)
        return decided or review.impression_edited or bool(review.measurements)

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

    def state(self, region: str) -> ReviewState:
        """Return the state of a section."""
        return self._record.review.sections[region].state

    def text(self, region: str) -> str:
        """Return the current text of a section."""
        return self._record.review.sections[region].text

    def isReviewed(self, region: str) -> bool:
        """Return whether a section has been accepted, edited or rejected."""
        return self._record.review.sections[region].reviewed

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
        evidence, decisions = self._record.evidence, self._record.review.measurements
        measured = evidence.of(region) if evidence is not None else ()
        return tuple(m for m in measured if m.key in decisions and decisions[m.key].removed)

    def measurement(self, key: str) -> Measurement | None:
        """Return the measurement with a key, after the decisions about it, or None if the report has none."""
        evidence = self.report.evidence
        found = (m for m in evidence.measurements if m.key == key) if evidence is not None else iter(())
        return next(found, None)

    def changes(self, region: str) -> list[IntervalChange]:
        """Return what the report says about changes of a section since the prior CT."""
        from reg2rg.report import reported_changes

        return [change for change in reported_changes(self._record) if change.region == region]

    def accept(self, region: str) -> None:
        """Accept a section."""
        from reg2rg.report import ReviewState

        self._setState(region, ReviewState.ACCEPTED)

    def acceptAll(self) -> None:
        """Accept all sections that are drafts, in one step. Model text that is hidden is not a part of a draft."""
        from reg2rg.report import ReviewState, SectionReview
        from reg2rg.report.review_changes import with_section_review

        drafts = [region for region in self.regions if not self.isReviewed(region)]

        def change(record: Report) -> Report:
            for region in drafts:
                record = with_section_review(record, region, SectionReview(ReviewState.ACCEPTED, self.text(region)))
            return record

        if drafts:
            self._change(drafts[0], "accept-all", change)

    def reject(self, region: str) -> None:
        """Reject a section. It is left out of the impression, of copies and of exports."""
        from reg2rg.report import ReviewState

        self._setState(region, ReviewState.REJECTED)

    def edit(self, region: str, text: str) -> None:
        """Change the text of a section. It is then no longer accepted or rejected."""
        from reg2rg.report import ReviewState, SectionReview
        from reg2rg.report.review_changes import with_section_review

        if text != self.text(region):
            state = ReviewState.DRAFT if text == self.section(region).draft else ReviewState.EDITED
            review = SectionReview(state, text)
            self._change(region, "edit", lambda record: with_section_review(record, region, review), text)

    def replace(self, section: Section, evidence: Evidence | None = None) -> None:
        """Replace a section with a regenerated one, which is a draft.

        Args:
            section: the regenerated section.
            evidence: what was measured while it was regenerated, or None to keep the evidence.
        """
        from reg2rg.report.review_changes import with_new_evidence, with_section

        def change(record: Report) -> Report:
            record = with_section(record, section)
            return record if evidence is None else with_new_evidence(record, evidence, {section.region})

        self._change(section.region, "regenerate", change)

    def removeMeasurement(self, key: str) -> None:
        """Remove a measurement from the report."""
        self._decide(key, "remove-measurement", lambda decision: replace(decision, removed=True))

    def removeChange(self, region: str, index: int) -> None:
        """Remove what the report says about one change since the prior CT.

        Args:
            region: region of the change.
            index: index of the change in ``changes(region)``. Nothing happens if there is none.
        """
        from reg2rg.report import MeasurementDecision
        from reg2rg.report.review_changes import with_decision

        changes = self.changes(region)
        if index < len(changes):
            key, text = changes[index].key, changes[index].text
            decision = MeasurementDecision(removed=True)
            self._change(region, "remove-change", lambda record: with_decision(record, key, decision), text)

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
        from reg2rg.report.review_changes import logged, with_new_evidence, with_statistics

        changed = {region: statistics[region] for region in regions if region in statistics}

        def change(record: Report) -> Report:
            return with_statistics(with_new_evidence(record, evidence, regions), changed)

        self._undoSteps = [(region, change(record)) for region, record in self._undoSteps]
        self._set(logged(change(self._record), "measure", ""))

    def setImpression(self, text: str) -> None:
        """Set the impression to the user's text. This is not an undo step, because the text field has its own undo."""
        from reg2rg.report.review_changes import with_impression

        if text != self.impression:
            self._record = with_impression(self._record, text)
            self.changed.emit("")

    def sign(self, reviewer: str) -> None:
        """Sign the report. It can then no longer be changed, and no earlier change can be undone.

        Args:
            reviewer: name of the person who signs.

        Raises:
            ValueError: not all sections were reviewed, the report is signed already, or the name is not valid.
        """
        from reg2rg.errors import InputError
        from reg2rg.report import sign

        try:
            self._restart(sign(self._record, reviewer))
        except InputError as error:
            raise ValueError(str(error)) from error

    def beginAddendum(self) -> None:
        """Begin a new version of a signed report. It can be changed, and names the signed version.

        Raises:
            ValueError: the report is not signed.
        """
        from reg2rg.errors import InputError
        from reg2rg.report import addendum

        try:
            self._restart(addendum(self._record))
        except InputError as error:
            raise ValueError(str(error)) from error

    def undo(self) -> str | None:
        """Undo the last change.

        Returns:
            The region of the section that was changed, or None if there was nothing to undo.
        """
        if not self._undoSteps:
            return None
        from reg2rg.report.review_changes import logged

        region, earlier = self._undoSteps.pop()
        review, kept = self._record.review, {"log": self._record.review.log}
        if review.impression_edited:
            kept |= {"impression": review.impression, "impression_edited": True}
        self._set(logged(replace(earlier, review=replace(earlier.review, **kept)), "undo", region), region)
        return region

    def asText(self, withModelText: bool = False) -> str:
        """Return the whole report as plain text for the clipboard, including its label and all warnings.

        Args:
            withModelText: whether to append the model's text, marked as such, to sections that hide it.
        """
        from reg2rg.report import content_text, report_content

        return content_text(report_content(self._record), with_model_text=withModelText)

    def _setState(self, region: str, state: ReviewState) -> None:
        from reg2rg.report import SectionReview
        from reg2rg.report.review_changes import with_section_review

        if self.state(region) != state:
            review = SectionReview(state, self.text(region))
            self._change(region, state.value, lambda record: with_section_review(record, region, review))

    def _decide(self, key: str, action: str, decide: Callable[[MeasurementDecision], MeasurementDecision]) -> None:
        """Change what was decided about a measurement. Nothing happens if the report does not contain it."""
        from reg2rg.report import MeasurementDecision
        from reg2rg.report.review_changes import with_decision

        measurement = self.measurement(key)
        if measurement is not None:
            decision = decide(self._record.review.measurements.get(key, MeasurementDecision()))
            self._change(measurement.region, action, lambda record: with_decision(record, key, decision))

    def _change(self, region: str, action: str, change: Callable[[Report], Report], text: str = "") -> None:
        from reg2rg.report.review_changes import logged

        changed = logged(change(self._record), action, region, text)
        self._undoSteps.append((region, self._record))
        self._set(changed, region)

    def _restart(self, record: Report) -> None:
        """Go on with another version of the report, from which nothing can be undone."""
        from reg2rg.report.review_changes import decided_report

        self._undoSteps = []
        self._record, self._report = record, decided_report(record)
        for region in self.regions:
            self.changed.emit(region)

    def _set(self, record: Report, region: str = "") -> None:
        """Set the report with its review, and emit ``changed`` for each section that differs.

        Args:
            record: the new content.
            region: a region whose section counts as changed in any case.
        """
        from reg2rg.report.review_changes import decided_report, with_drafted_impression

        before = {name: self._content(name) for name in self.regions}
        self._record = with_drafted_impression(record)
        self._report = decided_report(self._record)
        changed = [name for name in self.regions if name == region or before.get(name) != self._content(name)]
        for name in changed or [""]:
            self.changed.emit(name)

    def _content(self, region: str) -> tuple[object, ...]:
        """Return everything that the card of a section shows."""
        return self.section(region), self._record.review.sections[region], self.measurements(region)
